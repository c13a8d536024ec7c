"""Bounds of configuration fields: they stand with the field, and one place checks them all."""

import math
from dataclasses import dataclass, field, fields
from typing import Any, ClassVar

from tda.errors import UserError

MISSING: Any = "???"  # as OmegaConf writes a value that has to be given; the library does not import OmegaConf


@dataclass(frozen=True, kw_only=True)
class Bound:
    """Which values a field takes. A list is checked value by value; None stands for a default and passes."""

    least: float | None = None
    most: float | None = None
    above: float | None = None  # greater than this
    below: float | None = None  # less than this
    choices: tuple[str, ...] = ()
    word: str | None = None  # a word that stands for a number, such as auto
    null: bool = False  # None is a value of its own beside the word

    def check(self, name: str, value: Any) -> None:
        """Raise UserError, in one line, unless the value of the field called `name` lies within."""
        if isinstance(value, list):
            for one in value:
                self.check(name, one)
        elif self.choices:
            one_of(name, value, self.choices)
        elif value not in (MISSING, self.word) and not (value is None and self.null):  # None is the word where there is no other
            self._check_number(name, value)

    def _check_number(self, name: str, value: Any) -> None:
        if self.word is not None and (isinstance(value, bool) or not isinstance(value, int)):
            raise UserError(f"{name}={value!r} is neither a whole number nor {self.word}{' nor null' * self.null}")
        if math.isnan(value):
            raise UserError(f"{name}={value} is not a number; it must be {self._range()}")
        too_small = (self.least is not None and value < self.least) or (self.above is not None and value <= self.above)
        too_large = (self.most is not None and value > self.most) or (self.below is not None and value >= self.below)
        if too_small or too_large:
            raise UserError(f"{name}={value} is {self._fault(too_small)}; it must be {self._range()}")

    def _fault(self, too_small: bool) -> str:
        if (self.least, self.above) != (None, None) and (self.most, self.below) != (None, None):
            return "out of range"
        return "too small" if too_small else "too large"

    def _range(self) -> str:
        if self.least is not None and self.most is not None:
            return f"from {self.least} to {self.most}"
        ends = (("at least", self.least), ("above", self.above), ("at most", self.most), ("below", self.below))
        return " and ".join(f"{words} {end}" for words, end in ends if end is not None) or "a number"


def bounded(default: Any, **bounds: Any) -> Any:
    """A field with a default and the keywords of `Bound`. A list as default is copied for each object."""
    metadata = {"bound": Bound(**bounds)}
    if isinstance(default, list):
        return field(default_factory=lambda: list(default), metadata=metadata)
    return field(default=default, metadata=metadata)


class Checked:
    """Base of the schemas: checks the bounds of all fields when an object is made.

    `path` is where the group stands in a job's configuration (``analysis.umap``): errors name the field as a user types it.
    """

    path: ClassVar[str] = ""

    def __init_subclass__(cls, path: str = "", **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls.path = path or cls.path

    def __post_init__(self) -> None:
        for one in fields(self):  # type: ignore[arg-type]  # every schema is a dataclass
            if bound := one.metadata.get("bound"):
                bound.check(self.name_of(one.name), getattr(self, one.name))

    def name_of(self, field_name: str) -> str:
        """The field as a user types it: ``embed.dtype``."""
        return f"{self.path}.{field_name}" if self.path else field_name


def one_of(name: str, value: str, choices: tuple[str, ...]) -> None:
    """Raise UserError unless `value` is among the choices, or is yet to be given."""
    if value not in choices and value != MISSING:
        raise UserError(f"{name}={value!r} is unknown; choose one of: {', '.join(choices)}")
