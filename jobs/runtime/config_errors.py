"""One line for a user's mistake in the configuration: the value, and what it could be."""

import difflib
import re

from hydra.errors import ConfigCompositionException, HydraException, MissingConfigException, OverrideParseException
from omegaconf.errors import (
    InterpolationResolutionError,
    InterpolationToMissingValueError,
    MissingMandatoryValue,
    OmegaConfBaseException,
    ValidationError,
)

from jobs.runtime.schema_types import names_at
from jobs.runtime.unreadable_words import unreadable


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
        key = _merged(error) or _full_key(cause)
        return _unknown_key(key, schema) if _without_presets(key, cause) else f"{key}: {_first_line(cause)}"
    if not isinstance(cause, OmegaConfBaseException | HydraException):  # of OmegaConf, on fields of a null value
        null = re.search(r"full_key: ([\w.]+)", str(cause))
        return f"{null.group(1) if null else 'a value'} is null, and so its fields cannot be set: choose a preset that has them"
    key = _full_key(cause) or _overridden(error)
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


def _merged(error: Exception) -> str:
    """The whole key of an override that could not be merged, which the error's own key may be only a part of."""
    found = re.match(r"Error merging override \+*([\w.]+)=", str(error))
    return found.group(1) if found else ""


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
