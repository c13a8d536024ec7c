"""JSON documents of a root: objects that carry the SHA-256 of their own content, so that a changed number is found.

Documents of earlier versions carry none: they are read all the same, and `jobs.verify` counts them.
"""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from tda.store.files import read_bytes

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


def _digest(plain: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(plain, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
