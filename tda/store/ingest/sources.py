"""Streams existing embeddings: an .npz {image, text}, a clip-retrieval folder, or Parquet with vector columns.

Legend: B rows of a batch, D dimensions.
"""

import hashlib
import re
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, Protocol

import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from tda.errors import UserError
from tda.store.commit.parquet import BATCH, META_KEY, iter_rows, read_meta
from tda.store.files import exists, filesystem, is_local, join, list_files
from tda.store.ingest.columns import ALIASES, integers, require_once, side_columns, strings, vector_dim, vector_rows
from tda.store.ingest.npy import UNREADABLE, NpyReader, member_size

WHOLE_HASH_BYTES = 64 * 2**20  # larger files are identified by size, head and tail
END_HASH_BYTES = 2**20


@dataclass(frozen=True, kw_only=True)
class Batch:
    """Consecutive pairs from row `start` of a source; `side` holds key, caption, url, width and height as far as they are known."""

    start: int
    image_BD: NDArray[Any]
    text_BD: NDArray[Any]
    side: dict[str, list[Any]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.image_BD)

    def cut(self, low: int, high: int) -> "Batch":
        side = {name: values[low:high] for name, values in self.side.items()}
        return Batch(start=self.start + low, image_BD=self.image_BD[low:high], text_BD=self.text_BD[low:high], side=side)


class VectorSource(Protocol):
    """`rows` pairs of dimension `dim`, from `files`; `batches(start)` streams them in order. `notes` name what is left out."""

    kind: str
    rows: int
    dim: int
    files: list[str]
    notes: list[str]

    def batches(self, start: int = 0) -> Iterator[Batch]: ...


def open_source(url: str, image: str = "image", text: str = "text", side: Mapping[str, str | None] | None = None) -> VectorSource:
    """Recognise a source; `image` and `text` name its arrays or columns. Raises UserError, naming the source, for every fault."""
    source = _recognise(url, (image, text), side or {})
    if source.rows == 0:
        raise UserError(f"source={url} has no rows")
    return source


def _recognise(url: str, vectors: tuple[str, str], side: Mapping[str, str | None]) -> VectorSource:
    fs, path = filesystem(url)
    if path.endswith(".npz"):
        return ArraySource("npz", [_Npz(url, vectors)])
    if fs.isdir(path) and any(fs.isdir(join(path, name)) for name in ("img_emb", "text_emb")):
        return ArraySource("clip_retrieval", *_partitions(url), side)
    if pair := _npy_pair(url, vectors):
        return ArraySource("npy", [pair])
    files = _parquet_files(url)
    if files:
        return ParquetSource(files, vectors, side)
    fault = "matches no .npz, clip-retrieval folder, Parquet or pair of .npy" if fs.exists(path) or "*" in path else "is not there"
    forms = "an .npz with image and text, a folder with img_emb/ and text_emb/ or with image.npy and text.npy, a .pt, or Parquet"
    raise UserError(f"source={url} {fault}: give {forms}")


def read_array(url: str, name: str, most_rows: int) -> NDArray[Any]:
    """A whole two-dimensional array of an .npz, or of an .npy of this name. Raises UserError, before it is read, for one of more rows."""
    if not url.endswith((".npz", ".npy")) or (url.endswith(".npy") and url.rsplit("/", 1)[-1] != f"{name}.npy"):
        raise UserError(f"source={url} with gram={name}: give an .npz that has the array, or the file {name}.npy")
    if not exists(url):
        raise UserError(f"source={url} is not there")
    part: _Part = _Npz(url, (name, name)) if url.endswith(".npz") else _NpyPair(url, url, None)
    with ExitStack() as stack:
        reader, _ = part.open(stack)
        if reader.rows > most_rows:
            raise UserError(f"source={url}[{name}] has {reader.rows} rows; a Gram matrix of at most {most_rows} is factored")
        return reader.read(0, reader.rows)


