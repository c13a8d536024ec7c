"""The part placement: every row of every shard gets its place on the layout, its cluster and its local-dimension cluster.

One shard a call, on actors that hold the fit; a record commits each, so that a killed run goes on with the shards that are missing. How far
the fitted sample stands for the rest is measured on a second sample, of pairs that were not fitted.

M fitted pairs, N pairs, S pairs of the second sample.
"""

from typing import Any

import numpy as np

from jobs.analysis.layout_clusters_homology import Subject
from jobs.analysis.part import Found, Measuring, Metrics
from jobs.analysis.placing import Fit, ShardPlacer, fit_of, fitted_rows
from jobs.runtime.actors.dispatch import dispatch
from jobs.runtime.progress import ShardProgress
from jobs.runtime.session import room, slots
from jobs.runtime.tasks import ordered, result, start
from tda.columns import Columns
from tda.errors import LacunaError
from tda.geometry.clusters.assign import NOISE
from tda.geometry.clusters.stability import agreement
from tda.geometry.mixing import trustworthiness_among
from tda.geometry.neighbors.graph import knn_graph
from tda.geometry.parts import layout as layout_part
from tda.geometry.parts import placement as placement_part
from tda.store.datasets.placed import FOLDER, placed_labels, standing
from tda.store.datasets.sampling import Array, evenly_spaced, read_stacked
from tda.store.files import join

LEAST_SHARE = 0.5  # of the fitted pairs: a smaller second sample is of another density, and its clusters say nothing of the first


def placement_line(metrics: Metrics) -> str | None:
    """In the result line only where there are rows beside the fitted ones."""
    rows = metrics["rows"]
    if rows["sample"] is None:
        return None
    alike = rows["sample"]["agreement"]
    words = (
        f"{rows['pairs']:,} pairs placed by {rows['fitted_pairs']:,}"
        if rows["scope"] == "all"
        else f"{rows['fitted_pairs']:,} pairs fitted"
    )
    return words if alike is None else f"{words}, agreement of two samples {alike:.2f}"


def rows_folder(subject: Subject) -> str:
    """The folder of `rows/<shard>.parquet`."""
    return join(subject.results, FOLDER)


def finish_placement(run: Measuring, _: Any) -> Found:
    """The key `rows` of metrics.json and the columns of `row_clusters.parquet`."""
    subject, cluster, pairs = run.subject, run.cluster, len(run.subject.embeddings)
    reference = start(fit_of, subject, run.table("layout"), run.table("clusters"), cluster=cluster)
    fit: Fit = result(reference)
    rest = len(fit.laid_M) < pairs
    at_once = rest and slots(cluster)[0] > 1
    pending = start(_standing_of, subject, reference, cluster=cluster) if at_once else None
    everything = subject.analysis.rows == "all" or not rest
    if everything:
        _place_all(subject, fit, reference, run)
        label_2N, firm_2N = all_labels(subject, fit.hash)
    else:
        label_2N, firm_2N = fit.label_2L, fit.probability_2L
    stands = result(pending or start(_standing_of, subject, reference, cluster=cluster)) if rest else None
    metrics = {
        "scope": "all" if everything else "sample",
        "fit": fit.hash,
        "pairs": label_2N.shape[1],
        "fitted_pairs": len(fit.laid_M),
        "noise_fraction": float(np.mean(label_2N == NOISE)),
        "sample": stands,
    }
    return {"rows": metrics}, {"row_clusters": placement_part.counts(label_2N, firm_2N)}


def all_labels(subject: Subject, fit: str) -> tuple[Array, Array]:
    """Labels and probabilities (2, N) of all rows of this fit. Raises LacunaError where a shard is not placed."""
    folder, shards = rows_folder(subject), subject.embeddings.shards
    records = standing(folder, subject.embeddings, fit)
    missing = [shard for shard in shards if shard not in records]
    if missing:
        raise LacunaError(f"{len(missing)} of {len(shards)} shards have no rows of this fit, the first {missing[0]}: run again")
    return placed_labels(folder, [records[shard] for shard in shards])


def _place_all(subject: Subject, fit: Fit, reference: Any, run: Measuring) -> None:
    """Place the shards that have no rows of this fit. Raises LacunaError where one failed, when all others are done."""
    there = standing(rows_folder(subject), subject.embeddings, fit.hash)
    todo = [index for index, shard in enumerate(subject.embeddings.shards) if shard not in there]
    if len(fit.laid_M) == len(subject.embeddings) == len(fit.labelled_L):
        for _ in ordered(_write_of, ((subject, rows_folder(subject), reference, index) for index in todo), run.cluster):
            pass
        return
    _dispatch(subject, reference, todo, run)


