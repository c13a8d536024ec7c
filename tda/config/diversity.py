"""The schema of `conf/diversity`: how diverse guided images are, compared at matched fidelity. `default.yaml` there explains the fields."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tda.config.fields import Checked, bounded
from tda.errors import UserError


@dataclass(kw_only=True)
class DiversityConfig(Checked, path="diversity"):
    """Conjectures 1 and 2 of the paper."""

    prompts: int = bounded(60, least=4)
    weakest: float = bounded(2.0, least=0)
    strongest: float = bounded(40.0, above=0)
    levels: int = bounded(4, least=1, most=20)
    near: float = bounded(0.9, least=-1, most=1)
    draws: int = bounded(2000, least=199)
    rows: int = bounded(10, least=3)
    detectable: float = bounded(0.5, above=0, below=1)
    seed: int = bounded(0, least=0, most=2**31)
    clip: str | None = None
    cloob: str | None = None
    measure: str | None = None
    fidelity: str | None = None
    prompt_dataset: str | None = None
    guides: Any = None

    def __post_init__(self) -> None:
        super().__post_init__()
        named = isinstance(self.guides, Mapping) and all(isinstance(one, str) and one for pair in self.guides.items() for one in pair)
        if self.guides is not None and not named:
            raise UserError(f"diversity.guides={self.guides!r} must name the encoder that guided each arm: {{arm: encoder}}")
        if self.weakest >= self.strongest:
            raise UserError(f"diversity.weakest={self.weakest:g} must be below diversity.strongest={self.strongest:g}")