def _npy_pair(url: str, vectors: tuple[str, str]) -> "_NpyPair | None":
    """`<image>.npy` and `<text>.npy` of a folder, with metadata.parquet if it is there, or the two that a brace pattern names."""
    fs, path = filesystem(url)
    if fs.isdir(path):
        names = list_files(url, ".npy")
        if all(f"{name}.npy" in names for name in vectors):
            beside = list_files(url, ".parquet")
            image, text = (join(url, f"{name}.npy") for name in vectors)
            return _NpyPair(image, text, join(url, beside[0]) if beside == ["metadata.parquet"] else None)
    braces = re.fullmatch(r"(.*)\{([^{},]+),([^{},]+)\}([^{}]*\.npy)", url)
    if braces is None or exists(url):
        return None
    image, text = (f"{braces[1]}{braces[which]}{braces[4]}" for which in (2, 3))
    if absent := next((one for one in (image, text) if not exists(one)), None):
        raise UserError(f"source={url}: {absent} is not there")
    return _NpyPair(image, text, None)


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


class _Part(Protocol):
    """A pair of arrays, and the Parquet of its captions if there is one."""

    name: str
    metadata: str | None
    files: list[str]

    def open(self, stack: ExitStack) -> tuple[NpyReader, NpyReader]: ...


class _Npz:
    def __init__(self, url: str, members: tuple[str, str]) -> None:
        self.name, self.files, self._members = url, [url], members
        self.metadata: str | None = None

    def open(self, stack: ExitStack) -> tuple[NpyReader, NpyReader]:
        fs, path = filesystem(self.name)
        try:
            archive = stack.enter_context(zipfile.ZipFile(stack.enter_context(fs.open(path, "rb"))))
        except FileNotFoundError:
            raise UserError(f"source={self.name} is not there") from None
        except UNREADABLE as error:
            raise UserError(f"source={self.name} is not an .npz: {error}") from None
        return self._member(stack, archive, self._members[0]), self._member(stack, archive, self._members[1])

    def _member(self, stack: ExitStack, archive: zipfile.ZipFile, member: str) -> NpyReader:
        names = [name.removesuffix(".npy") for name in archive.namelist()]
        if names.count(member) != 1:
            fault = "has no array" if member not in names else "has more than one array"
            raise UserError(f"source={self.name} {fault} {member!r}; it has: {', '.join(names) or 'none'}")
        fs, path = filesystem(self.name)
        info = archive.getinfo(f"{member}.npy")
        try:
            stream = stack.enter_context(archive.open(info))
        except UNREADABLE as error:
            raise UserError(f"source={self.name} cannot be read: {error}") from None
        return NpyReader(stream, f"{self.name}[{member}]", member_size(self.name, info, int(fs.size(path))))


class _NpyPair:
    def __init__(self, image: str, text: str, metadata: str | None) -> None:
        self.name, self.files, self.metadata = image, [image, text, *([metadata] if metadata else [])], metadata

    def open(self, stack: ExitStack) -> tuple[NpyReader, NpyReader]:
        image, text = (self._reader(stack, url) for url in self.files[:2])
        return image, text

    def _reader(self, stack: ExitStack, url: str) -> NpyReader:
        fs, path = filesystem(url)
        return NpyReader(stack.enter_context(fs.open(path, "rb")), url, int(fs.size(path)))


def _partitions(url: str) -> tuple[list[_Part], list[str]]:
    """The partitions of a clip-retrieval folder, matched by number, and notes on numbers and files that are left out."""
    notes: list[str] = []
    image, text, metadata = (
        _numbered(url, folder, suffix, notes) for folder, suffix in (("img_emb", ".npy"), ("text_emb", ".npy"), ("metadata", ".parquet"))
    )
    if not image or image.keys() != text.keys() or (metadata and metadata.keys() != image.keys()):
        counts = f"{len(image)} in img_emb/, {len(text)} in text_emb/, {len(metadata)} in metadata/"
        raise UserError(f"source={url} needs the same partitions of images, texts and metadata: {counts}")
    absent = list(islice((number for number in range(max(image)) if number not in image), 6))
    if absent:
        some = ", ".join(map(str, absent[:5])) + (", ..." if len(absent) > 5 else "")
        notes.append(f"source={url} has no partition {some} of 0 to {max(image)}")
    return [_NpyPair(image[number], text[number], metadata.get(number)) for number in sorted(image)], notes