def _write_of(subject: Subject, folder: str, fit: Fit, index: int) -> int:
    return ShardPlacer(subject, folder, fit).place(index)


def _dispatch(subject: Subject, reference: Any, todo: list[int], run: Measuring) -> None:
    import ray

    actor = ray.remote(num_cpus=run.cluster.cpus_per_actor, max_restarts=0, max_task_retries=0)(ShardPlacer)
    failures: list[LacunaError] = []
    with ShardProgress(what="rows", shards=len(todo)) as progress:

        def on_failure(_: int, error: LacunaError) -> None:
            failures.append(error)
            progress.add(failed=True)

        dispatch(
            todo,
            make_actor=lambda: actor.remote(subject, rows_folder(subject), reference),
            submit=lambda handle, index, _: handle.place.remote(index),
            on_result=lambda _, pairs: progress.add(pairs=pairs),
            on_failure=on_failure,
            actors=lambda: room(run.cluster, 0),
            wait_seconds=run.cluster.wait_seconds,
            report=progress.note,
        )
    if failures:
        raise LacunaError(f"{len(failures)} of {len(todo)} shards were not placed, the first: {failures[0]}; the same command goes on")


def second_sample(subject: Subject, laid_M: Array) -> Array:
    """Positions (S,) of as many pairs as are fitted, evenly spaced among those that are not."""
    rest = np.setdiff1d(np.arange(len(subject.embeddings)), laid_M, assume_unique=True)
    return rest[evenly_spaced(len(rest), len(laid_M))]


def _standing_of(subject: Subject, fit: Fit) -> dict[str, Any]:
    """How far the sample stands for the rest: noise and trustworthiness in and out of it, and agreement with a fit of other pairs."""
    analysis, positions_S = subject.analysis, second_sample(subject, fit.laid_M)
    x_ND, fitted = read_stacked(subject.embeddings, positions_S, analysis.block_rows), fitted_rows(subject, fit)
    placed = fitted.place(x_ND)
    k = min(analysis.umap.trust_k, (len(fitted.x_TD) - 1) // 2)
    shown = evenly_spaced(len(x_ND), analysis.umap.trust_rows)
    return {
        "pairs": len(positions_S),
        "exact_neighbours": fitted.exact,
        "trustworthiness": trustworthiness_among(x_ND[shown], placed.layout_NC[shown], fitted.x_TD, fitted.layout_TC, k),
        "noise_in": float(np.mean(fit.label_2L == NOISE)),
        "noise_out": float(np.mean(placed.label_N == NOISE)),
        **_agreeing(subject, x_ND, placed.label_N, fit),
    }


def _agreeing(subject: Subject, x_ND: Array, label_N: Array, fit: Fit) -> dict[str, Any]:
    """Clusters of the second sample by its own fit, against its labels by the first."""
    if len(x_ND) < 2 * max(3, LEAST_SHARE * len(fit.laid_M)):
        return {"clusters": None, "noise_second": None, "agreement": None, "agreement_in_clusters": None}
    own = _own_labels(subject, x_ND, fit)
    return {
        "clusters": [int(fit.label_2L.max(initial=NOISE)) + 1, int(own.max(initial=NOISE)) + 1],
        "noise_second": float(np.mean(own == NOISE)),
        "agreement": agreement(label_N, own),
        "agreement_in_clusters": agreement(label_N, own, noise=False),
    }


def _own_labels(subject: Subject, x_ND: Array, fit: Fit) -> Array:
    analysis = subject.analysis
    if fit.space is not None:
        found = placement_part.clustered(fit.space.project(x_ND), analysis, analysis.clusters.sample)
        return np.asarray(found.labels)
    knn = knn_graph(x_ND, min(analysis.umap.n_neighbors - 1, len(x_ND) - 1), seed=analysis.seed, device=analysis.device)
    layout_NC, _ = layout_part.layout_of(x_ND, knn, analysis)
    return np.asarray(placement_part.clustered(layout_NC, analysis, analysis.clusters.sample).labels)


def labels_for(run: Measuring) -> Columns | None:
    """The labels of all rows as columns of `clusters.parquet`; None where those of the sample are all there are."""
    if run.subject.analysis.rows != "all":
        return None
    fit = run.once(
        "fit hash", lambda: result(start(fit_of, run.subject, run.table("layout"), run.table("clusters"), cluster=run.cluster)).hash
    )
    label_2N, _ = all_labels(run.subject, fit)
    return {"row": np.tile(np.arange(label_2N.shape[1]), 2), "label": label_2N.ravel()}
