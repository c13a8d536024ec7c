"""Exact repeats: sorted 64-bit hashes of a data set's URLs, and of its captions with image sizes, searched by memory map.

N rows. Of 2e9 rows looked up among 4e8 hashes, 0.04 are found by chance. A file is made once for each content of the data set, sorted in
buckets by the first byte of the hash, so that 4e8 rows need the memory of one bucket (13 MB).
"""

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from tda.store.datasets.embedding_set import EmbeddingSet
from tda.store.documents import document_if_whole, sealed
from tda.store.files import file_sha256, filesystem, is_local, join, publish, publish_json
from tda.store.paths import RootPaths
from tda.store.remote.local import require_plain

COLUMNS = ("url", "caption", "width", "height")  # what is read for the hashes
KINDS = ("url", "caption")  # of hashes; `caption` includes the image's size
VERSION = 2  # of what has a hash: part of every key under which hashes, or what was found by them, are kept
# values that stand for "not known", after blanks are cut off and letters made small
PLACEHOLDERS = ("", "null", "none", "nan", "n/a", "na", "nil", "undefined", "unknown", "-", "--", "?", "<na>", "(null)", "[null]")
BUCKETS = 256
MANIFEST = "manifest.json"
_INVISIBLE = " \t\r\n\u00a0\u200b\u200c\u200d\u2060\ufeff\x00"

Hashes = tuple[NDArray[np.uint64], NDArray[np.bool_]]  # of every row, and whether the row has one


def row_hashes(table: pa.Table) -> dict[str, Hashes]:
    """Hashes of the rows of a table that has `COLUMNS`, and which rows have one: those whose URL, or caption and image size, is known."""
    size_N, sized_N = _sizes(table)
    return {
        "url": text_hashes(table["url"]),
        "caption": (_hashed(table["caption"], size_N), sized_N & known_values(table["caption"])),
    }


def text_hashes(column: pa.ChunkedArray) -> Hashes:
    """Hashes of strings, and which of them stand for something."""
    return _hashed(column, np.zeros(len(column), np.uint64)), known_values(column)


def known_values(column: pa.ChunkedArray) -> NDArray[np.bool_]:
    """(N,) whether each string is known: neither null nor blank nor a placeholder, which are equal without meaning the same."""
    plain = pc.utf8_lower(pc.utf8_trim(pc.utf8_trim_whitespace(column.cast(pa.large_string())), characters=_INVISIBLE))
    unknown = pc.or_(pc.is_null(plain), pc.is_in(plain, pa.array(PLACEHOLDERS, pa.large_string())))
    known_N: NDArray[np.bool_] = pc.invert(unknown).to_numpy()
    return known_N.astype(bool)


@dataclass(frozen=True)
class HashFiles:
    """The hashes of one content of a data set, at `folder`; `rows`: number of distinct hashes of each kind."""

    folder: str
    rows: dict[str, int]

    @contextmanager
    def opened(self, kind: str) -> Iterator[NDArray[np.uint64]]:
        """The sorted hashes, memory-mapped; a remote file is copied to this machine while it is open."""
        url = join(self.folder, f"{kind}.u64")
        fs, path = filesystem(url)
        if not self.rows[kind]:
            yield np.empty(0, dtype=np.uint64)
        elif is_local(fs):
            require_plain(path)
            yield np.memmap(path, dtype="<u8", mode="r")
        else:
            with tempfile.TemporaryDirectory(prefix="lacuna-hashes-") as folder:
                fs.get_file(path, f"{folder}/{kind}")
                yield np.memmap(f"{folder}/{kind}", dtype="<u8", mode="r")


def found_in(sorted_M: NDArray[np.uint64], hashes: Hashes) -> NDArray[np.bool_]:
    """(N,) whether each row's hash is among the sorted ones."""
    hash_N, known_N = hashes
    if not len(sorted_M):
        return np.zeros(len(hash_N), dtype=bool)
    asked, back_N = np.unique(hash_N, return_inverse=True)  # ascending: each page of the map is touched once
    at = np.minimum(np.searchsorted(sorted_M, asked), len(sorted_M) - 1)
    found_N: NDArray[np.bool_] = (sorted_M[at] == asked)[back_N] & known_N
    return found_N


