"""Places and labels of every row of a data set: `rows/<shard>.parquet` beside its analysis, aligned with the embeddings, and a record each.

The record is written last and commits the file. It names the fit that placed the rows: rows of another fit, or of other embeddings, count
as missing and are made again. The same rows and the same fit give the same bytes.

Legend: N rows of a shard.
"""

import io
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from tda.errors import ShardError
from tda.store.datasets.embedding_set import EmbeddingSet
from tda.store.datasets.views import content_hash
from tda.store.documents import entry_of, parsed, sealed, unsealed
from tda.store.files import join, list_files, publish_bytes, publish_json, read_bytes, read_many
from tda.store.types import VECTORS, printable

FOLDER, RECORDS = "rows", "_records"
SCHEMA = 1


@dataclass(frozen=True, kw_only=True)
class PlacedRecord:
    """The commit of one shard: the fit, the embeddings that were placed, and the file's sha256 and bytes under its name."""

    shard: str
    rows: int
    rows_sha256: str
    fit: str
    files: dict[str, Any]
    schema: int = SCHEMA


def shard_hash(embeddings: EmbeddingSet, index: int) -> str:
    """Identifies the rows of a shard: its embeddings, and of a view also which rows are kept."""
    return content_hash([embeddings.content[index], embeddings.content[len(embeddings.shards) :]])


def publish_placed(folder: str, record: Mapping[str, Any], columns: Mapping[str, Any]) -> PlacedRecord:
    """Publish the rows of a shard, then the record that commits them. `record`: shard, rows_sha256, fit. Raises as `publish`."""
    buffer = io.BytesIO()
    table = pa.table(dict(columns))
    pq.write_table(table, buffer, compression="zstd", write_page_checksum=True)
    name = f"{record['shard']}.parquet"
    publish_bytes(join(folder, name), buffer.getvalue())
    made = PlacedRecord(**record, rows=len(table), files={name: entry_of(buffer.getvalue())})
    publish_json(join(folder, RECORDS, f"{record['shard']}.json"), sealed(asdict(made)))
    return made


def placed_records(folder: str) -> dict[str, PlacedRecord]:
    """The records of a folder by shard. One that cannot be read is left out: its shard is placed again."""
    url = join(folder, RECORDS)
    names = list_files(url, ".json")
    found = [_parsed(data) for data in read_many(url, names)]
    return {record.shard: record for name, record in zip(names, found, strict=True) if record and name == f"{record.shard}.json"}


def standing(folder: str, embeddings: EmbeddingSet, fit: str) -> dict[str, PlacedRecord]:
    """The records of this fit and of these embeddings whose files are there."""
    files, records = set(list_files(folder, ".parquet")), placed_records(folder)
    hashes = {shard: shard_hash(embeddings, index) for index, shard in enumerate(embeddings.shards) if shard in records}
    return {
        shard: records[shard]
        for shard, own in hashes.items()
        if records[shard].fit == fit and records[shard].rows_sha256 == own and f"{shard}.parquet" in files
    }


def read_placed(folder: str, record: PlacedRecord, columns: Sequence[str]) -> dict[str, NDArray[Any]]:
    """Columns of a shard's rows. Raises ShardError where the file is not that of its record."""
    url = join(folder, f"{record.shard}.parquet")
    try:
        data = read_bytes(url)
    except FileNotFoundError:
        raise ShardError(record.shard, "missing", f"{url} is recorded but not there: analyse again") from None
    if record.files.get(f"{record.shard}.parquet") != entry_of(data):
        raise ShardError(record.shard, "damaged", f"{url} is not the file of its record: analyse again")
    table = pq.read_table(io.BytesIO(data), columns=list(columns))
    return {name: table[name].to_numpy() for name in columns}


def placed_labels(folder: str, records: Sequence[PlacedRecord]) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """Labels and probabilities (2, N) of images and texts of these shards, in their order."""
    names = [f"{modality}_{what}" for what in ("label", "probability") for modality in VECTORS]
    parts = [read_placed(folder, record, names) for record in records]
    image, text, firm_image, firm_text = (np.concatenate([part[name] for part in parts]) for name in names)
    return np.stack([image, text]), np.stack([firm_image, firm_text])


def problems(folder: str, embeddings: EmbeddingSet, fit: str | None) -> list[str]:
    """One line for each record of other embeddings, of another fit than metrics.json names, and for each file without a record."""
    records, lines = placed_records(folder), list[str]()
    hashes = {shard: shard_hash(embeddings, index) for index, shard in enumerate(embeddings.shards)}
    for shard, record in records.items():
        url = join(folder, RECORDS, f"{shard}.json")
        if record.rows_sha256 != hashes.get(shard):
            lines.append(f"{url}: its rows were placed from other embeddings than there are now: run jobs.analyze again")
        elif record.fit != fit:
            lines.append(f"{url}: its rows are of the fit {printable(record.fit, 12)}, metrics.json has {printable(str(fit), 12)}")
    lines += [
        f"{join(folder, name)}: no record names it"
        for name in list_files(folder, ".parquet")
        if name.removesuffix(".parquet") not in records
    ]
    missing = sorted(set(hashes) - set(records)) if fit is not None else []
    return lines + [f"{join(folder, RECORDS, shard)}.json: missing, but metrics.json is of all rows" for shard in missing]


def _parsed(data: bytes) -> PlacedRecord | None:
    try:
        found = PlacedRecord(**unsealed(parsed(data)))
    except (ValueError, TypeError):
        return None
    return found if found.schema == SCHEMA else None
