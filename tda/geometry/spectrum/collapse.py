"""Complete and dimensional collapse: synthetic rows that show it, and its diagnosis from a spectrum (Fig. 9; Jing et al. 2021).

N rows, D dimensions.

Complete collapse: the rows contract to one point, or to very few dimensions. Dimensional collapse: they span only a subspace. The total
variance of unit rows is 1 - |mean|², so that a contraction to a point shows in the trace.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from tda.errors import UserError
from tda.geometry.arrays.namespace import namespace
from tda.geometry.spectrum.fall import fall
from tda.geometry.spectrum.moments import Spectrum

KINDS = ("none", "dimensional", "complete")
POINT_VARIANCE = 1e-3  # total variance of unit rows below which they count as one point
SCANT = 0.01  # share of the dimensions that counts as very few; at least one dimension


@dataclass(frozen=True, kw_only=True)
class Collapse:
    """The collapse that a spectrum shows."""

    kind: str  # none | dimensional | complete | fades
    index: int  # dimensions before the collapse: the spectrum's collapse_index
    above_floor: int  # singular values above the floor of rounding
    dim: int
    variance: float  # sum of the singular values: of unit rows, in [0, 1]
    note: str

    def metrics(self) -> dict[str, Any]:
        """The fields, ready for JSON."""
        return dict(vars(self))


def classify(spectrum: Spectrum, *, point_variance: float = POINT_VARIANCE, scant: float = SCANT, rows: int | None = None) -> Collapse:
    """Name the collapse that a spectrum of unit rows shows (Jing et al. 2021).

    Complete: the total variance is below `point_variance`, or the collapse index is at most `scant` of the dimensions (at least one).
    Dimensional: a drop ends under the threshold of the collapse index (`tda.geometry.spectrum.fall`). Fades: values are under it without
    a drop, as those of a power law, which is no collapse. None: no value is. `rows`: as in `fall`.
    """
    values_D = spectrum.singular_values
    xp, dim, index = namespace(values_D), int(values_D.shape[0]), int(spectrum.collapse_index)
    variance, above = float(xp.sum(values_D)), int(xp.sum(xp.astype(values_D > spectrum.floor, xp.int64)))
    few = max(1, round(scant * dim))
    if variance < point_variance:
        kind, note = "complete", f"total variance {variance:.2g} is under {point_variance:g}: the rows are one point"
    elif index <= few and index < dim:
        kind, note = "complete", f"{index} of {dim} dimensions matter, a scant few (at most {few})"
    elif (fell := fall(values_D, float(spectrum.floor), index, rows)).drop is not None:
        index = fell.drop.index
        kind, note = "dimensional", f"{index} of {dim} dimensions are used"
    elif index < dim:
        kind, note = "fades", f"values fade under the threshold after {index} of {dim} dimensions, without a drop"
    else:
        kind, note = "none", f"all {dim} dimensions are used"
    return Collapse(kind=kind, index=index, above_floor=above, dim=dim, variance=variance, note=note)


def collapsed_rows(kind: str, n: int, dim: int, *, kept: int | None = None, spread: float = 0.02, seed: int = 0) -> Any:
    """Unit rows (N, D) float64 with a known collapse, rotated at random by `seed`: the two cases of Fig. 9, and none.

    `none` covers the sphere. `dimensional` covers the unit sphere of a subspace of `kept` dimensions (by default D - 1). `complete` lies
    within about `spread` radians of one point. Raises UserError for an unknown kind, `n` below 1 or `kept` outside 1 .. D.
    """
    if kind not in KINDS:
        raise UserError(f"kind={kind!r} is unknown; choose one of: {', '.join(KINDS)}")
    kept = {"none": dim, "complete": dim, "dimensional": dim - 1 if kept is None else kept}[kind]
    if n < 1 or not 1 <= kept <= dim:
        raise UserError(f"n={n}, kept={kept}, dim={dim}: n must be at least 1 and kept within 1 .. dim")
    rng = np.random.default_rng(seed)
    turn_DD = np.linalg.qr(rng.standard_normal((dim, dim)))[0]
    x_ND = rng.standard_normal((n, kept)) @ turn_DD[:kept]
    if kind == "complete":
        x_ND = turn_DD[0] + spread / np.sqrt(dim) * x_ND
    return x_ND / np.linalg.norm(x_ND, axis=1, keepdims=True)
