"""A user's mistake in the configuration, told in one line that names the value and the choices."""

import dataclasses
import difflib
import re
import types
import typing

from hydra.errors import ConfigCompositionException, MissingConfigException
from omegaconf.errors import InterpolationToMissingValueError, MissingMandatoryValue, OmegaConfBaseException, ValidationError


def explain(error: Exception, schema: type) -> str:
    """One line for an exception of Hydra or OmegaConf raised while `schema` was composed."""
    if isinstance(error, MissingConfigException) and error.options is not None:
        group, _, choice = (error.missing_cfg_file or "").rpartition("/")
        return f"{group}={choice} is unknown; choose one of: {', '.join(sorted(error.options))}"
    cause = error.__cause__ if isinstance(error, ConfigCompositionException) and error.__cause__ else error
    if isinstance(cause, InterpolationToMissingValueError):
        missing = re.search(r"'([\w.]+)'", str(cause).split("while", 1)[-1])
        return _missing(missing.group(1) if missing else "root")
    if isinstance(cause, MissingMandatoryValue):
        return _missing(_full_key(cause) or str(cause).rsplit(" ", 1)[-1])
    if isinstance(cause, ValidationError):
        return f"{_full_key(cause)}: {_first_line(cause)}"
    key = _full_key(cause) or _overridden(error)
    return _unknown_key(key, schema) if key else _first_line(error)


def _missing(key: str) -> str:
    return f"{key} is missing: give {key}=VALUE"


def _first_line(error: BaseException) -> str:
    return str(error).strip().splitlines()[0]


def _full_key(error: BaseException) -> str:
    return (error.full_key or "") if isinstance(error, OmegaConfBaseException) else ""


def _overridden(error: Exception) -> str:
    found = re.search(r"(?:override|find match for override) '([\w.@/+~-]+)'", str(error))
    return found.group(1) if found else ""


def _unknown_key(key: str, schema: type) -> str:
    parent, _, last = key.rpartition(".")
    choices = _fields(schema, parent)
    if last in choices:
        return f"{key} cannot be set like that"
    near = difflib.get_close_matches(last, choices, n=1)
    hint = f" (did you mean {near[0]}?)" if near else ""
    return f"{key} is unknown{hint}; choose one of: {', '.join(choices)}"


def _fields(schema: type, path: str) -> list[str]:
    """Names of the fields of the dataclass at the dotted `path` below `schema`."""
    for part in filter(None, path.split(".")):
        hints = typing.get_type_hints(schema)
        schema = next(
            (kind for kind in _alternatives(hints.get(part)) if isinstance(kind, type) and dataclasses.is_dataclass(kind)), schema
        )
    return [field.name for field in dataclasses.fields(schema)]


def _alternatives(kind: typing.Any) -> tuple[typing.Any, ...]:
    if typing.get_origin(kind) in (typing.Union, types.UnionType):
        return typing.get_args(kind)
    return (typing.get_args(kind) or (None, None))[1:] if typing.get_origin(kind) is dict else (kind,)
