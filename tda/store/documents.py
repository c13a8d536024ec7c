"""JSON documents of a root: objects that carry the SHA-256 of their own content, so that a changed number is found.

Documents of earlier versions carry none: they are read all the same, and `jobs.verify` counts them.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from typing import Any

from tda.store.files import join, read_bytes
from tda.store.paths import NAME

SEAL = "document_sha256"
Document = dict[str, Any]


def sealed(content: Mapping[str, Any]) -> Document:
    """`content` with the SHA-256 of its canonical JSON as its first field."""
    plain: Document = json.loads(json.dumps({name: value for name, value in content.items() if name != SEAL}, allow_nan=False))
    return {SEAL: _digest(plain), **plain}


def seal_holds(document: Mapping[str, Any]) -> bool | None:
    """Whether a document is as it was written; None for one without a digest."""
    own = {name: value for name, value in document.items() if name != SEAL}
    return None if SEAL not in document else document[SEAL] == _digest(own)


def unsealed(document: Mapping[str, Any]) -> Document:
    """The fields of a document without its digest."""
    return {name: value for name, value in document.items() if name != SEAL}


def parsed(data: bytes) -> Document:
    """The object in `data`. Raises ValueError, in one line, for anything else: broken, nested too deeply, or of another type."""
    try:
        found = json.loads(data)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    if not isinstance(found, dict):
        raise ValueError(f"it holds {KINDS.get(type(found), 'a number')}, not an object")  # noqa: TRY004 (its content is wrong, not its caller)
    return found


KINDS = {list: "a list", str: "a text", type(None): "null", bool: "true or false"}


def read_document(url: str) -> Document:
    """The object in a JSON file. Raises FileNotFoundError, and ValueError as `parsed` does."""
    return parsed(read_bytes(url))


def document_if_whole(url: str) -> Document:
    """The object in a JSON file; {} where it is missing, damaged or was changed by hand: its content is made anew."""
    try:
        found = read_document(url)
        return {} if seal_holds(found) is False else found
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return {}


def entry_of(data: bytes) -> dict[str, Any]:
    """What a document holds of a file with this content."""
    return {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)}


def named_files(url: str, document: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """The URL, sha256 and bytes of each file that a document names: `files` by name, `tables` by name without .parquet.

    They are beside the document, or beside its folder of records. A name that leads out of this folder names no file: see `bad_names`.
    """
    folder = url.rpartition("/")[0].removesuffix("/_records")
    for name, entry in _entries(document).items():
        if NAME.fullmatch(name) and isinstance(entry, dict):
            yield join(folder, name), entry


def bad_names(document: Mapping[str, Any]) -> list[str]:
    """The files that a document names outside its folder, or without a sha256."""
    listed = document.get("files")
    names = [str(name) for name in listed] if isinstance(listed, list) else []  # as reports of earlier versions list their files
    entries = {**dict.fromkeys(names, True), **{name: isinstance(entry, dict) for name, entry in _entries(document).items()}}
    return [name for name, sound in entries.items() if not sound or not NAME.fullmatch(name)]


def _entries(document: Mapping[str, Any]) -> dict[str, Any]:
    files, tables = document.get("files"), document.get("tables")
    named = {f"{name}.parquet": entry for name, entry in tables.items() if _of_file(entry)} if isinstance(tables, dict) else {}
    return {**(files if isinstance(files, dict) else {}), **named}


def _of_file(entry: Any) -> bool:
    """Whether a value under `tables` is meant for a file: a summary may hold the tables themselves there."""
    return not isinstance(entry, dict) or bool({"sha256", "bytes"} & set(entry))


def _digest(plain: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(plain, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
