"""One line for a user's mistake in the configuration: the value, and what it could be."""

import difflib
import re
import typing
from collections.abc import Iterator, Mapping
from dataclasses import is_dataclass
from typing import Any

from hydra.errors import ConfigCompositionException, HydraException, MissingConfigException, OverrideParseException
from omegaconf.errors import (
    InterpolationResolutionError,
    InterpolationToMissingValueError,
    MissingMandatoryValue,
    OmegaConfBaseException,
    ValidationError,
)

from jobs.runtime.command_line.literal_paths import unquoted
from jobs.runtime.command_line.unreadable_words import unreadable
from jobs.runtime.command_line.wrong_values import wrong_value
from jobs.runtime.schema_types import alternatives, field_type, group_of, names_at


def explain(error: Exception, schema: type) -> str:
    """One line for an exception raised by Hydra or OmegaConf while `schema` was composed."""
    if isinstance(error, MissingConfigException) and error.options is not None:
        group, _, choice = (error.missing_cfg_file or "").rpartition("/")
        return f"{group}={choice} is unknown; choose one of: {', '.join(sorted(error.options))}"
    cause = error.__cause__ if isinstance(error, ConfigCompositionException) and error.__cause__ else error
    if isinstance(cause, OverrideParseException):
        return unreadable(cause.override, schema)
    if isinstance(cause, InterpolationToMissingValueError | MissingMandatoryValue):
        return _missing(cause)
    if isinstance(cause, ValidationError | InterpolationResolutionError):
        return _no_value(error, cause, schema)
    return _composed_wrongly(_first_line(error), schema) or _of_a_key(error, cause, schema)


def with_field(message: str, settings: Any) -> str:
    """A message on a URL that cannot be opened, with the field that holds the URL, or the folder that it lies in; others as they are."""
    found = re.match(r"'([^']+)' cannot be opened here", message)
    if found is None:
        return message
    holds = {key: value for key, value in _texts(settings) if found[1] == value or found[1].startswith(f"{value.rstrip('/')}/")}
    key = max(holds, key=lambda key: len(holds[key]), default="")
    return f"{key}: {message}" if key else message


def _texts(settings: Any, key: str = "") -> Iterator[tuple[str, str]]:
    """Dotted names and texts of nested settings; the texts of a list under the name of the list."""
    if isinstance(settings, Mapping):
        for name, value in settings.items():
            yield from _texts(value, f"{key}.{name}" if key else str(name))
    elif isinstance(settings, list | tuple):
        for value in settings:
            yield from _texts(value, key)
    elif isinstance(settings, str) and settings:
        yield key, settings


def _no_value(error: Exception, cause: Exception, schema: type) -> str:
    """One line for a value of the wrong kind, or one that an interpolation does not find."""
    key, value = _merged(error, schema) or (_full_key(cause), _named_value(cause))
    if _without_presets(key, cause):
        return _unknown_key(key, schema)
    if re.match(r"Invalid type assigned: dict is not a subclass of", str(cause)):
        name = key if is_dataclass(group_of(field_type(schema, key))) else key.rpartition(".")[0]
        return f"{name} has no settings yet: a preset gives them, +GROUP@{name}=PRESET"
    resolved = isinstance(cause, ValidationError) and "dereferencing" not in str(cause)
    return wrong_value(key, value, schema) if resolved else f"{key}: {_unresolved(cause)}"


def _of_a_key(error: Exception, cause: BaseException, schema: type) -> str:
    """One line for a key that is unknown, or stands in a group that is null."""
    if not isinstance(cause, OmegaConfBaseException | HydraException):  # of OmegaConf, on fields of a null value
        null = re.search(r"full_key: ([\w.]+)", str(cause))
        return f"{null.group(1) if null else 'a value'} is null, and so its fields cannot be set: choose a preset that has them"
    key = _full_key(cause) or _overridden(error)
    if key.startswith("hydra."):
        return f"{key} is no setting of Hydra"
    return _unknown_key(key, schema) if key else _first_line(error)


def _missing(error: Exception) -> str:
    key = _full_key(error) or str(error).rsplit(" ", 1)[-1]
    if isinstance(error, InterpolationToMissingValueError):
        found = re.search(r"Missing mandatory value: ([\w.]+)", str(error))
        key = found.group(1) if found else "root"
    return f"{key} is missing: give {key}=VALUE"


def _first_line(error: BaseException) -> str:
    return str(error).strip().splitlines()[0]


def _full_key(error: BaseException) -> str:
    return (error.full_key or "") if isinstance(error, OmegaConfBaseException) else ""


def _overridden(error: Exception) -> str:
    found = re.search(r"(?:override|find match for override) '([\w.@/+~-]+)'", str(error))
    return found.group(1) if found else ""


def _merged(error: Exception, schema: type) -> tuple[str, str] | None:
    """The whole key, which the error's own key may be only a part of, and the value of an override that could not be merged."""
    found = re.match(r"Error merging override \+*([\w.]+)=(.*)", str(error))
    if found is None:
        return None
    return (found[1], unquoted(found[2])) if field_type(schema, found[1]) is not None else None


def _named_value(error: Exception) -> str | None:
    found = re.match(r"Value '(.*)' (?:of type|is not a valid)", str(error))
    return found[1] if found else None


def _unresolved(error: Exception) -> str:
    """Why an interpolation has no value."""
    message = _first_line(error)
    if found := re.match(r"Interpolation key '(.+)' not found", message):
        return f"${{{found[1]}}} names no setting"
    if found := re.match(r"Unsupported interpolation type (.+)", message):
        return f"${{{found[1]}:...}} is unknown; ${{oc.env:NAME}} is a value of the environment"
    if found := re.match(r"While dereferencing interpolation '(.+)': Cannot convert", message):
        return f"{found[1]} is a group of settings, not one value"
    return message


def _composed_wrongly(message: str, schema: type) -> str:
    """One line where Hydra could not take an override as a whole; empty for other errors."""
    if found := re.match(r"Ambiguous value for argument '([^=]+)=(.*)'", message):
        listed = any(typing.get_origin(one) is list for one in alternatives(field_type(schema, found[1])))
        one_value = f"give {found[1]}=[{found[2]}]" if listed else "give one"
        return f"{found[1]}={found[2]} is more than one value: {one_value}, or -m for a run with each"
    if found := re.match(r"Could not delete from config\. '(.+)' does not exist", message):
        known = field_type(schema, found[1]) is not None
        return f"~{found[1]} removes nothing: {f'{found[1]} has no value yet' if known else _unknown_key(found[1], schema)}"
    if found := re.match(r"Cannot find primary config '(.+)'\.", message):
        return f"--config-name {found[1]} is no file of conf/: leave it away, each job is composed from its own"
    return ""


def _without_presets(key: str, error: Exception) -> bool:
    """Whether a group of settings was given one value, as if it had presets."""
    return "." not in key and re.match(r"Invalid type assigned: \w+ is not a subclass of \w+Config", str(error)) is not None


def _unknown_key(key: str, schema: type) -> str:
    parent, _, last = key.rpartition(".")
    choices = names_at(schema, parent)
    if last in choices:
        job = schema.__name__.removesuffix("Job").lower()
        return f"{key} takes no preset, for conf/{job}.yaml names no group {key}: set its fields, {key}.FIELD=VALUE"
    near = difflib.get_close_matches(last, choices, n=1)
    hint = f" (did you mean {near[0]}?)" if near else ""
    return f"{key} is unknown{hint}; choose one of: {', '.join(choices)}"
