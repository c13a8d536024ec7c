"""The kept rows of a large view, in parts: each a file for a run of shards, written by the task that decided on them.

`summary.json` names the parts in `parts`, each with its file, its first shard and the shard behind its last, by number in the set. A view
of one file, kept.parquet, has no such field. The metadata of a part hold what it was decided from, so that a killed run takes it over.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from tda.store.datasets.views import META_KEY, SCHEMA_VERSION, Kept, View, write_kept
from tda.store.documents import document_if_whole, sealed
from tda.store.files import file_sha256, filesystem, join, list_files, publish, publish_json, remove
from tda.store.paths import RootPaths

SPAN_ROWS = 4_000_000  # of the set, in a part; a set of fewer rows has one file
PREFIX, DIGITS = "kept-", 12  # of a part's name, and of the content in it


@dataclass(frozen=True, kw_only=True)
class KeptPart:
    """A part: its file, its shards by number (`stop` is the first behind it), how many rows of each are kept, and what was counted."""

    name: str
    first: int
    stop: int
    kept: dict[str, int]
    counted: dict[str, Any]
    entry: dict[str, Any]  # sha256 and bytes


def part_name(first: int, content: str) -> str:
    return f"{PREFIX}{first:06d}-{content[:DIGITS]}.parquet"


def publish_part(folder: str, content: str, span: tuple[int, int], kept: Iterable[Kept], counted: Mapping[str, Any]) -> KeptPart:
    """Write the kept rows of a run of shards. `counted` is filled while `kept` is drawn, and stands in the file with them."""
    first, stop = span
    name, counts, entry = part_name(first, content), dict[str, int](), dict[str, Any]()

    def describe() -> dict[str, Any]:
        return {"content": content, "span": [first, stop], "kept": counts, "counted": counted}

    def describe_file(path: Path) -> None:
        entry.update(sha256=file_sha256(path), bytes=path.stat().st_size)

    publish(join(folder, name), partial(write_kept, content=content, kept=kept, counts=counts, more=describe), describe_file)
    return KeptPart(name=name, first=first, stop=stop, kept=counts, counted=dict(counted), entry=entry)


def standing_part(folder: str, content: str, span: tuple[int, int]) -> KeptPart | None:
    """The part of these shards that an earlier run wrote from the same content; None where there is none that can be read."""
    name = part_name(span[0], content)
    fs, path = filesystem(join(folder, name))
    try:
        with fs.open(path, "rb") as source, pq.ParquetFile(source) as file:
            found = json.loads((file.metadata.metadata or {}).get(META_KEY, b"{}"))
            if found.get("content") != content or found.get("span") != list(span):
                return None
            if file.metadata.num_rows != sum(found["kept"].values()):
                return None
    except (OSError, pa.ArrowInvalid, ValueError, KeyError):
        return None
    entry = {"sha256": file_sha256(join(folder, name)), "bytes": int(fs.size(path))}
    return KeptPart(name=name, first=span[0], stop=span[1], kept=found["kept"], counted=found["counted"], entry=entry)


def publish_parts(paths: RootPaths, view: View, encoder: str, parts: Sequence[KeptPart], summary: Mapping[str, Any]) -> dict[str, Any]:
    """Publish summary.json of a view whose parts are written, then remove what is not of it."""
    counts = {shard: rows for part in parts for shard, rows in part.kept.items()}
    whole = sealed({
        "schema": SCHEMA_VERSION,
        **summary,
        "rows_kept": sum(counts.values()),
        "kept_per_shard": counts,
        "parts": [[part.name, part.first, part.stop] for part in parts],
        "files": {part.name: part.entry for part in parts},
    })  # fmt: skip
    publish_json(paths.dedupe_summary(view.base, encoder, view.reference), whole)
    folder = paths.dedupe_dir(view.base, encoder, view.reference)
    named = set(document_if_whole(paths.dedupe_summary(view.base, encoder, view.reference)).get("files", {}))  # another run may be later
    for name in {*(name for name in list_files(folder, ".parquet") if name.startswith(PREFIX)), "kept.parquet"} - named:
        remove(join(folder, name))
    return whole
