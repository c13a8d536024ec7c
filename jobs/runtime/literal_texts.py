"""Texts on a command line, as they are typed: Hydra's grammar would take `1.10` for a number, `true` for a boolean, `1e5` for 100000.0."""

import re
import typing
from typing import Any

from jobs.runtime.literal_paths import is_list, is_path, items, quoted, unquoted
from jobs.runtime.schema_types import alternatives, field_type

_WORD = re.compile(r"(\+{0,2})([\w.@/-]+)=(.*)", re.DOTALL)
_FUNCTION = re.compile(r"[a-z]+\(.*\)", re.DOTALL)  # choice(a,b), range(1,5) and the like of Hydra's grammar
NOTHING = ("", "null", "???")


def literal_texts(words: list[str], schema: type) -> list[str]:
    """The words of a command line, with the values of the text fields of `schema` quoted for Hydra's grammar.

    One enclosing pair of quotes is removed. In a sweep (`-m`) commas still divide values. Path fields are left to `literal_paths`.
    """
    sweep = bool({"-m", "--multirun"} & set(words))
    return [_literal(word, schema, sweep=sweep) for word in words]


def _literal(word: str, schema: type, *, sweep: bool) -> str:
    found = _WORD.fullmatch(word)
    if not found or is_path(found[2]):
        return word
    kind = field_type(schema, found[2])
    if not _texts(kind) or (sweep and _FUNCTION.fullmatch(found[3])):
        return word
    values = list(items(found[3])) if sweep else [found[3]]
    return f"{found[1]}{found[2]}={','.join(_value(value, kind) for value in values)}"


def _value(text: str, kind: Any) -> str:
    optional = type(None) in typing.get_args(kind)
    if text in NOTHING and (optional or text != "null"):
        return text
    if _of_list(kind):
        return f"[{','.join(quoted(unquoted(item)) for item in items(text[1:-1]))}]" if is_list(text) else text
    return quoted(unquoted(text))


def _texts(kind: Any) -> bool:
    return any(one is str or one == list[str] for one in alternatives(kind))


def _of_list(kind: Any) -> bool:
    return any(one == list[str] for one in alternatives(kind))
