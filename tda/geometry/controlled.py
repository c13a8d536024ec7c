"""Local dimension and retrieval over clusters, with all that confounds them taken out at once (Prediction 2).

K clusters of a model, C clusters of all models, V control variables.

A dimension from more rows is larger, so it is rarefied: every cluster is measured on equally many rows. Clusters also differ in size, in
how far they are of one modality, and in spread. Models see the same pairs, so that their clusters are no independent evidence.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tda.geometry.arrays.namespace import unit_rows

LEAST_INTERVAL = 12  # clusters: with fewer, no interval of a correlation covers as it claims
CONTROLS = ("log_size", "purity", "log_trace")


@dataclass(frozen=True, kw_only=True)
class Controlled:
    """Rank correlation of rarefied dimension and top-1 with the controls taken out; None where it is not defined."""

    value: float | None
    ci95: list[float] | None
    n_clusters: int
    controls: list[str]
    plain: float | None  # Pearson's correlation with nothing taken out, as the paper has it
    models: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def metrics(self) -> dict[str, Any]:
        """The fields, ready for JSON."""
        return dict(vars(self))


def rarefied_rank(x_ND: Any, rows: int, draws: int, seed: int) -> float | None:
    """Mean effective rank of `draws` samples of `rows` rows of (N, D), without replacement; None where there are fewer rows.

    Effective rank: exp of the entropy of the covariance's eigenvalues, as `Spectrum.effective_rank`. Equal for equal distributions,
    however many rows a cluster has.
    """
    if x_ND.shape[0] < rows or rows < 2:
        return None
    rng = np.random.default_rng(seed)
    found = [_effective_rank(x_ND[np.sort(rng.choice(x_ND.shape[0], rows, replace=False))]) for _ in range(draws)]
    return float(np.mean(found))


def rarefied_ranks(x_ND: Any, label_N: Any, groups: int, rows: int, *, draws: int = 20, seed: int = 0) -> list[float | None]:
    """`rarefied_rank` of the unit rows of clusters 0 .. groups - 1."""
    members = (x_ND[label_N == group] for group in range(groups))
    return [rarefied_rank(unit_rows(one), rows, draws, seed) if len(one) >= rows else None for one in members]


def controlled(models: Mapping[str, Mapping[str, Any]], controls: Sequence[str] = CONTROLS, overlap_CC: Any = None) -> Controlled:
    """Rank correlation of `dimension` and `top1` given the controls, over the clusters of several models.

    `models`: name -> columns (K,) `dimension`, `top1` and the controls; a cluster that lacks a number is left out, and so is a model of too
    few clusters. Both are regressed on the controls within a model, and the ranks of what is left are correlated: ranks that are regressed
    on ranks keep a correlation of about .1 where the controls explain all. `overlap_CC`: for clusters in order of the models, the share of
    pairs that two have in common, |c ∩ d| / √(|c| |d|): the interval is that of drawing pairs, the same in all models. Without it all
    clusters are independent. No interval below 12 clusters. Interval: Student's on Fisher's scale, from the influence of each cluster.
    """
    spare = len(controls) + 2  # clusters of a model that say nothing about the correlation
    parts = {name: _finite(columns, controls) for name, columns in models.items()}
    used = [values_VK for values_VK, _ in parts.values() if values_VK.shape[1] > spare]
    keep_C = np.concatenate([mask_K & (mask_K.sum() > spare) for _, mask_K in parts.values()] or [np.zeros(0, dtype=bool)])
    count = int(keep_C.sum())
    known: dict[str, Any] = {"n_clusters": count, "controls": list(controls), "models": [name for name in models if name]}
    if not used:
        total = sum(len(mask_K) for _, mask_K in parts.values())
        notes = [f"{total} cluster(s) are too few for {len(controls)} controls"]
        return Controlled(value=None, ci95=None, plain=None, notes=notes, **known)
    x_C, y_C = (np.concatenate([_left(values_VK, at) for values_VK in used]) for at in (0, 1))
    if min(float(x_C @ x_C), float(y_C @ y_C)) < 1e-12:
        return Controlled(
            value=None, ci95=None, plain=_pearson(used), notes=["dimension or top-1 does not vary given the controls"], **known
        )
    value = float(x_C @ y_C / np.sqrt((x_C @ x_C) * (y_C @ y_C)))
    shared_CC = np.eye(count) if overlap_CC is None else np.asarray(overlap_CC)[np.ix_(keep_C, keep_C)]
    ci95 = _interval(x_C, y_C, value, count - spare * len(used), shared_CC)
    notes = [] if count >= LEAST_INTERVAL else [f"{count} clusters: no interval below {LEAST_INTERVAL}"]
    return Controlled(value=value, ci95=ci95 if count >= LEAST_INTERVAL else None, plain=_pearson(used), notes=notes, **known)


def overlaps(label_MN: Sequence[Any], counts: Sequence[int]) -> Any:
    """|c ∩ d| / √(|c| |d|), (C, C), of the clusters of several labellings (N,) of the same rows, each of so many clusters.

    A label outside 0 .. count - 1 is in none.
    """
    labelled = zip(label_MN, counts, strict=True)
    member_CN = np.concatenate([np.arange(count)[:, None] == np.asarray(label_N)[None, :] for label_N, count in labelled])
    member_CN = member_CN.astype(np.float32)
    size_C = np.sqrt(np.maximum(member_CN.sum(axis=1), 1.0))
    overlap_CC = (member_CN @ member_CN.T / size_C[:, None] / size_C[None, :]).astype(np.float64)
    np.fill_diagonal(overlap_CC, 1.0)
    return overlap_CC


def difference(local: Controlled, across: float | None, across_ci95: Sequence[float] | None) -> dict[str, Any]:
    """Local less global correlation, with the 95 % interval of a difference of two independent ones (Zou 2007)."""
    if local.value is None or across is None:
        return {"value": None, "ci95": None}
    value = local.value - across
    if local.ci95 is None or across_ci95 is None:
        return {"value": value, "ci95": None}
    low = value - float(np.hypot(local.value - local.ci95[0], across_ci95[1] - across))
    high = value + float(np.hypot(local.ci95[1] - local.value, across - across_ci95[0]))
    return {"value": value, "ci95": [max(low, -2.0), min(high, 2.0)]}


def _finite(columns: Mapping[str, Any], controls: Sequence[str]) -> tuple[Any, Any]:
    values_VK = np.stack([np.asarray(columns[name], dtype=np.float64) for name in ("dimension", "top1", *controls)])
    mask_K = np.isfinite(values_VK).all(axis=0)
    return values_VK[:, mask_K], mask_K


def _left(values_VK: Any, at: int) -> Any:
    """Centred ranks of what the controls leave of a variable, as shares of the model's clusters; zeros where they leave nothing."""
    from scipy.stats import rankdata

    y_K, count = values_VK[at], values_VK.shape[1]
    design_KV = np.column_stack([np.ones(count), *values_VK[2:]])
    left_K = y_K - design_KV @ np.linalg.lstsq(design_KV, y_K, rcond=None)[0]
    if float(np.abs(left_K).max()) <= 1e-9 * max(float(np.abs(y_K).max()), 1e-300):
        return np.zeros(count)
    return rankdata(left_K) / count - (count + 1) / (2 * count)


