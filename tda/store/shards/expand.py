"""Which shards a user means: a path, a folder, a brace pattern, a glob, a list of these, or `@file` of lines."""

import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

from tda.errors import UserError
from tda.store.files import exists, filesystem, is_local, read_bytes
from tda.store.paths import check_name

MAX_SHARDS = 1_000_000  # LAION-2B has 232 thousand; beyond this a range is a slip of the keyboard
PROBES = 100  # shards of which one has to exist; the others are named one by one when their turn comes

ENDINGS = (".tar", ".jsonl", ".parquet")

_RANGE = re.compile(r"(\d+)\.\.(\d+)")


def expand_shards(spec: Any) -> list[str]:
    """Return the URL of every shard that `spec` names, in its order (a glob's matches are sorted).

    Raises UserError, naming the spec, where it matches nothing, names a shard twice, or none of its first shards exists.
    """
    urls = [url for item in _items(spec) for url in _expand(item)]
    if not urls:
        raise UserError(f"dataset.shards={spec!r} matches no shard")
    twice = [url for url, n in Counter(urls).items() if n > 1]
    if twice:
        raise UserError(f"dataset.shards={_brief(spec)} names a shard twice: {twice[0]}")
    if not any(exists(url) for url in urls[:PROBES]):
        raise UserError(f"dataset.shards={_brief(spec)} matches no shard: {urls[0]} is not there{', nor those after it' * (len(urls) > 1)}")
    return urls


def shard_name(url: str) -> str:
    """The stem by which a shard is known under the root: its file name without its ending (and without the query of a signed URL)."""
    name = re.split(r"[?#]", url, maxsplit=1)[0].rstrip("/").rsplit("/", 1)[-1]
    return next((name.removesuffix(ending) for ending in ENDINGS if name.endswith(ending)), name)


def name_shards(urls: list[str]) -> dict[str, str]:
    """Shard name -> URL, in order; raises UserError where two shards would share a name, or one cannot name a file."""
    named: dict[str, str] = {}
    for url in urls:
        name = check_name("shard", shard_name(url))
        if name in named:
            raise UserError(f"shards {named[name]} and {url} have the same name {name}: give them different dataset.name, or rename one")
        named[name] = url
    return named


def _brief(spec: Any) -> str:
    text = repr(spec)
    return text if len(text) <= 200 else text[:200] + "..."


def _items(spec: Any) -> Iterator[str]:
    """Flatten lists and `@file`s into patterns."""
    if isinstance(spec, list | tuple):
        for item in spec:
            yield from _items(item)
    elif not isinstance(spec, str) or not spec.strip():
        raise UserError(f"dataset.shards={spec!r} is not a path, a pattern, a list of these, or @file")
    elif spec.startswith("@"):
        yield from _lines(spec[1:])
    else:
        yield spec.strip()


def _lines(url: str) -> Iterator[str]:
    try:
        lines = read_bytes(url).decode().splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"dataset.shards=@{url} cannot be read: {getattr(error, 'strerror', None) or error}") from None
    yield from (line.strip() for line in lines if line.strip() and not line.lstrip().startswith("#"))


def _expand(item: str) -> Iterator[str]:
    special = any(sign in item for sign in "{*?[")
    fs, path = filesystem(item)
    if special and is_local(fs) and fs.exists(path):
        yield item  # a name that only looks like a pattern
        return
    for count, pattern in enumerate(_braces(item)):
        if count >= MAX_SHARDS:
            raise UserError(f"dataset.shards={item!r} names more than {MAX_SHARDS} shards")
        yield from _globbed(pattern, special)


def _globbed(pattern: str, special: bool) -> Iterator[str]:
    if special and not any(sign in pattern for sign in "*?["):
        yield pattern  # of what may be very many: no question to the store here
        return
    fs, path = filesystem(pattern)
    if special:
        yield from (_url(fs, match) for match in sorted(fs.glob(path)))
    elif fs.isdir(path):
        yield from _in_folder(fs, path.rstrip("/"))
    else:
        yield pattern


def _in_folder(fs: Any, path: str) -> Iterator[str]:
    """The shards of the first kind that is there: img2dataset puts a Parquet of side data next to every tar."""
    kinds = ([*sorted(fs.glob(f"{path}/*{ending}"))] for ending in ENDINGS)
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
    raise UserError(f"dataset.shards={pattern!r} has a brace that is not closed")


def _choices(parts: list[str], pattern: str) -> Iterator[str]:
    span = _RANGE.fullmatch(parts[0])
    if len(parts) > 1:
        yield from parts
    elif span is None:
        raise UserError(f"dataset.shards={pattern!r}: {{{parts[0]}}} is neither a range {{000..059}} nor a list {{a,b}}")
    elif int(span[1]) > int(span[2]):
        raise UserError(f"dataset.shards={pattern!r}: {{{parts[0]}}} runs backwards")
    else:
        padded = any(len(end) > 1 and end.startswith("0") for end in span.groups())
        width = max(map(len, span.groups())) if padded else 0
        yield from (str(i).zfill(width) for i in range(int(span[1]), int(span[2]) + 1))
