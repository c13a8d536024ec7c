"""A root of three recorded shards and a model, sound until a test damages it."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from small_rows import SOURCE, drop, identity, small_rows

from tda.store.commit.transaction import publish_shard
from tda.store.documents import sealed
from tda.store.paths import RootPaths

EMBEDDINGS, RECORDS, QUARANTINE = "embeddings/d/e", "embeddings/d/e/_records", "quarantine/d/e"
SHARDS = ("00000", "00001", "00002")


def publish(root: Path | str, shard: str, *, weights: str = "w", dtype: str = "float16") -> None:
    """Six pairs, of which 2 and 5 were dropped."""
    rows = small_rows(4, ordinals=[0, 1, 3, 4], seed=int(shard[-1]), dtype=dtype)
    publish_shard(
        RootPaths(str(root)), "d", "e", shard, rows=rows, drops=[drop(2), drop(5)], identity=identity(dtype, weights), source=SOURCE
    )


def sound_root(root: Path) -> Path:
    for shard in SHARDS:
        publish(root, shard)
    folder = root / "models/arm"
    folder.mkdir(parents=True)
    (folder / "model.pt").write_bytes(b"weights")
    (folder / "model.json").write_text(json.dumps({"training": {"sha256": hashlib.sha256(b"weights").hexdigest()}}))
    return root


def change_record(root: Path, shard: str, /, **fields: object) -> None:
    path = root / RECORDS / f"{shard}.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **fields}))


def change_rows(root: Path, shard: str, change: Callable[[dict[str, list[object]]], None]) -> None:
    """Write other rows into a Parquet, and a record of its bytes."""
    path = root / EMBEDDINGS / f"{shard}.parquet"
    table = pq.read_table(path)
    columns = table.to_pydict()
    change(columns)
    pq.write_table(type(table).from_pydict(columns, schema=table.schema), path)
    data = path.read_bytes()
    change_record(root, shard, output={"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)})
    record = root / RECORDS / f"{shard}.json"
    record.write_text(json.dumps(sealed(json.loads(record.read_text()))))


def set_vector(value: float) -> Callable[[dict[str, list[object]]], None]:
    def change(columns: dict[str, list[object]]) -> None:
        columns["text"][1] = np.full(8, value, np.float16).tobytes()

    return change


def set_ordinals(*ordinals: int) -> Callable[[dict[str, list[object]]], None]:
    return lambda columns: columns.update(ordinal=list(ordinals))


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[40] ^= 1
    path.write_bytes(data)


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def republish(root: Path, shard: str) -> None:
    """Record a shard by other weights, as roots may hold that were written before publications were held to one content."""
    others = {path: path.read_bytes() for path in (root / RECORDS).iterdir() if path.stem != shard}
    claim = (root / RECORDS).parent / "_identity.json"
    before = claim.read_bytes()
    for path in (*(root / RECORDS).iterdir(), claim):
        path.unlink()
    publish(root, shard, weights="others")
    for path, data in {**others, claim: before}.items():
        path.write_bytes(data)
