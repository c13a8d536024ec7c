"""Texts on a command line, as they are typed: Hydra's grammar would take `1.10` for a number, `true` for a boolean, `1e5` for 100000.0.

A name in a mapping needs no `++`: `report.models.clip=CLIP` adds it or replaces it.
"""

import re
import typing
from functools import cache
from importlib import resources
from typing import Any

from jobs.runtime.command_line.literal_paths import WORD, is_list, is_path, items, quoted, unquoted
from jobs.runtime.schema_types import alternatives, field_type, in_mapping

_FUNCTION = re.compile(r"[a-z]+\(.*\)", re.DOTALL)  # choice(a,b), range(1,5) and the like of Hydra's grammar
_NO_WORD = re.compile(r"[+-]?[\d_]*\.?\d+(e[+-]?\d+)?|true|false", re.IGNORECASE)  # a number or a boolean, where a preset's name stands
NOTHING = ("", "null", "???")


def literal_texts(words: list[str], schema: type) -> list[str]:
    """The words of a command line, with the values of the text fields of `schema` quoted for Hydra's grammar.

    One enclosing pair of quotes is removed. In a sweep (`-m`) commas still divide values. Path fields are left to `literal_paths`.
    """
    sweep = bool({"-m", "--multirun"} & set(words))
    return [_literal(word, schema, sweep=sweep) for word in words]


def _literal(word: str, schema: type, *, sweep: bool) -> str:
    found = WORD.fullmatch(word)
    if not found:
        return word
    plus, key, text = found[1], found[2], found[3]
    plus = "++" if not plus and in_mapping(schema, key) else plus
    if is_path(key):
        return f"{plus}{key}={text}"
    if key.partition("@")[0] in _groups():
        return f"{plus}{key}={','.join(quoted(value) if _NO_WORD.fullmatch(value) else value for value in text.split(','))}"
    kind = field_type(schema, key)
    if not _texts(kind) or (sweep and _FUNCTION.fullmatch(text)):
        return f"{plus}{key}={text}"
    values = list(items(text)) if sweep else [text]
    return f"{plus}{key}={','.join(_value(value, kind) for value in values)}"


@cache
def _groups() -> frozenset[str]:
    """The folders of `conf/`: their values are names of presets."""
    return frozenset(folder.name for folder in resources.files("conf").iterdir() if folder.is_dir())


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
