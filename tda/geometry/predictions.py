"""The paper's Predictions 1 and 2, decided by numbers: supported, not supported, or undecided, with the numbers in one sentence.

N pairs, P points (one for each model and data set).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tda.errors import UserError
from tda.geometry.arrays.rows import to_host
from tda.geometry.controlled import Controlled, difference
from tda.geometry.local_dimension import Association

WEAK = 0.2  # a rank correlation below this does not count as a prediction
LEVEL = 0.05
LEAST_ORDERS = 40  # orders of the points: with fewer, no correlation can reach p < LEVEL in a two-sided test
DRAWS = 10_000  # orders drawn for a p-value


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """The outcome of a prediction, in a word and a sentence, and the numbers that decided it."""

    verdict: str  # supported | not supported | undecided
    sentence: str
    numbers: dict[str, Any] = field(default_factory=dict)

    def metrics(self) -> dict[str, Any]:
        """The fields, ready for JSON."""
        return dict(vars(self))


@dataclass(frozen=True, kw_only=True)
class Space:
    """A model's embeddings of a data set as one point: their global dimension (auc or effective rank) and top-1 in [0, 1]."""

    model: str
    dataset: str
    dimension: float
    top1: float


def prediction_2(
    local: Association, spaces: Sequence[Space], *, seed: int = 0, given: Controlled | None = None, raw: Sequence[float | None] = ()
) -> Verdict:
    """Local dimension predicts retrieval, global dimension does not.

    Local dimension predicts if the 95 % interval of its partial correlation lies above 0; it does not if the interval lies below 0.2;
    otherwise the question is open. The correlation is `given`, of rarefied dimension with size, modality purity and spread taken out, or
    `local`'s given size where that was not measured. `raw`: the same in each model on clusters of the vectors themselves.

    Global dimension predicts if the rank correlation over models within data sets has
    p < 0.05 in a two-sided permutation test, in which models change places jointly on all data sets (drawn by `seed`; with fewer than 40
    orders no p can decide). It does not predict only by equivalence: where the 95 % interval of the correlation lies within ±0.2. Else
    the question is open. Supported: local predicts and global does not. Not supported: local does not, or global does. Else undecided.
    """
    low, high = (local.ci95["partial_spearman_given_size"] if given is None else given.ci95) or (None, None)
    local_predicts = "open" if low is None or high is None else "yes" if low > 0 else "no" if high < WEAK else "open"
    across = _across_models(spaces, seed)
    if local_predicts == "no" or across.predicts == "yes":
        verdict = "not supported"
    else:
        verdict = "supported" if (local_predicts, across.predicts) == ("yes", "no") else "undecided"
    apart = None if given is None else difference(given, across.correlation, across.ci95)
    inside = _local_sentence(local) if given is None else _given_sentence(given, raw)
    return Verdict(
        verdict=verdict,
        sentence=f"Prediction 2 is {verdict}: {inside}; {_global_sentence(across, len(spaces))}{_apart_sentence(apart)}.",
        numbers={
            "local": local.metrics(),
            "local_controlled": None if given is None else given.metrics(),
            "local_raw_clusters": list(raw),
            "local_less_global": apart,
            "local_predicts": local_predicts,
            "global_spearman": across.correlation,
            "global_p_value": across.p_value,
            "global_ci95": across.ci95,
            "global_predicts": across.predicts,
            "spaces": [vars(space) for space in spaces],
        },
    )


def _given_sentence(given: Controlled, raw: Sequence[float | None]) -> str:
    interval = "no interval" if given.ci95 is None else f"95 % interval {given.ci95[0]:+.2f} to {given.ci95[1]:+.2f}"
    plain = "" if given.plain is None else f"; {given.plain:+.2f} plain, as the paper has it"
    seen = [value for value in raw if value is not None]
    span = " to ".join(dict.fromkeys(f"{value:+.2f}" for value in (min(seen), max(seen)))) if seen else ""
    vectors = f"; on clusters of the vectors themselves {span}" if seen else ""
    return (
        f"over {given.n_clusters} clusters rarefied local dimension and top-1 correlate by {given.value:+.2f} with size, modality purity "
        f"and spread taken out ({interval}{plain}{vectors})"
    )


