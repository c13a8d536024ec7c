"""The paper's Predictions 1 and 2, decided by numbers: supported, not supported, or undecided, with the numbers in one sentence.

N pairs, P points (one for each model and data set).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tda.errors import UserError
from tda.geometry.arrays.rows import to_host
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


def prediction_2(local: Association, spaces: Sequence[Space], *, seed: int = 0) -> Verdict:
    """Local dimension predicts retrieval, global dimension does not.

    Local dimension predicts if the 95 % interval of the partial correlation given size lies above 0; it does not if the interval lies
    below 0.2; otherwise the question is open. Global dimension predicts if the rank correlation over models within data sets has
    p < 0.05 in a two-sided permutation test (models reordered within data sets, drawn by `seed`); with fewer than 40 orders the
    question is open. Supported: local predicts and global does not. Not supported: local does not, or global does. Else undecided.
    """
    low, high = local.ci95["partial_spearman_given_size"] or (None, None)
    local_predicts = "open" if low is None or high is None else "yes" if low > 0 else "no" if high < WEAK else "open"
    correlation, p_value, orders = _across_models(spaces, seed)
    global_predicts = "open" if p_value is None or orders < LEAST_ORDERS else "yes" if p_value < LEVEL else "no"
    if local_predicts == "no" or global_predicts == "yes":
        verdict = "not supported"
    else:
        verdict = "supported" if (local_predicts, global_predicts) == ("yes", "no") else "undecided"
    across = _global_sentence(correlation, p_value, len(spaces), global_predicts)
    return Verdict(
        verdict=verdict,
        sentence=f"Prediction 2 is {verdict}: {_local_sentence(local)}; {across}.",
        numbers={
            "local": local.metrics(),
            "local_predicts": local_predicts,
            "global_spearman": correlation,
            "global_p_value": p_value,
            "global_predicts": global_predicts,
            "spaces": [vars(space) for space in spaces],
        },
    )


def _local_sentence(local: Association) -> str:
    value, ci95 = local.partial_spearman_given_size, local.ci95["partial_spearman_given_size"]
    if value is None or ci95 is None:
        return f"{local.n_clusters} clusters are too few, or too alike, to correlate local dimension and top-1"
    plain = "undefined" if local.spearman is None else f"{local.spearman:+.2f}"
    return (
        f"over {local.n_clusters} clusters local dimension and top-1 correlate by {value:+.2f} given size "
        f"(95 % interval {ci95[0]:+.2f} to {ci95[1]:+.2f}; {plain} without size taken out)"
    )


def _global_sentence(correlation: float | None, p_value: float | None, points: int, predicts: str) -> str:
    if correlation is None or p_value is None:
        return f"{points} spaces are too few, or too alike, to correlate global dimension and top-1"
    ending = {"open": ", too few models to decide", "yes": "", "no": ""}[predicts]
    return f"over {points} spaces global dimension and top-1 correlate by {correlation:+.2f} (p = {p_value:.2g}{ending})"


def _across_models(spaces: Sequence[Space], seed: int) -> tuple[float | None, float | None, int]:
    """Rank correlation within data sets, its two-sided p-value by a permutation test within data sets, and the number of orders."""
    from math import factorial, prod

    from scipy.stats import rankdata

    groups = [[space for space in spaces if space.dataset == name] for name in sorted({space.dataset for space in spaces})]
    groups = [group for group in groups if len(group) > 1]
    orders = prod(factorial(len(group)) for group in groups)
    if not groups:
        return None, None, 0

    def ranks(name: str) -> Any:
        within = [rankdata([getattr(space, name) for space in group]) for group in groups]
        return np.concatenate([(rank - rank.mean()) / len(rank) for rank in within])

    x_P, y_P = ranks("dimension"), ranks("top1")
    spread = float(np.sqrt((x_P @ x_P) * (y_P @ y_P)))
    if spread == 0:
        return None, None, orders
    rng, ends = np.random.default_rng(seed), np.cumsum([len(group) for group in groups])[:-1]
    drawn = [x_P @ np.concatenate([rng.permutation(part) for part in np.split(y_P, ends)]) for _ in range(DRAWS)]
    beyond = int((np.abs(drawn) >= abs(x_P @ y_P) - 1e-12).sum())
    return float(x_P @ y_P) / spread, (beyond + 1) / (DRAWS + 1), orders


def prediction_1(clip_ranks: dict[str, Any], cloob_ranks: dict[str, Any], clip_gap: float, cloob_gap: float) -> Verdict:
    """Although CLOOB has the smaller modality gap, CLIP retrieves better across modalities.

    `clip_ranks` and `cloob_ranks`: direction (image_to_text, text_to_image) -> ranks (N,), 1 the best, of the same pairs in the same
    order. The difference in top-1 is paired: its 95 % interval is ± 1.96 standard errors of the differences of single pairs. Supported:
    CLOOB's gap is smaller and both intervals lie above 0. Not supported: the gap is not smaller, or an interval lies below 0. Else
    undecided. Retrieval within a modality, which the prediction also presumes, is not measured: it needs labels. Raises UserError where
    ranks do not pair up or are fewer than 2.
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
        sentence=f"Prediction 1 is {verdict}: {gaps}; CLIP's top-1 less CLOOB's: {reported}.",
        numbers={"clip_gap": clip_gap, "cloob_gap": cloob_gap, "top1_difference": differences},
    )


def _paired(clip_N: Any, cloob_N: Any, direction: str) -> dict[str, Any]:
    clip_N, cloob_N = to_host(clip_N), to_host(cloob_N)
    if clip_N.shape != cloob_N.shape or len(clip_N) < 2:
        raise UserError(f"{direction}: {len(clip_N)} and {len(cloob_N)} ranks do not pair up; both models need the same pairs, at least 2")
    difference_N = (clip_N == 1).astype(np.float64) - (cloob_N == 1)
    value, error = float(difference_N.mean()), float(difference_N.std(ddof=1)) / np.sqrt(len(difference_N))
    return {"value": value, "ci95": [float(value - 1.96 * error), float(value + 1.96 * error)]}