def _pearson(groups: Sequence[Any]) -> float | None:
    x_C, y_C = (np.concatenate([values_VK[at] - values_VK[at].mean() for values_VK in groups]) for at in (0, 1))
    spread = float(np.sqrt((x_C @ x_C) * (y_C @ y_C)))
    return float(x_C @ y_C) / spread if spread > 1e-15 else None


def _interval(x_C: Any, y_C: Any, value: float, free: int, shared_CC: Any) -> list[float]:
    """Influence of each cluster on the correlation; those that share pairs vary together, and count as one where they share all."""
    from scipy.stats import t

    x_C, y_C = x_C / np.sqrt(np.mean(x_C**2)), y_C / np.sqrt(np.mean(y_C**2))
    influence_C, together = x_C * y_C - value / 2 * (x_C**2 + y_C**2), float(shared_CC.sum())
    plain = together * (1 - value**2) ** 2  # of normal variables: few clusters may look too even by chance
    square = max(float(influence_C @ shared_CC @ influence_C), plain)
    error = np.sqrt(square / free / len(x_C)) / max(1 - value**2, 1e-12)
    quantile = float(t.ppf(0.975, max(free * len(x_C) / together, 1.0)))
    middle = np.arctanh(np.clip(value, -1 + 1e-12, 1 - 1e-12))
    return [float(np.tanh(middle - quantile * error)), float(np.tanh(middle + quantile * error))]


def _effective_rank(x_nD: Any) -> float:
    centred_nD = x_nD - x_nD.mean(axis=0)
    values_n = np.clip(np.linalg.eigvalsh(centred_nD @ centred_nD.T), 0.0, None)
    total = float(values_n.sum())
    if total <= 0:
        return 0.0
    share_n = values_n[values_n > 0] / total
    return float(np.exp(-(share_n * np.log(share_n)).sum()))
