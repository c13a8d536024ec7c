"""Recognises existing embeddings: an .npz {image, text}, a clip-retrieval folder, a pair of .npy, or Parquet with vector columns."""

import hashlib
from collections.abc import Mapping

from tda.errors import UserError
from tda.store.files import filesystem, join
from tda.store.ingest.arrays import ArraySource, Npz, npy_pair, partitions
from tda.store.ingest.batch import VectorSource
from tda.store.ingest.parquet import ParquetSource, parquet_files

WHOLE_HASH_BYTES = 64 * 2**20  # larger files are identified by size, head and tail
END_HASH_BYTES = 2**20


def open_source(url: str, image: str = "image", text: str = "text", side: Mapping[str, str | None] | None = None) -> VectorSource:
    """Recognise a source; `image` and `text` name its arrays or columns. Raises UserError, naming the source, for every fault."""
    source = _recognise(url, (image, text), side or {})
    if source.rows == 0:
        raise UserError(f"source={url} has no rows")
    return source


def _recognise(url: str, vectors: tuple[str, str], side: Mapping[str, str | None]) -> VectorSource:
    fs, path = filesystem(url)
    if path.endswith(".npz"):
        return ArraySource("npz", [Npz(url, vectors)])
    if fs.isdir(path) and any(fs.isdir(join(path, name)) for name in ("img_emb", "text_emb")):
        return ArraySource("clip_retrieval", *partitions(url), side)
    if pair := npy_pair(url, vectors):
        return ArraySource("npy", [pair])
    files = parquet_files(url)
    if files:
        return ParquetSource(files, vectors, side)
    fault = "matches no .npz, clip-retrieval folder, Parquet or pair of .npy" if fs.exists(path) or "*" in path else "is not there"
    forms = "an .npz with image and text, a folder with img_emb/ and text_emb/ or with image.npy and text.npy, a .pt, or Parquet"
    raise UserError(f"source={url} {fault}: give {forms}")


def fingerprint(files: list[str]) -> tuple[str, int]:
    """SHA-256 over sizes and contents of the files, in order, and their bytes together.

    Only the first and last MiB of a file above 64 MiB are read. Names are not hashed: a source may be moved.
    """
    digest, total = hashlib.sha256(), 0
    for url in files:
        fs, path = filesystem(url)
        size = int(fs.size(path))
        total += size
        digest.update(f"{size}\n".encode())
        spans = [(0, size)] if size <= WHOLE_HASH_BYTES else [(0, END_HASH_BYTES), (size - END_HASH_BYTES, size)]
        for start, stop in spans:
            digest.update(hashlib.sha256(fs.cat_file(path, start=start, end=stop)).digest())
    return digest.hexdigest(), total
