"""A root of very many recorded shards, made in seconds: one Parquet under many names, and records as a run leaves them."""

import json
import os
from dataclasses import asdict
from pathlib import Path

from small_rows import identity, small_rows

from tda.store.commit.records import ShardRecord, read_record
from tda.store.commit.transaction import publish_shard
from tda.store.datasets.nearest import Matches, NearestRecord, publish_matches, reference_hash
from tda.store.documents import sealed
from tda.store.paths import RootPaths
from tda.store.types import Source

ROWS = 4
NAMES = ("d", "e")


def shard_names(count: int) -> list[str]:
    return [f"{number:06d}" for number in range(count)]


def first_shard(root: Path, dataset: str = "d") -> ShardRecord:
    """Publish shard 000000 as an embedding run does."""
    source = Source("/data/000000.tar", 300_000_000, "0123456789abcdef0123456789abcdef")
    rows, seconds = small_rows(ROWS), {"read": 1.0, "decode": 2.0, "batch": 3.0, "encode": 4.0}
    made = {"rows": rows, "drops": [], "identity": identity(), "source": source, "seconds": seconds}
    return publish_shard(RootPaths(str(root)), dataset, "e", "000000", **made, canary={"device": "cuda", "digest": "c1:" + "3" * 64})  # type: ignore[arg-type]  # by name


def write_records(root: Path, count: int, dataset: str = "d") -> None:
    """Record `count` shards of `ROWS` rows; all have the rows of the first."""
    first = first_shard(root, dataset)
    folder = Path(RootPaths(str(root)).embeddings_dir(dataset, "e"))
    record = asdict(first)
    record.pop("shard")
    for name in shard_names(count)[1:]:
        os.link(folder / "000000.parquet", folder / f"{name}.parquet")
        write_record(folder / "_records", name, record)


def write_record(folder: Path, name: str, record: dict[str, object]) -> None:
    with open(folder / f"{name}.json", "w") as file:  # noqa: PTH123 (a Path each is most of the time)
        file.write(json.dumps(sealed({**record, "shard": name})))


def write_matches(root: Path, count: int, reference: str = "r") -> None:
    """Record the closest rows of every shard of `d` in a reference of one shard."""
    import numpy as np

    paths = RootPaths(str(root))
    first_shard(root, reference)
    one_N1 = np.ones((ROWS, 1))
    found = Matches(
        cosine_NK=one_N1, shard_NK=np.full((ROWS, 1), "000000"), ordinal_NK=one_N1.astype(np.int64), key_NK=np.full((ROWS, 1), "k"),
        count_N=np.ones(ROWS, np.int64),
    )  # fmt: skip
    row = read_record(paths, "d", "e", "000000")
    made: NearestRecord = publish_matches(
        paths, ordinal_N=range(ROWS), keys=["k"] * ROWS, matches={"image": found, "text": found}, dataset="d", encoder="e",
        reference=reference, shard="000000", rows_sha256=row.output["sha256"], reference_hash=reference_hash(paths, reference, "e"),
        layout_hash="", weights_sha256=row.weights_sha256, probes=None, k=1,
    )  # fmt: skip
    folder = Path(paths.nearest_dir("d", "e", reference))
    record = asdict(made)
    record.pop("shard")
    for name in shard_names(count)[1:]:
        os.link(folder / "000000.parquet", folder / f"{name}.parquet")
        write_record(folder / "_records", name, record)
