"""What is measured of guided images, whatever they come from.

A arms, P prompts, S strengths of guidance, D dimensions.
"""

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Guided:
    """`fidelity_APS` and every measure (A, P, S); `prompt_rows_PD` say how alike prompts are.

    `place_AP`: the row of each prompt in the set where the arm's guide has clusters, -1 where it has none.
    """

    kind: str  # tilt | generated
    arms: tuple[str, ...]
    strength_AS: Any
    fidelity_APS: Any
    measures: dict[str, Any]
    prompt_rows_PD: Any
    place_AP: Any
    guides: dict[str, str] = field(default_factory=dict)  # arm -> encoder
    dataset: str = ""  # in which the guides have clusters
    images: int = 0  # of the pool, or of each prompt, arm and strength
    notes: tuple[str, ...] = ()
