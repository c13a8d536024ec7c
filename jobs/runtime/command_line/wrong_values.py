"""One line for a value of the wrong kind: the value as it was given, what the field takes, and what would be right."""

import re
import typing
from dataclasses import Field, fields, is_dataclass
from typing import Any

from jobs.runtime.schema_types import alternatives, field_type, group_of

PLAIN = {int: "whole number", float: "number", bool: "true or false", str: "text"}
SIZE = re.compile(r"([\d.]+)\s*([kKMGT])(i?)B?")  # 10GB, 1.5 MiB, 10k
POWER = {"k": 1, "K": 1, "M": 2, "G": 3, "T": 4}


def wrong_value(key: str, value: str | None, schema: type) -> str:
    """The line for the field of this dotted name; `value` is None where only the field is known."""
    kind = field_type(schema, key)
    given = key if value is None else f"{key}={value}"
    group = group_of(kind)
    if is_dataclass(group):
        return f"{given} is no group of settings: set its fields, {key}.FIELD=VALUE; choose one of: {', '.join(_names(group))}"
    if typing.get_origin(group) is dict:
        return f"{given} is no mapping: give each name its value, {key}.NAME={_example(typing.get_args(group)[1])}"
    item = next((typing.get_args(one)[0] for one in alternatives(kind) if typing.get_origin(one) is list), None)
    if item is not None:
        return f"{given} is {_no_list(value)}: give {key}={_as_list(key, value, item, schema)}{_or_null(kind)}"
    one = next((one for one in (bool, int, float, str) if one in alternatives(kind)), str)
    if one is bool:
        return f"{given} is neither true nor false{_or_null(kind)}"
    right = _in_bytes(value, one) or _as_default(key, schema) or ("TEXT" if one is str else "")
    return f"{given} is no {PLAIN[one]}{f': give {key}={right}' if right else ''}{_or_null(kind)}"


def _names(group: Any) -> list[str]:
    return [one.name for one in fields(group)]


def _example(kind: Any) -> str:
    return "{...}" if is_dataclass(kind) else "VALUE"


def _no_list(value: str | None) -> str:
    inside = value is not None and value.startswith("[")
    return "no list of such values" if inside else "no list"


def _as_list(key: str, value: str | None, item: Any, schema: type) -> str:
    """The value as a list; where the field has choices, and the value is none of them, the choices."""
    known = _choices(key, schema)
    if value is None or value.startswith("[") or (known and not set(value.split(",")) <= set(known)):
        return f"[{','.join(known) or PLAIN.get(item, 'VALUE').upper().replace(' ', '_')}]"
    return f"[{value}]"


def _choices(key: str, schema: type) -> tuple[str, ...]:
    one = _field(key, schema)
    bound = None if one is None else one.metadata.get("bound")
    return () if bound is None else bound.choices


def _field(key: str, schema: type) -> Field[Any] | None:
    """The field of this dotted name; None for a name in a mapping."""
    parent, _, name = key.rpartition(".")
    group = group_of(field_type(schema, parent)) if parent else schema
    return next((one for one in fields(group) if one.name == name), None) if is_dataclass(group) else None


def _or_null(kind: Any) -> str:
    return "; null is possible too" if type(None) in alternatives(kind) else ""


def _as_default(key: str, schema: type) -> str:
    """The number that the field has where none is given."""
    one = _field(key, schema)
    return str(one.default) if one is not None and type(one.default) in (int, float) else ""


def _in_bytes(value: str | None, kind: type) -> str:
    """Of 10GB, the number."""
    found = SIZE.fullmatch(value or "") if kind in (int, float) else None
    if found is None or found[1].count(".") > 1 or found[1] == ".":
        return ""
    return str(int(float(found[1]) * (1024 if found[3] else 1000) ** POWER[found[2]]))