def ensure_hashes(paths: RootPaths, embeddings: EmbeddingSet) -> HashFiles:
    """The hash files of this content of a data set, made if they are not there yet; the manifest, written last, commits them."""
    folder = paths.hashes_dir(f"{embeddings.digest}-v{VERSION}")
    manifest = join(folder, MANIFEST)
    found = document_if_whole(manifest)
    if not _whole(folder, found):
        rows, files = _build(folder, embeddings)
        publish_json(manifest, sealed({"rows": rows, "rows_read": len(embeddings), "files": files}))
        return HashFiles(folder, rows)
    return HashFiles(folder, found["rows"])


def _whole(folder: str, found: Mapping[str, Any]) -> bool:
    """Whether a manifest is complete and its files have the sizes of their counts."""
    rows = found.get("rows")
    if not isinstance(rows, dict) or set(rows) != set(KINDS):
        return False
    return all(_size(join(folder, f"{kind}.u64")) == 8 * rows[kind] for kind in KINDS)


def _size(url: str) -> int | None:
    fs, path = filesystem(url)
    try:
        return int(fs.info(path)["size"])
    except FileNotFoundError:
        return None


def _build(folder: str, embeddings: EmbeddingSet) -> tuple[dict[str, int], dict[str, Any]]:
    """(distinct hashes of each kind, sha256 and bytes of each file)."""
    rows: dict[str, int] = {}
    files: dict[str, Any] = {f"{kind}.u64": {} for kind in KINDS}
    with tempfile.TemporaryDirectory(prefix="lacuna-hashes-") as scratch:
        for kind in KINDS:
            Path(scratch, kind).mkdir()
        for table in embeddings.tables(COLUMNS):
            for kind, (hash_N, known_N) in row_hashes(table).items():
                _spill(Path(scratch, kind), hash_N[known_N])
        for kind in KINDS:
            name = f"{kind}.u64"
            publish(join(folder, name), partial(_merge, Path(scratch, kind), kind, rows), partial(_describe, files[name]))
    return rows, files


def _describe(entry: dict[str, Any], path: Path) -> None:
    entry.update(sha256=file_sha256(path), bytes=path.stat().st_size)


def _spill(folder: Path, hash_N: NDArray[np.uint64]) -> None:
    """Append hashes to the bucket of their first byte."""
    hash_N = np.sort(hash_N)
    edges = np.searchsorted(hash_N, np.arange(1, BUCKETS, dtype=np.uint64) << np.uint64(56))
    for bucket, part in enumerate(np.split(hash_N, edges)):
        if len(part):
            with (folder / f"{bucket:03d}").open("ab") as file:
                file.write(part.astype("<u8").tobytes())


def _merge(folder: Path, kind: str, rows: dict[str, int], out: BinaryIO) -> None:
    """Write every bucket sorted, one after another, and count them in `rows`."""
    rows[kind] = 0
    for file in sorted(folder.iterdir()):
        once = np.unique(np.fromfile(file, dtype="<u8"))
        out.write(once.tobytes())
        rows[kind] += len(once)


def _sizes(table: pa.Table) -> tuple[NDArray[np.uint64], NDArray[np.bool_]]:
    """(N,) width and height in one number, and whether both are known."""
    sides = [table[name].combine_chunks().fill_null(0).to_numpy(zero_copy_only=False).astype(np.uint64) for name in ("width", "height")]
    return (sides[0] << np.uint64(32)) | sides[1], (sides[0] > 0) & (sides[1] > 0)


def _hashed(column: pa.ChunkedArray, salt_N: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """(N,) hashes of strings, each started from its salt."""
    from tda.store.datasets.fnv import hash_strings

    out_N = np.empty(len(column), dtype=np.uint64)
    at = 0
    for chunk in column.cast(pa.large_string()).chunks:
        _, offsets, data = chunk.buffers()
        edge = np.frombuffer(offsets, dtype=np.int64)[chunk.offset : chunk.offset + len(chunk) + 1] if len(chunk) else np.zeros(1, np.int64)
        text = np.frombuffer(data, dtype=np.uint8) if data is not None and data.size else np.zeros(0, np.uint8)
        hash_strings(text, edge, salt_N[at : at + len(chunk)], out_N[at : at + len(chunk)])
        at += len(chunk)
    return out_N
