"""Exact repeats of a reference: found once for a pair of data sets, since they depend on no threshold.

N rows; bit i of a flag is set where the reference has the row's hash of `KINDS[i]` too, bit `BLANK` where the row's caption is not known.
"""

import json
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from tda.store.datasets.embedding_set import EmbeddingSet
from tda.store.datasets.hashes import COLUMNS, KINDS, VERSION, ensure_hashes, found_in, known_values, row_hashes
from tda.store.datasets.views import META_KEY, content_hash
from tda.store.files import filesystem, join, publish
from tda.store.paths import RootPaths

Flags = npt.NDArray[np.uint8]
Bools = npt.NDArray[np.bool_]
BLANK = len(KINDS)


def exact_flags(paths: RootPaths, names: tuple[str, str, str], rows: EmbeddingSet, reference: EmbeddingSet, kinds: Sequence[str]) -> Flags:
    """(N,) which of `kinds` each row has in common with a row of the reference, and whose caption is not known.

    `names` are data set, encoder and reference: where the flags of every kind are kept for the next threshold.
    """
    content = content_hash([rows.digest, reference.digest, VERSION])
    url = join(paths.dedupe_dir(*names), "exact.parquet")
    flags_N = _stored(url, content)
    if flags_N is None or len(flags_N) != len(rows):
        flags_N = _found(paths, rows, reference)
        table = pa.table({"flags": flags_N}).replace_schema_metadata({META_KEY: json.dumps({"content": content})})
        publish(url, partial(pq.write_table, table, compression="zstd"))
    return flags_N & chosen_bits(kinds)


def has(flags_N: Flags, kind: str) -> npt.NDArray[np.bool_]:
    """(N,) whether a flag names this kind."""
    return (flags_N >> KINDS.index(kind) & 1).astype(bool)


def known_texts(rows: EmbeddingSet, flags_N: Flags | None = None) -> Bools:
    """(N,) whether the text vector of each row stands for a text.

    It does not where the caption is blank and other rows have one: all blank captions have the same vector. `flags_N` are those of
    `exact_flags`, where they were found; else captions are read.
    """
    if flags_N is None:
        known_N = np.concatenate([known_values(table["caption"]) for table in rows.tables(["caption"])])
    else:
        known_N = (flags_N >> BLANK & 1) == 0
    return known_N if known_N.any() else np.ones_like(known_N)


def _stored(url: str, content: str) -> Flags | None:
    fs, path = filesystem(url)
    try:
        with fs.open(path, "rb") as file:
            table = pq.read_table(file)
    except (OSError, pa.ArrowInvalid):
        return None
    if json.loads((table.schema.metadata or {}).get(META_KEY, b"{}")).get("content") != content:
        return None
    flags_N: Flags = table["flags"].to_numpy()
    return flags_N


def _found(paths: RootPaths, rows: EmbeddingSet, reference: EmbeddingSet) -> Flags:
    files = ensure_hashes(paths, reference)
    with ExitStack() as stack:
        sorted_M: dict[str, Any] = {kind: stack.enter_context(files.opened(kind)) for kind in KINDS}
        parts = [flags_of(table, sorted_M) for table in rows.tables(COLUMNS)]
    return np.concatenate(parts)


def flags_of(table: pa.Table, sorted_M: Mapping[str, Any]) -> Flags:
    """(B,) the flags of rows, of every kind; `sorted_M`: the hashes of the reference, by kind."""
    flags_B: Flags = np.where(known_values(table["caption"]), 0, 1 << BLANK).astype(np.uint8)
    for kind, hashes in row_hashes(table).items() if sorted_M else ():
        flags_B |= found_in(sorted_M[kind], hashes).astype(np.uint8) << KINDS.index(kind)
    return flags_B


def chosen_bits(kinds: Sequence[str]) -> np.uint8:
    """The bits of a flag that count: those of `kinds`, and whether the caption is known."""
    return np.uint8(1 << BLANK | sum(1 << KINDS.index(kind) for kind in kinds))
