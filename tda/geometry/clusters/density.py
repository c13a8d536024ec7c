"""Density clusters (HDBSCAN, Campello et al. 2013): hdbscan | fast_hdbscan | cuML behind one function, at any number of rows.

N rows, D dimensions, S rows of the sample, U distinct rows of it, C clusters, R runs. Label -1 is noise. Distances are euclidean: on
unit vectors this is the order by angle.

Equal rows enter the hierarchy once and share a label: copies would count as density, and make the result of cuML vary. Above `sample`
rows the hierarchy is built on a sample, and the other rows are assigned by the fitted rows near them (`tda.geometry.clusters.assign`).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from tda.errors import UserError
from tda.geometry.arrays.namespace import namespace, rows_at
from tda.geometry.arrays.rows import check_rows, distinct, on_device, sample_rows, to_host
from tda.geometry.clusters.assign import NOISE, Assigner
from tda.geometry.clusters.predict import Predictor

ENGINES = ("auto", "hdbscan", "fast_hdbscan", "cuml")
METHODS = ("eom", "leaf")
FAST_DIM, FAST_ROWS = 20, 50_000  # fast_hdbscan is faster up to this dimension and above so many rows (it compiles for 20 s)
MATRIX_DIM, MATRIX_ROWS = 60, 10_000  # above this dimension a distance matrix is 8 times faster than trees, in 26 bytes a pair of rows
SAMPLE_ROWS = 100_000  # on a GPU or up to FAST_DIM; else MATRIX_ROWS, as time on a CPU grows with the square of the rows


@dataclass(frozen=True, kw_only=True)
class Clustering:
    """Labels of rows and their statistics. Clusters are numbered by size, the largest 0, whichever engine found them."""

    labels: Any  # (N,) int64, -1 is noise; an array of the library of the rows
    probability: Any  # (N,) in [0, 1]: HDBSCAN's membership; for an assigned row its share of the votes; 0 for noise
    count: int
    noise_fraction: float  # of all N rows
    persistence: list[float]  # per cluster, in [0, 1]
    engine: str
    fitted: int  # rows that the hierarchy was built on
    distinct: int  # distinct rows among these
    fitted_noise_fraction: float  # of these rows: if far from `noise_fraction`, the sample does not represent the rest
    notes: list[str] = field(default_factory=list)
    assigner: Assigner | None = None  # labels further rows of the same space; None without clusters
    predictor: Predictor | None = None  # labels them by the hierarchy; None without clusters or where the engine keeps no hierarchy

    def metrics(self) -> dict[str, Any]:
        """The fields, ready for JSON, without labels, probabilities, assigner and predictor."""
        return {name: value for name, value in vars(self).items() if name not in ("labels", "probability", "assigner", "predictor")}


@dataclass(frozen=True, kw_only=True)
class _Options:
    min_cluster_size: int
    min_samples: int
    method: str
    epsilon: float
    single: bool
    engine: str

    def check(self) -> None:
        if self.min_cluster_size < 2:
            raise UserError(f"min_cluster_size={self.min_cluster_size} is too small; it must be at least 2")
        if self.min_samples < 1:
            raise UserError(f"min_samples={self.min_samples} is too small; it must be at least 1")
        if self.method not in METHODS:
            raise UserError(f"method={self.method!r} is unknown; choose one of: {', '.join(METHODS)}")
        if self.engine not in ENGINES:
            raise UserError(f"engine={self.engine!r} is unknown; choose one of: {', '.join(ENGINES)}")
        if not self.epsilon >= 0:
            raise UserError(f"epsilon={self.epsilon} is not a distance; it must be at least 0")


def hdbscan(
    x_ND: Any,
    min_cluster_size: int = 10,
    min_samples: int | None = None,
    *,
    method: str = "eom",
    epsilon: float = 0.0,
    engine: str = "auto",
    single: bool = False,
    sample: int | None = None,
    block_rows: int = 16_384,
    seed: int = 0,
) -> Clustering:
    """HDBSCAN (Campello et al. 2013) of rows (N, D), an array or a memory map of either library.

    A core distance reaches to the `min_samples`-th neighbour (by default `min_cluster_size`). `method`: eom | leaf. `epsilon`: clusters
    closer than this are not split. `engine`: auto | hdbscan | fast_hdbscan | cuml. `single`: a single cluster of all rows is allowed.
    Above `sample` rows (default: 100,000; on a CPU above 20 dimensions 10,000), a sample of this size, drawn by `seed`, is fitted and the
    other rows are assigned, `block_rows` at a time, in memory that does not grow with N. Where no cluster is found every row is noise
    and a note gives the reason. Raises UserError for a row that is not finite and for an option out of range.
    """
    options = _Options(
        min_cluster_size=min_cluster_size,
        min_samples=min_cluster_size if min_samples is None else min_samples,
        method=method,
        epsilon=float(epsilon),
        single=single,
        engine=engine,
    )
    options.check()
    if sample is not None and sample < 1:
        raise UserError(f"sample={sample} is too small; it must be at least 1")
    chosen_S = sample_rows(x_ND.shape[0], sample or default_sample(x_ND), seed)
    fitted = _fit(x_ND if len(chosen_S) == x_ND.shape[0] else x_ND[chosen_S, :], options)
    return fitted if len(chosen_S) == x_ND.shape[0] else _extend(fitted, x_ND, chosen_S, block_rows)


def default_sample(x_ND: Any) -> int:
    """Number of rows that the hierarchy of rows (N, D) is built on by default."""
    return SAMPLE_ROWS if on_device(x_ND) or x_ND.shape[-1] <= FAST_DIM else MATRIX_ROWS


def _fit(x_SD: Any, options: _Options) -> Clustering:
    xp = namespace(x_SD)
    check_rows(x_SD, "rows to cluster")
    first_U, inverse_S = distinct(x_SD)
    members_UD = rows_at(x_SD, first_U)  # a copy: the caller may change the rows later, the assigner must not
    engine, needed = _engine(options, members_UD), max(options.min_cluster_size, options.min_samples + 1)
    notes: list[str] = []
    persistence: list[float] = []
    labels_U, firm_U, tree = np.full(len(first_U), NOISE), np.zeros(len(first_U)), None
    if len(first_U) < needed:
        notes.append(f"{len(first_U)} distinct row(s), fewer than the {needed} that a cluster needs: all noise")
    else:
        found_U, firm_U, persistence, tree = _RUN[engine](members_UD, options)
        labels_U, persistence = _by_size(found_U, persistence, inverse_S)
        notes += [] if persistence else ["no part of the rows is denser than the rest: all noise"]
    labels_S = xp.asarray(labels_U[inverse_S])
    noise = float(np.mean(labels_U[inverse_S] == NOISE))
    return Clustering(
        labels=labels_S,
        probability=xp.asarray(np.where(labels_U == NOISE, 0.0, firm_U)[inverse_S]),
        count=len(persistence),
        noise_fraction=noise,
        persistence=persistence,
        engine=engine,
        fitted=x_SD.shape[0],
        distinct=len(first_U),
        fitted_noise_fraction=noise,
        notes=notes,
        assigner=Assigner(members_UD, xp.asarray(labels_U), options.min_samples) if persistence else None,
        predictor=Predictor(members_UD, labels_U, firm_U, tree, options.min_samples) if persistence and tree is not None else None,
    )


def _extend(fitted: Clustering, x_ND: Any, chosen_S: Any, block_rows: int) -> Clustering:
    """Extend the clustering of a sample to all rows; rows of the sample keep their labels."""
    xp, count = namespace(x_ND), x_ND.shape[0]
    labels_N, firm_N = xp.full(count, NOISE, dtype=xp.int64), xp.zeros(count)
    if fitted.assigner is not None:
        labels_N, firm_N = fitted.assigner.members(x_ND, block_rows)
    labels_N[xp.asarray(chosen_S)], firm_N[xp.asarray(chosen_S)] = fitted.labels, fitted.probability
    noise = float(xp.mean(xp.astype(labels_N == NOISE, xp.float64)))
    return replace(fitted, labels=labels_N, probability=firm_N, noise_fraction=noise)


def _by_size(labels_U: Any, persistence: Sequence[float], inverse_S: Any) -> tuple[Any, list[float]]:
    """Labels and persistence renumbered by the number of rows in each cluster, copies included, the largest first."""
    labels_U = np.asarray(labels_U, dtype=np.int64)
    size_C = np.bincount(labels_U[inverse_S] + 1, minlength=len(persistence) + 1)[1:]
    order_C = np.argsort(-size_C, kind="stable")
    new_C = np.empty(len(order_C) + 1, dtype=np.int64)
    new_C[order_C], new_C[-1] = np.arange(len(order_C)), NOISE  # label -1 takes the last entry
    return new_C[labels_U], [float(persistence[cluster]) for cluster in order_C]


def _engine(options: _Options, x_UD: Any) -> str:
    if options.engine != "auto":
        return options.engine
    if on_device(x_UD):
        return "cuml"
    return "fast_hdbscan" if x_UD.shape[1] <= FAST_DIM and x_UD.shape[0] > FAST_ROWS else "hdbscan"


def _run_hdbscan(x_UD: Any, options: _Options) -> tuple[Any, Any, Any, Any]:
    import hdbscan as library

    rows_UD, metric = np.asarray(to_host(x_UD), dtype=np.float64), "euclidean"
    if rows_UD.shape[1] > MATRIX_DIM and rows_UD.shape[0] <= MATRIX_ROWS:
        from sklearn.metrics.pairwise import euclidean_distances

        rows_UD, metric = euclidean_distances(rows_UD), "precomputed"
    model = library.HDBSCAN(
        min_cluster_size=options.min_cluster_size,
        min_samples=options.min_samples,
        cluster_selection_method=options.method,
        cluster_selection_epsilon=options.epsilon,
        allow_single_cluster=options.single,
        metric=metric,
        approx_min_span_tree=False,
        core_dist_n_jobs=1,  # more would start other processes
    ).fit(rows_UD)
    return model.labels_, model.probabilities_, model.cluster_persistence_, model.condensed_tree_.to_numpy()


def _run_fast_hdbscan(x_UD: Any, options: _Options) -> tuple[Any, Any, Any, Any]:
    """Minimum spanning tree by fast_hdbscan; tree condensed and cut by hdbscan, so that options mean the same in both engines.

    These functions are private, so pyproject.toml caps both libraries. The public class of fast_hdbscan has no persistence, rounds
    probabilities to float32 and orders equal edges by thread.
    """
    from fast_hdbscan.hdbscan import compute_minimum_spanning_tree
    from hdbscan._hdbscan_linkage import label
    from hdbscan._hdbscan_tree import compute_stability, condense_tree, get_clusters

    edges, _, _ = compute_minimum_spanning_tree(np.asarray(to_host(x_UD), dtype=np.float64), min_samples=options.min_samples)
    ascending = np.lexsort((edges[:, 1], edges[:, 0], edges[:, 2]))  # ties in an order that does not depend on threads
    tree = condense_tree(label(edges[ascending]), options.min_cluster_size)
    return *get_clusters(tree, compute_stability(tree), options.method, options.single, False, options.epsilon), tree


def _run_cuml(x_UD: Any, options: _Options) -> tuple[Any, Any, Any, Any]:
    from cuml.cluster import HDBSCAN

    model = HDBSCAN(
        min_cluster_size=options.min_cluster_size,
        min_samples=options.min_samples,
        cluster_selection_method=options.method,
        cluster_selection_epsilon=options.epsilon,
        allow_single_cluster=options.single,
    ).fit(x_UD.astype("float32"))
    return to_host(model.labels_), to_host(model.probabilities_), to_host(model.cluster_persistence_), None


_RUN = {"hdbscan": _run_hdbscan, "fast_hdbscan": _run_fast_hdbscan, "cuml": _run_cuml}