def _numbered(url: str, folder: str, suffix: str, notes: list[str]) -> dict[int, str]:
    """Number -> URL of the files `<folder>_<number><suffix>`; others of that suffix go to the notes. UserError for a number twice."""
    found: dict[int, str] = {}
    for name in list_files(join(url, folder), suffix):
        match = re.fullmatch(rf"{folder}_([0-9]+){re.escape(suffix)}", name)
        if match is None:
            notes.append(f"source={url}: {folder}/{name} is left out, it is no {folder}_<number>{suffix}")
        elif (number := int(match[1])) in found:
            raise UserError(f"source={url} has partition {number} twice: {found[number].rsplit('/', 1)[-1]} and {name} in {folder}/")
        else:
            found[number] = join(url, folder, name)
    return found


class ArraySource:
    """Pairs of .npy arrays, one after the other."""

    def __init__(self, kind: str, parts: list[_Part], notes: Sequence[str] = (), side: Mapping[str, str | None] | None = None) -> None:
        self.kind, self._parts, self.notes, self._named = kind, parts, list(notes), side or {}
        self.files = [file for part in parts for file in part.files]
        shapes = [self._shape(part) for part in parts]
        self.dim = shapes[0][1]
        for part, (_, dim) in zip(parts, shapes, strict=True):
            if dim != self.dim:
                raise UserError(f"{part.name} has {dim} dimensions, {parts[0].name} has {self.dim}")
        self._counts = [rows for rows, _ in shapes]
        self.rows = sum(self._counts)

    def batches(self, start: int = 0) -> Iterator[Batch]:
        begin = 0
        for part, rows in zip(self._parts, self._counts, strict=True):
            if start < begin + rows:
                yield from self._part_batches(part, begin, max(start - begin, 0), rows)
            begin += rows

    def _shape(self, part: _Part) -> tuple[int, int]:
        with ExitStack() as stack:
            image, text = part.open(stack)
            if image.rows != text.rows:
                raise UserError(
                    f"{part.name} has {image.rows} image rows and {text.rows} text rows; row i of one belongs to row i of the other"
                )
            if image.dim != text.dim:
                raise UserError(f"{part.name} has image rows of {image.dim} dimensions and text rows of {text.dim}")
            if part.metadata:
                captions = stack.enter_context(_open_parquet(part.metadata))
                if captions.metadata.num_rows != image.rows:
                    raise UserError(f"{part.metadata} has {captions.metadata.num_rows} rows, {part.name} has {image.rows}")
        return image.rows, image.dim

    def _part_batches(self, part: _Part, begin: int, start: int, rows: int) -> Iterator[Batch]:
        with ExitStack() as stack:
            image, text = part.open(stack)
            at = start
            for length, side in self._sides(part, stack, start, rows):
                yield Batch(start=begin + at, image_BD=image.read(at, at + length), text_BD=text.read(at, at + length), side=side)
                at += length

    def _sides(self, part: _Part, stack: ExitStack, start: int, rows: int) -> Iterator[tuple[int, dict[str, list[Any]]]]:
        """Length and metadata columns of each batch."""
        if part.metadata is None:
            yield from ((min(BATCH, rows - at), {}) for at in range(start, rows, BATCH))
            return
        file = stack.enter_context(_open_parquet(part.metadata))
        with _named(part.metadata):
            columns = side_columns(file.schema_arrow, (), self._named)
        if not columns:
            yield from ((min(BATCH, rows - at), {}) for at in range(start, rows, BATCH))
            return
        for batch in iter_rows(file, list(columns.values()), start, rows):
            yield len(batch), _side(batch, columns)


