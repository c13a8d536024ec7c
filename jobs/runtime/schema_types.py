"""The types of a job's fields, by the dotted names under which users give them."""

import types
import typing
from dataclasses import fields, is_dataclass
from typing import Any


def field_type(schema: type, path: str) -> Any:
    """The annotated type at a dotted path below a dataclass (``encoder.name``); None where there is no such field."""
    kind: Any = schema
    for part in path.split("."):
        group = group_of(kind)
        kind = None if group is None else typing.get_args(group)[1] if _is_dict(group) else typing.get_type_hints(group).get(part)
        if kind is None:
            return None
    return kind


def in_mapping(schema: type, path: str) -> bool:
    """Whether the dotted path names something in a mapping (``report.models.clip``), whose names are open."""
    parents = path.split(".")[:-1]
    return any(_is_dict(group_of(field_type(schema, ".".join(parents[:depth])))) for depth in range(1, len(parents) + 1))


def names_at(schema: type, path: str) -> list[str]:
    """Names of the fields of the nearest dataclass at or above the dotted `path`."""
    for part in filter(None, path.split(".")):
        inner = group_of(typing.get_type_hints(schema).get(part))
        inner = group_of(typing.get_args(inner)[1]) if _is_dict(inner) else inner
        if isinstance(inner, type) and is_dataclass(inner):
            schema = inner
    return [one.name for one in fields(schema)]


def alternatives(kind: Any) -> tuple[Any, ...]:
    """The members of a union; of any other type the type itself."""
    return typing.get_args(kind) if typing.get_origin(kind) in (typing.Union, types.UnionType) else (kind,)


def group_of(kind: Any) -> Any:
    """The dataclass, or the dict of named values, that a type stands for; None for a plain value."""
    return next((one for one in alternatives(kind) if is_dataclass(one) or _is_dict(one)), None)


def _is_dict(kind: Any) -> bool:
    return typing.get_origin(kind) is dict
