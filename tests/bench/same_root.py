"""Whether two roots hold the same results: python tests/bench/same_root.py BEFORE AFTER [--new alignment ...]

Compared to the last bit: the rows of every embedding shard, every metrics.json, sweep.json and comparisons.json, the tables beside them,
and the CSVs of the report. Left out: what names code, weights files or settings by hash, seconds, and the keys given as `--new`, which only
AFTER may hold. Exits 1, with a line for each difference, where the roots differ.
"""

import argparse
import csv
import json
import math
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

HASHES = {"config_hash", "part_hashes", "code_version", "seconds", "digest", "hash", "document_sha256", "rows_sha256", "tables", "files"}


def same(one: Any, other: Any) -> bool:
    """Equality in which NaN equals NaN."""
    if isinstance(one, float) and isinstance(other, float) and math.isnan(one):
        return math.isnan(other)
    return bool(one == other)


def differences(one: Any, other: Any, skipped: set[str], place: str = "") -> Iterator[str]:
    """The places at which two JSON values differ."""
    if isinstance(one, dict) and isinstance(other, dict):
        for key in sorted((one.keys() | other.keys()) - skipped):
            if key not in one or key not in other:
                yield f"{place}/{key} is only in {'AFTER' if key in other else 'BEFORE'}"
            else:
                yield from differences(one[key], other[key], skipped, f"{place}/{key}")
    elif isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        for number, (a, b) in enumerate(zip(one, other, strict=True)):
            yield from differences(a, b, skipped, f"{place}/{number}")
    elif not same(one, other):
        yield f"{place}: {one!r} is now {other!r}"


def tables_differ(one: Path, other: Path) -> Iterator[str]:
    """The columns in which two Parquet files differ; their metadata holds hashes and does not count."""
    before, after = (pq.read_table(path).replace_schema_metadata(None) for path in (one, other))
    if before.column_names != after.column_names:
        yield f": columns {before.column_names} are now {after.column_names}"
        return
    for name in before.column_names:
        a, b = before[name].combine_chunks(), after[name].combine_chunks()
        if _bytes(a) != _bytes(b):
            yield f": column {name} differs"


def timeless(table: Path) -> list[list[str]]:
    """The rows of a CSV without its columns of seconds."""
    with table.open(newline="") as file:
        rows = list(csv.reader(file))
    kept = [place for place, heading in enumerate(rows[0]) if "seconds" not in heading.lower()]
    return [[row[place] for place in kept] for row in rows]


def _bytes(column: pa.Array) -> Any:
    return [None if buffer is None else buffer.to_pybytes() for buffer in pa.concat_arrays([column]).buffers()]


def compared(before: Path, after: Path, new: set[str]) -> Iterator[str]:
    """One line for each difference between two roots."""
    patterns = ("embeddings/*/*/*.parquet", "nearest/*/*/*/*.parquet", "dedupe/*/*/*/*.parquet", "analysis/**/*.parquet")
    patterns += ("analysis/**/*.json", "report/*.csv")
    names = {str(path.relative_to(root)) for root in (before, after) for pattern in patterns for path in root.glob(pattern)}
    print(f"{len(names)} files")
    for name in sorted(names):
        one, other = before / name, after / name
        if not one.exists() or not other.exists():
            if not any(word in name for word in new):
                yield f"{name} is only in {'AFTER' if other.exists() else 'BEFORE'}"
        elif name.endswith(".parquet"):
            yield from (f"{name}{line}" for line in tables_differ(one, other))
        elif name.endswith(".json"):
            found = differences(json.loads(one.read_text()), json.loads(other.read_text()), HASHES | new)
            yield from (f"{name} {line}" for line in found)
        elif timeless(one) != timeless(other):
            yield f"{name} differs"


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("before", type=Path)
    parser.add_argument("after", type=Path)
    parser.add_argument("--new", nargs="*", default=[], help="keys and files that only AFTER may hold")
    given = parser.parse_args()
    lines = list(compared(given.before, given.after, set(given.new)))
    print("\n".join(lines) or "the same, to the last bit")
    return bool(lines)


if __name__ == "__main__":
    sys.exit(main())