def _apart_sentence(apart: dict[str, Any] | None) -> str:
    if apart is None or apart["value"] is None:
        return ""
    interval = "no interval" if apart["ci95"] is None else f"95 % interval {apart['ci95'][0]:+.2f} to {apart['ci95'][1]:+.2f}"
    return f"; local less global {apart['value']:+.2f} ({interval})"


def _local_sentence(local: Association) -> str:
    value, ci95 = local.partial_spearman_given_size, local.ci95["partial_spearman_given_size"]
    if value is None or ci95 is None:
        return f"{local.n_clusters} clusters are too few, or too alike, to correlate local dimension and top-1"
    plain = "undefined" if local.spearman is None else f"{local.spearman:+.2f}"
    return (
        f"over {local.n_clusters} clusters local dimension and top-1 correlate by {value:+.2f} given size "
        f"(95 % interval {ci95[0]:+.2f} to {ci95[1]:+.2f}; {plain} without size taken out)"
    )


@dataclass(frozen=True, kw_only=True)
class _Across:
    """The rank correlation of global dimension and top-1 over models, within data sets; None where nothing varies."""

    correlation: float | None = None
    p_value: float | None = None
    orders: int = 0  # in which the models can stand
    ci95: list[float] | None = None

    @property
    def predicts(self) -> str:
        if self.p_value is not None and self.orders >= LEAST_ORDERS and self.p_value < LEVEL:
            return "yes"
        return "no" if self.ci95 is not None and self.ci95[0] > -WEAK and self.ci95[1] < WEAK else "open"


def _global_sentence(across: _Across, points: int) -> str:
    if across.correlation is None or across.p_value is None:
        return f"{points} spaces are too few, or too alike, to correlate global dimension and top-1"
    interval = "" if across.ci95 is None else f", 95 % interval {across.ci95[0]:+.2f} to {across.ci95[1]:+.2f}"
    ending = ", too few models to decide" if across.predicts == "open" else ""
    numbers = f"{across.correlation:+.2f} (p = {across.p_value:.2g}{interval}{ending})"
    return f"over {points} spaces global dimension and top-1 correlate by {numbers}"


def _across_models(spaces: Sequence[Space], seed: int) -> _Across:
    """Rank correlation within data sets, its two-sided p-value by a permutation test of models, and its interval."""
    from math import factorial, prod

    from scipy.stats import rankdata

    groups = [[space for space in spaces if space.dataset == name] for name in sorted({space.dataset for space in spaces})]
    points = [space for group in groups if len(group) > 1 for space in group]
    groups = [group for group in groups if len(group) > 1]
    blocks = _exchangeable(points)
    orders = prod(factorial(len(block[0])) for block in blocks)

    def ranks(name: str) -> Any:
        within = [rankdata([getattr(space, name) for space in group]) for group in groups]
        return np.concatenate([(rank - rank.mean()) / len(rank) for rank in within]) if within else np.zeros(0)

    x_P, y_P = ranks("dimension"), ranks("top1")
    spread = float(np.sqrt((x_P @ x_P) * (y_P @ y_P)))
    if spread == 0:
        return _Across(orders=orders)
    rng = np.random.default_rng(seed)
    drawn = [x_P @ _reordered(y_P, blocks, rng) for _ in range(DRAWS)]
    beyond = int((np.abs(drawn) >= abs(x_P @ y_P) - 1e-12).sum())
    correlation = float(x_P @ y_P) / spread
    models = len({space.model for space in points})
    return _Across(correlation=correlation, p_value=(beyond + 1) / (DRAWS + 1), orders=orders, ci95=_interval(correlation, models))


def _exchangeable(points: Sequence[Space]) -> list[Any]:
    """Places (data sets, models) in `points` of models that were measured on the same data sets: they may change places."""
    held: dict[str, dict[str, int]] = {}
    for place, space in enumerate(points):
        held.setdefault(space.model, {})[space.dataset] = place
    kinds: dict[tuple[str, ...], list[dict[str, int]]] = {}
    for places in held.values():
        kinds.setdefault(tuple(sorted(places)), []).append(places)
    return [np.array([[places[name] for places in models] for name in names]) for names, models in kinds.items()]


