"""Which shards a user means: a path, a folder, a brace pattern, a glob, a list of these, or `@file` of lines."""

import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from glob import escape
from typing import Any

from tda.errors import UserError
from tda.store.files import exists, filesystem, is_local, read_bytes
from tda.store.paths import NAME, UNSAFE, check_name

MAX_SHARDS = 1_000_000  # LAION-2B has 232 thousand; beyond this a range is a slip of the keyboard
PROBES = 100  # shards of which one has to exist; the others are named one by one when their turn comes

ENDINGS = (".tar", ".jsonl", ".parquet")

STEM = 140  # letters of a stem that stay where it cannot be a name as it is

GLOB = "*?["
MAGIC = "{" + GLOB

_RANGE = re.compile(r"(\d+)\.\.(\d+)(?:\.\.(\d+))?")
_LETTERS = re.compile(r"([a-zA-Z])\.\.([a-zA-Z])")
LIST = "::"  # between the shards of one string, as webdataset writes lists


class _BadSpecError(Exception):
    """What is wrong with a value; `expand_shards` puts the name of the field before it."""


def expand_shards(spec: Any, field: str = "dataset.shards") -> list[str]:
    """Return the URL of every shard that `spec` names, in its order (a glob's matches are sorted).

    A path that exists is taken as it is, whatever signs its name holds; else `@file`, braces and globs are expanded.
    Raises UserError, naming `field` and the spec, where it is missing, matches nothing or names a shard twice, or none of its first shards
    exists.
    """
    if spec is None:
        raise UserError(f"{field} is missing: give {field}=PATTERN, a path, a pattern, a list of these, or @file")
    try:
        urls = [url for item in _items(spec) for url in _expand(item)]
    except _BadSpecError as error:
        raise UserError(f"{field}={error}") from None
    if not urls:
        raise UserError(f"{field}={spec!r} matches no shard")
    twice = [url for url, n in Counter(urls).items() if n > 1]
    if twice:
        raise UserError(f"{field}={_brief(spec)} names a shard twice: {twice[0]}")
    if not any(exists(url) for url in urls[:PROBES]):
        raise UserError(f"{field}={_brief(spec)} matches no shard: {urls[0]} is not there{', nor those after it' * (len(urls) > 1)}")
    return urls


def shard_name(url: str) -> str:
    """The stem of a shard: its file name without its ending. Of a URL without the query, of a web address without what follows a #."""
    scheme, divided, rest = url.partition("://")
    plain = re.split(r"[?#]" if scheme.startswith("http") else r"[?]", rest, maxsplit=1)[0] if divided else url
    name = plain.rstrip("/").rsplit("/", 1)[-1]
    return next((name.removesuffix(ending) for ending in ENDINGS if name.endswith(ending)), name)


def name_shards(urls: list[str]) -> dict[str, str]:
    """Shard name -> URL, in order: the names by which shards are known under the root.

    A stem that not every store takes as a name (with brackets, spaces or other letters than a to z, or too long) has these signs replaced,
    and then @ and 12 digits of the SHA-256 of the stem. Raises UserError where two shards would share a name, or one has none.
    """
    named: dict[str, str] = {}
    for url in urls:
        stem = shard_name(url)
        name = check_name("shard", stem if not stem or NAME.fullmatch(stem) else _storable(stem))
        if name in named:
            raise UserError(f"shards {named[name]} and {url} have the same name {name}: give them different dataset.name, or rename one")
        named[name] = url
    return named


def _storable(stem: str) -> str:
    letters = UNSAFE.sub("_", stem).lstrip("_.+=-")[:STEM] or "shard"
    return f"{letters}@{hashlib.sha256(stem.encode(errors='surrogatepass')).hexdigest()[:12]}"


def _brief(spec: Any) -> str:
    text = repr(spec)
    return text if len(text) <= 200 else text[:200] + "..."


def _items(spec: Any) -> Iterator[str]:
    """The strings of a list of any depth."""
    if isinstance(spec, list | tuple):
        for item in spec:
            yield from _items(item)
    elif not isinstance(spec, str) or not spec.strip():
        raise _BadSpecError(f"{spec!r} is not a path, a pattern, a list of these, or @file")
    else:
        yield spec


