"""Vectors in arrays: an .npz, a pair of .npy, or the numbered .npy of a clip-retrieval folder, with a Parquet of captions beside.

B rows of a batch, D dimensions.
"""

import re
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from itertools import islice
from typing import Any, Protocol

from numpy.typing import NDArray

from tda.errors import UserError
from tda.store.commit.parquet import BATCH, iter_rows
from tda.store.files import exists, filesystem, join, list_files
from tda.store.ingest.batch import Batch
from tda.store.ingest.columns import side_columns
from tda.store.ingest.npy import UNREADABLE, NpyReader, member_size
from tda.store.ingest.parquet import errors_named, open_parquet, side_of


class Part(Protocol):
    """A pair of arrays, and the Parquet of its captions if there is one."""

    name: str
    metadata: str | None
    files: list[str]

    def open(self, stack: ExitStack) -> tuple[NpyReader, NpyReader]: ...


class ArraySource:
    """Pairs of .npy arrays, one after the other."""

    def __init__(self, kind: str, parts: list[Part], notes: Sequence[str] = (), side: Mapping[str, str | None] | None = None) -> None:
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

    def _shape(self, part: Part) -> tuple[int, int]:
        with ExitStack() as stack:
            image, text = part.open(stack)
            if image.rows != text.rows:
                raise UserError(
                    f"{part.name} has {image.rows} image rows and {text.rows} text rows; row i of one belongs to row i of the other"
                )
            if image.dim != text.dim:
                raise UserError(f"{part.name} has image rows of {image.dim} dimensions and text rows of {text.dim}")
            if part.metadata:
                captions = stack.enter_context(open_parquet(part.metadata))
                if captions.metadata.num_rows != image.rows:
                    raise UserError(f"{part.metadata} has {captions.metadata.num_rows} rows, {part.name} has {image.rows}")
        return image.rows, image.dim

    def _part_batches(self, part: Part, begin: int, start: int, rows: int) -> Iterator[Batch]:
        with ExitStack() as stack:
            image, text = part.open(stack)
            at = start
            for length, side in self._sides(part, stack, start, rows):
                yield Batch(start=begin + at, image_BD=image.read(at, at + length), text_BD=text.read(at, at + length), side=side)
                at += length

    def _sides(self, part: Part, stack: ExitStack, start: int, rows: int) -> Iterator[tuple[int, dict[str, list[Any]]]]:
        """Length and metadata columns of each batch."""
        if part.metadata is None:
            yield from ((min(BATCH, rows - at), {}) for at in range(start, rows, BATCH))
            return
        file = stack.enter_context(open_parquet(part.metadata))
        with errors_named(part.metadata):
            columns = side_columns(file.schema_arrow, (), self._named)
        if not columns:
            yield from ((min(BATCH, rows - at), {}) for at in range(start, rows, BATCH))
            return
        for batch in iter_rows(file, list(columns.values()), start, rows):
            yield len(batch), side_of(batch, columns)


class Npz:
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


class NpyPair:
    def __init__(self, image: str, text: str, metadata: str | None) -> None:
        self.name, self.files, self.metadata = image, [image, text, *([metadata] if metadata else [])], metadata

    def open(self, stack: ExitStack) -> tuple[NpyReader, NpyReader]:
        image, text = (self._reader(stack, url) for url in self.files[:2])
        return image, text

    def _reader(self, stack: ExitStack, url: str) -> NpyReader:
        fs, path = filesystem(url)
        return NpyReader(stack.enter_context(fs.open(path, "rb")), url, int(fs.size(path)))


def partitions(url: str) -> tuple[list[Part], list[str]]:
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
    return [NpyPair(image[number], text[number], metadata.get(number)) for number in sorted(image)], notes


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


def npy_pair(url: str, vectors: tuple[str, str]) -> "NpyPair | None":
    """`<image>.npy` and `<text>.npy` of a folder, with metadata.parquet if it is there, or the two that a brace pattern names."""
    fs, path = filesystem(url)
    if fs.isdir(path):
        names = list_files(url, ".npy")
        if all(f"{name}.npy" in names for name in vectors):
            beside = list_files(url, ".parquet")
            image, text = (join(url, f"{name}.npy") for name in vectors)
            return NpyPair(image, text, join(url, beside[0]) if beside == ["metadata.parquet"] else None)
    braces = re.fullmatch(r"(.*)\{([^{},]+),([^{},]+)\}([^{}]*\.npy)", url)
    if braces is None or exists(url):
        return None
    image, text = (f"{braces[1]}{braces[which]}{braces[4]}" for which in (2, 3))
    if absent := next((one for one in (image, text) if not exists(one)), None):
        raise UserError(f"source={url}: {absent} is not there")
    return NpyPair(image, text, None)


def read_array(url: str, name: str, most_rows: int) -> NDArray[Any]:
    """A whole two-dimensional array of an .npz, or of an .npy of this name. Raises UserError, before it is read, for one of more rows."""
    if not url.endswith((".npz", ".npy")) or (url.endswith(".npy") and url.rsplit("/", 1)[-1] != f"{name}.npy"):
        raise UserError(f"source={url} with gram={name}: give an .npz that has the array, or the file {name}.npy")
    if not exists(url):
        raise UserError(f"source={url} is not there")
    part: Part = Npz(url, (name, name)) if url.endswith(".npz") else NpyPair(url, url, None)
    with ExitStack() as stack:
        reader, _ = part.open(stack)
        if reader.rows > most_rows:
            raise UserError(f"source={url}[{name}] has {reader.rows} rows; a Gram matrix of at most {most_rows} is factored")
        return reader.read(0, reader.rows)