def _reordered(y_P: Any, blocks: Sequence[Any], rng: np.random.Generator) -> Any:
    """The values with the models of each block in another order, the same on all its data sets."""
    drawn_P = y_P.copy()
    for block_SM in blocks:
        drawn_P[block_SM] = y_P[block_SM[:, rng.permutation(block_SM.shape[1])]]
    return drawn_P


def _interval(correlation: float, models: int) -> list[float] | None:
    """95 % interval of Spearman's correlation (Bonett and Wright 2000), by the number of models: data sets repeat them."""
    if models <= 3 or abs(correlation) >= 1:
        return None
    middle, half = np.arctanh(correlation), 1.96 * np.sqrt((1 + correlation**2 / 2) / (models - 3))
    return [float(np.tanh(middle - half)), float(np.tanh(middle + half))]


def prediction_1(
    clip_ranks: dict[str, Any], cloob_ranks: dict[str, Any], clip_gap: float, cloob_gap: float, premises: dict[str, Any] | None = None
) -> Verdict:
    """Although CLOOB has the smaller modality gap, CLIP retrieves better across modalities.

    `clip_ranks` and `cloob_ranks`: direction (image_to_text, text_to_image) -> ranks (N,), 1 the best, of the same pairs in the same
    order. The difference in top-1 is paired: its 95 % interval is ± 1.96 standard errors of the differences of single pairs. Supported:
    CLOOB's gap is smaller and both intervals lie above 0. Not supported: the gap is not smaller, or an interval lies below 0. Else
    undecided. `premises`: the pairs' mean squared distance and retrieval within a modality, which the prediction presumes; they stand
    beside the verdict. Raises UserError where ranks do not pair up or are fewer than 2.
    """
    differences = {name: _paired(clip_ranks[name], cloob_ranks[name], name) for name in ("image_to_text", "text_to_image")}
    lows, highs = ([entry["ci95"][end] for entry in differences.values()] for end in (0, 1))
    contrary = cloob_gap >= clip_gap or min(highs) < 0
    verdict = "not supported" if contrary else "supported" if min(lows) > 0 else "undecided"
    reported = ", ".join(
        f"{name.replace('_', ' ')} {entry['value']:+.3f} ({entry['ci95'][0]:+.3f} to {entry['ci95'][1]:+.3f})"
        for name, entry in differences.items()
    )
    gaps = f"the gap is {clip_gap:.2f} in CLIP and {cloob_gap:.2f} in CLOOB"
    return Verdict(
        verdict=verdict,
        sentence=f"Prediction 1 is {verdict}: {gaps}; CLIP's top-1 less CLOOB's: {reported}{_premises(premises)}.",
        numbers={"clip_gap": clip_gap, "cloob_gap": cloob_gap, "top1_difference": differences, "premises": premises},
    )


def _premises(premises: dict[str, Any] | None) -> str:
    """What was measured of the premises, in words."""
    if premises is None:
        return ""
    clip, cloob = (premises["pair_distance"][name] for name in ("clip", "cloob"))
    nearer = "pairs about as near in both" if clip == cloob else f"pairs nearer in {'CLIP' if (clip or 0) < (cloob or 0) else 'CLOOB'}"
    pairs = "pair distances not measured" if None in {clip, cloob} else f"{nearer} (squared distance {clip:.2f} and {cloob:.2f})"
    within = [
        f"CLIP's top-1 within {name}s less CLOOB's {one['value']:+.3f} ({one['ci95'][0]:+.3f} to {one['ci95'][1]:+.3f})"
        for name, one in premises["within"].items()
    ]
    return f"; its premises: {', '.join([pairs, *(within or ['retrieval within a modality not measured, as nothing repeats'])])}"


def _paired(clip_N: Any, cloob_N: Any, direction: str) -> dict[str, Any]:
    clip_N, cloob_N = to_host(clip_N), to_host(cloob_N)
    if clip_N.shape != cloob_N.shape or len(clip_N) < 2:
        raise UserError(f"{direction}: {len(clip_N)} and {len(cloob_N)} ranks do not pair up; both models need the same pairs, at least 2")
    difference_N = (clip_N == 1).astype(np.float64) - (cloob_N == 1)
    value, error = float(difference_N.mean()), float(difference_N.std(ddof=1)) / np.sqrt(len(difference_N))
    return {"value": value, "ci95": [float(value - 1.96 * error), float(value + 1.96 * error)]}
