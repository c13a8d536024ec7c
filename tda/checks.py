"""Checks of configured values, shared by all schemas: an error is one line that names the value and what would be right.

Apart from `tda.config`, which imports `tda.config_analysis`: both need these checks.
"""

from omegaconf import MISSING

from tda.errors import UserError


def one_of(name: str, value: str, choices: tuple[str, ...]) -> None:
    """Raise UserError unless `value` is among the choices, or is yet to be given."""
    if value not in choices and value != MISSING:
        raise UserError(f"{name}={value!r} is unknown; choose one of: {', '.join(choices)}")


def at_least(name: str, value: float | None, least: float) -> None:
    """Raise UserError below `least`; None stands for a default and passes."""
    if value is not None and value < least:
        raise UserError(f"{name}={value} is too small; it must be at least {least}")


def within(name: str, value: float, least: float, most: float) -> None:
    """Raise UserError outside of ``least .. most``."""
    if not least <= value <= most:
        raise UserError(f"{name}={value} is out of range; it must be from {least} to {most}")