def _expand(item: str, *, listed: bool = True) -> Iterator[str]:
    """What a string stands for: an existing path, else an `@file` (if `listed`), else braces and globs."""
    if item.startswith("pipe:"):
        raise _BadSpecError(f"{item!r} runs a command, which is refused: give a path or URL")
    parts = item.split(LIST)
    if len(parts) > 1 and all(part.endswith((*ENDINGS, "}")) for part in parts):  # else `::` is fsspec's, as in simplecache::s3://...
        for part in parts:
            yield from _expand(part, listed=listed)
        return
    at_file = listed and item.startswith("@")
    if not (at_file or any(sign in item for sign in MAGIC)) or _is_there(item):
        yield from _literal(item)
    elif at_file:
        yield from _some((url for line in _lines(item[1:]) for url in _expand(line, listed=False)), item)
    else:
        for count, element in enumerate(_braces(item)):
            if count >= MAX_SHARDS:
                raise _BadSpecError(f"{item!r} names more than {MAX_SHARDS} shards")
            yield from _element(element, asked=element == item)


def _element(element: str, *, asked: bool) -> Iterator[str]:
    """One string of a brace pattern; `asked`: no path of this name exists."""
    if not any(sign in element for sign in GLOB):
        yield element  # there may be a million of them: the store is not asked about each
    elif not asked and _is_there(element):
        yield from _literal(element)
    else:
        fs, path = filesystem(element)
        yield from _some((_url(fs, match) for match in sorted(fs.glob(path))), element)


def _some(urls: Iterable[str], named: str) -> Iterator[str]:
    """The URLs, of which there has to be one: a pattern that matches nothing is a slip that would leave pairs out in silence."""
    nothing = True
    for url in urls:
        nothing = False
        yield url
    if nothing:
        raise _BadSpecError(f"{named!r} matches no shard")


def _literal(path_or_url: str) -> Iterator[str]:
    fs, path = filesystem(path_or_url)
    if fs.isdir(path):
        yield from _some(_in_folder(fs, path.rstrip("/")), path_or_url)
    else:
        yield path_or_url


def _is_there(url: str) -> bool:
    """One question to the store. The answer is no where it is forbidden, as for a missing key without the right to list its bucket."""
    try:
        return exists(url)
    except (PermissionError, UserError, ValueError):  # ValueError: a name that no file can have
        return False


def _lines(url: str) -> Iterator[str]:
    """Lines of a list without comments; spaces at a line's ends are dropped, unless they belong to the name of a file."""
    try:
        lines = read_bytes(url).decode("utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise _BadSpecError(f"@{url} cannot be read: {getattr(error, 'strerror', None) or error}") from None
    for line in lines:
        bare = line.strip()
        if bare and not bare.startswith("#"):
            yield line if line != bare and _is_there(line) else bare


def _in_folder(fs: Any, path: str) -> Iterator[str]:
    """The shards of the first kind that is there: img2dataset puts a Parquet of side data next to every tar."""
    kinds = ([*sorted(fs.glob(f"{escape(path)}/*{ending}"))] for ending in ENDINGS)
    yield from (_url(fs, match) for match in next(filter(None, kinds), []))


def _url(fs: Any, path: str) -> str:
    return path if is_local(fs) else str(fs.unstrip_protocol(path))


def _braces(pattern: str) -> Iterator[str]:
    """Expand ranges {000..059}, zero-padded as written, and lists {a,b}, which may be nested; the leftmost runs slowest."""
    head, brace, rest = pattern.partition("{")
    if not brace:
        yield pattern
        return
    parts, tail = _split(rest, pattern)
    for choice in _choices(parts, pattern):
        for middle in _braces(choice):
            for end in _braces(tail):
                yield head + middle + end


def _split(rest: str, pattern: str) -> tuple[list[str], str]:
    """What an open brace holds, divided at its own commas, and what follows its end."""
    parts, depth = [""], 0
    for i, sign in enumerate(rest):
        if sign == "}" and depth == 0:
            return parts, rest[i + 1 :]
        if sign == "," and depth == 0:
            parts.append("")
            continue
        depth += (sign == "{") - (sign == "}")
        parts[-1] += sign
    raise _BadSpecError(f"{pattern!r} has a brace that is not closed")


def _choices(parts: list[str], pattern: str) -> Iterator[str]:
    span, letters = _RANGE.fullmatch(parts[0]), _LETTERS.fullmatch(parts[0])
    if len(parts) > 1:
        yield from parts
    elif letters and letters[1] <= letters[2]:
        yield from map(chr, range(ord(letters[1]), ord(letters[2]) + 1))
    elif span is None:
        raise _BadSpecError(f"{pattern!r}: {{{parts[0]}}} is neither a range {{000..059}} nor a list {{a,b}}")
    elif int(span[1]) > int(span[2]):
        raise _BadSpecError(f"{pattern!r}: {{{parts[0]}}} runs backwards")
    else:
        padded = any(len(end) > 1 and end.startswith("0") for end in span.groups()[:2])
        width = max(map(len, span.groups()[:2])) if padded else 0
        yield from (str(i).zfill(width) for i in range(int(span[1]), int(span[2]) + 1, int(span[3] or 1) or 1))
