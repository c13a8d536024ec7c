"""Does a cluster's dimension predict retrieval in it? Correlations over clusters, controlled for cluster size (Fig. 15).

N rows, K clusters, R bootstrap draws.

Size confounds the plain correlation: a cluster of n rows has rank below n, and a larger cluster holds more competing candidates. The
partial correlation given log(size) is reported beside it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tda.errors import UserError
from tda.geometry.arrays.rows import to_host
from tda.geometry.controlled import LEAST_INTERVAL
from tda.geometry.spectrum.moments import Spectrum

LEAST_CLUSTERS = 4  # with fewer, a partial correlation has no degree of freedom
NAMES = ("pearson", "spearman", "partial_spearman_given_size")


@dataclass(frozen=True, kw_only=True)
class Association:
    """Three correlations of a dimension and top-1 over clusters, in [-1, 1]; None where clusters are too few or do not vary."""

    pearson: float | None
    spearman: float | None
    partial_spearman_given_size: float | None
    ci95: dict[str, list[float] | None]  # 95 % interval of each, by bootstrap over clusters, of which there must be 12
    n_clusters: int
    models: list[str] = field(default_factory=list)  # the models that were pooled; empty for one model
    notes: list[str] = field(default_factory=list)

    def metrics(self) -> dict[str, Any]:
        """The fields, ready for JSON."""
        return dict(vars(self))


@dataclass(frozen=True, kw_only=True)
class Clusters:
    """The variables of the correlation for the K clusters of a model, (K,) each: dimension, top-1 in [0, 1], number of rows."""

    dimension_K: Any
    top1_K: Any
    size_K: Any

    @classmethod
    def of(cls, table: Sequence[Mapping[str, Any]], dimension: str = "auc", top1: str = "top1_image_to_text") -> "Clusters":
        """Variables from a table of `cluster_table`. None becomes NaN; `associate` and `pooled` leave such clusters out."""
        columns = ([np.nan if row[name] is None else row[name] for row in table] for name in (dimension, top1, "size"))
        return cls(**{name: np.asarray(column, float) for name, column in zip(("dimension_K", "top1_K", "size_K"), columns, strict=True)})


def cluster_table(
    spectra: Mapping[str, Sequence[Spectrum | None]], image_label_N: Any, text_label_N: Any, ranks_N: Mapping[str, Any]
) -> list[dict[str, Any]]:
    """One row per cluster, with the names of metrics.json: id, size, images, texts, auc, effective_rank, and top-1 by direction.

    `spectra` comes from `cluster_spectra`; the measures of images and of texts alone are added as auc_image, auc_text and so on.
    `image_label_N`, `text_label_N`: cluster of each image and text. `ranks_N`: image_to_text and text_to_image ranks (N,), 1 the best;
    a query counts in the cluster of its row. None where a cluster has no such rows.
    """
    image_label_N, text_label_N = to_host(image_label_N), to_host(text_label_N)
    first = {"image_to_text": image_label_N, "text_to_image": text_label_N}
    table = []
    for cluster, both in enumerate(spectra["both"]):
        images, texts = (int((label_N == cluster).sum()) for label_N in (image_label_N, text_label_N))
        row = {"id": cluster, "size": images + texts, "images": images, "texts": texts, **_measures(both, "")}
        for modality in ("image", "text"):
            row |= _measures(spectra[modality][cluster], f"_{modality}")
        for direction, label_N in first.items():
            hits = to_host(ranks_N[direction])[label_N == cluster] == 1
            row[f"top1_{direction}"] = float(hits.mean()) if len(hits) else None
        table.append(row)
    return table


def _measures(spectrum: Spectrum | None, suffix: str) -> dict[str, float | None]:
    return {f"{name}{suffix}": None if spectrum is None else getattr(spectrum, name) for name in ("auc", "effective_rank")}


def associate(clusters: Clusters, *, draws: int = 2000, seed: int = 0) -> Association:
    """Correlations over the clusters of one model, with 95 % intervals from `draws` bootstrap draws of its clusters.

    Raises UserError for `draws` below 1.
    """
    return pooled({"": clusters}, draws=draws, seed=seed)


def pooled(models: Mapping[str, Clusters], *, draws: int = 2000, seed: int = 0) -> Association:
    """Correlations over the clusters of several models, with model as a factor: differences between models are removed.

    Pearson's correlation is of values centred within their model, Spearman's of ranks within the model. The bootstrap draws clusters
    within models. Clusters without a dimension, top-1 or size are left out, and a note counts them. Raises UserError for `draws` below 1.
    """
    if draws < 1:
        raise UserError(f"draws={draws} is too small; it must be at least 1")
    kept = [_kept(clusters) for clusters in models.values()]
    dropped = sum(len(clusters.size_K) for clusters in models.values()) - sum(values_3K.shape[1] for values_3K in kept)
    notes = [f"{dropped} cluster(s) without a dimension, top-1 or size left out"] if dropped else []
    groups = [values_3K for values_3K in kept if values_3K.shape[1] > 0]
    count = sum(values_3K.shape[1] for values_3K in groups)
    names = [name for name in models if name]
    if count < LEAST_CLUSTERS + max(len(groups) - 1, 0):
        notes.append(f"{count} cluster(s) are too few for a correlation given size")
        return Association(**dict.fromkeys(NAMES), ci95=dict.fromkeys(NAMES), n_clusters=count, models=names, notes=notes)
    rng = np.random.default_rng(seed)
    values = _correlations([values_3K[:, None, :] for values_3K in groups])[:, 0]
    drawn = _correlations([values_3K[:, rng.integers(values_3K.shape[1], size=(draws, values_3K.shape[1]))] for values_3K in groups])
    if not np.isfinite(values).all():
        notes.append("a dimension, top-1 or size does not vary over the clusters: correlations with it are not defined")
    found = {name: float(value) if np.isfinite(value) else None for name, value in zip(NAMES, values, strict=True)}
    enough = count >= LEAST_INTERVAL
    if not enough:
        notes.append(f"{count} clusters: no interval below {LEAST_INTERVAL}")
    ci95 = {name: _interval(drawn_R) if enough and found[name] is not None else None for name, drawn_R in zip(NAMES, drawn, strict=True)}
    return Association(**found, ci95=ci95, n_clusters=count, models=names, notes=notes)


def _kept(clusters: Clusters) -> Any:
    """Dimension, top-1 and log(size), (3, K), of the clusters that have all three."""
    size_K = np.asarray(clusters.size_K, dtype=np.float64)
    log_K = np.log(np.where(size_K > 0, size_K, np.nan))
    values_3K = np.stack([np.asarray(clusters.dimension_K, np.float64), np.asarray(clusters.top1_K, np.float64), log_K])
    return values_3K[:, np.isfinite(values_3K).all(axis=0)]


def _correlations(groups: list[Any]) -> Any:
    """The three correlations (3, R) of draws (3, R, K) of each model; NaN where a variable does not vary."""
    from scipy.stats import rankdata

    raw = np.concatenate([_centred(values_3RK) for values_3RK in groups], axis=2)
    # Divided by the number of clusters of the model, so that a rank is the same share of clusters in every model.
    ranks = np.concatenate([_centred(rankdata(values_3RK, axis=2)) / values_3RK.shape[2] for values_3RK in groups], axis=2)
    pearson_R, spearman_R = _correlate(raw[0], raw[1]), _correlate(ranks[0], ranks[1])
    with_dimension_R, with_top1_R = _correlate(ranks[0], ranks[2]), _correlate(ranks[1], ranks[2])
    left_R = (1 - with_dimension_R**2) * (1 - with_top1_R**2)
    partial_R = (spearman_R - with_dimension_R * with_top1_R) / np.sqrt(np.where(left_R > 1e-12, left_R, np.nan))
    constant_R = np.ptp(ranks[2], axis=1) == 0  # all of one size: nothing to control for
    return np.stack([pearson_R, spearman_R, np.where(constant_R, spearman_R, partial_R)])


def _centred(values_3RK: Any) -> Any:
    return values_3RK - values_3RK.mean(axis=2, keepdims=True)


def _correlate(x_RK: Any, y_RK: Any) -> Any:
    spread_R = np.sqrt((x_RK**2).sum(axis=1) * (y_RK**2).sum(axis=1))
    return (x_RK * y_RK).sum(axis=1) / np.where(spread_R > 1e-15, spread_R, np.nan)


def _interval(drawn_R: Any) -> list[float] | None:
    finite_R = drawn_R[np.isfinite(drawn_R)]
    return [float(bound) for bound in np.quantile(finite_R, [0.025, 0.975])] if len(finite_R) else None