class ParquetSource:
    """Vector columns of Parquet files, one file after the other."""

    kind = "parquet"

    def __init__(self, files: list[str], vectors: tuple[str, str], side: Mapping[str, str | None] | None = None) -> None:
        self.files, self._vectors, self._named, self.notes = files, vectors, side or {}, list[str]()
        self._counts = []
        dims: set[int] = set()
        for url in files:
            with _open_parquet(url) as file:
                self._counts.append(file.metadata.num_rows)
                dims |= self._dims(url, file)
                columns = self._side_columns(url, file)
            if "caption" not in columns and not self.notes:
                wanted = ", ".join(ALIASES["caption"])
                self.notes.append(f"source={url} has no column {wanted}: captions stay empty; caption_column= names one")
        if len(dims) != 1:
            raise UserError(
                f"source={files[0]} has vectors of {' and '.join(map(str, sorted(dims))) or 'no'} dimensions in {' and '.join(vectors)}"
            )
        self.dim, self.rows = dims.pop(), sum(self._counts)

    def batches(self, start: int = 0) -> Iterator[Batch]:
        begin = 0
        for url, rows in zip(self.files, self._counts, strict=True):
            if start < begin + rows:
                yield from self._file_batches(url, begin, max(start - begin, 0), rows)
            begin += rows

    def _dims(self, url: str, file: pq.ParquetFile) -> set[int]:
        missing = [name for name in self._vectors if name not in file.schema_arrow.names]
        if missing:
            raise UserError(f"source={url} has no column {missing[0]!r}; it has: {', '.join(file.schema_arrow.names)}")
        with _named(url):
            require_once(file.schema_arrow, self._vectors)
        empty = pa.record_batch([pa.array([], file.schema_arrow.field(name).type) for name in self._vectors], names=list(self._vectors))
        first = next(iter_rows(file, list(self._vectors), 0, file.metadata.num_rows), empty)
        dims = {vector_dim(first.column(name), _dtype(file), name) for name in self._vectors}
        return {dim for dim in dims if dim is not None}

    def _side_columns(self, url: str, file: pq.ParquetFile) -> dict[str, str]:
        with _named(url):
            return side_columns(file.schema_arrow, self._vectors, self._named)

    def _file_batches(self, url: str, begin: int, start: int, rows: int) -> Iterator[Batch]:
        with _open_parquet(url) as file:
            columns = self._side_columns(url, file)
            at, dtype = begin + start, _dtype(file)
            for batch in iter_rows(file, [*self._vectors, *columns.values()], start, rows):
                image_BD, text_BD = (vector_rows(batch.column(name), self.dim, dtype, name, at) for name in self._vectors)
                yield Batch(start=at, image_BD=image_BD, text_BD=text_BD, side=_side(batch, columns))
                at += len(batch)


@contextmanager
def _named(url: str) -> Iterator[None]:
    """Errors of columns inside the block name the file."""
    try:
        yield
    except UserError as error:
        raise UserError(f"source={url}: {error}") from None


def _side(batch: pa.RecordBatch, columns: dict[str, str]) -> dict[str, list[Any]]:
    return {ours: (integers if ours in ("width", "height") else strings)(batch.column(theirs)) for ours, theirs in columns.items()}


def _dtype(file: pq.ParquetFile) -> str | None:
    """Dtype of fixed_size_binary columns: only Lacuna's own metadata has it."""
    return str(read_meta(file.schema_arrow)["dtype"]) if META_KEY in (file.schema_arrow.metadata or {}) else None


def _parquet_files(url: str) -> list[str]:
    fs, path = filesystem(url)
    if fs.isdir(path):
        return [join(url, name) for name in list_files(url, ".parquet")]
    if "*" in path or "?" in path:
        matches = sorted(fs.glob(path))
        return [match if is_local(fs) else fs.unstrip_protocol(match) for match in matches]
    return [url] if path.endswith((".parquet", ".pq")) and exists(url) else []


@contextmanager
def _open_parquet(url: str) -> Iterator[pq.ParquetFile]:
    fs, path = filesystem(url)
    try:
        with fs.open(path, "rb") as stream, pq.ParquetFile(stream) as file:
            yield file
    except (pa.ArrowInvalid, OSError) as error:
        raise UserError(f"source={url} is not a Parquet file that can be read: {str(error).splitlines()[0]}") from None
