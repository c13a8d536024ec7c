"""Further queries of retrieval in clusters into which few of the drawn ones fall, so that each cluster has a top-1 worth its name.

N pairs, M labelled pairs, Q queries.
"""

from typing import Any

import numpy as np

from jobs.analysis.part import Measuring
from jobs.analysis.queries import Asked, ranks_of
from tda.columns import Columns
from tda.config.analysis import AnalysisConfig
from tda.geometry.parts.local_dimension import DIRECTIONS
from tda.store.datasets.sampling import Array


def with_enough(run: Measuring, clusters: Columns, ranks: Columns) -> Columns:
    """The table of `ranks` with further queries: in each direction `analysis.local_dimension.queries` of every cluster, or all its rows.

    They are drawn by seed among the rows of the cluster that are not asked yet, so that those of a cluster are a sample of it. A further
    query counts only in the direction in which it was drawn; its rank in the other is 0. Nothing is added where every pair is a query.
    """
    subject, analysis, pairs = run.subject, run.subject.analysis, len(run.subject.embeddings)
    if analysis.retrieval.sampled(pairs) is None:
        return ranks
    drawn = further(clusters, ranks["row"], Asked.of(pairs, analysis), analysis)
    row_Q = np.union1d(*drawn)
    if not len(row_Q):
        return ranks
    rank_2Q = ranks_of(subject, row_Q, "local_dimension", run.hashes["local_dimension"], run.cluster, run.progress)
    added = {way: np.where(np.isin(row_Q, own_Q), rank_Q, 0) for way, own_Q, rank_Q in zip(DIRECTIONS, drawn, rank_2Q, strict=True)}
    whole = {"row": np.concatenate([ranks["row"], row_Q])} | {way: np.concatenate([ranks[way], added[way]]) for way in DIRECTIONS}
    order = np.argsort(whole["row"], kind="stable")
    return {name: column[order] for name, column in whole.items()}


def further(clusters: Columns, asked_Q: Array, asked: Asked, analysis: AnalysisConfig) -> tuple[Array, Array]:
    """Rows to ask for in each direction, ascending: by the cluster of their image, and by that of their text."""
    half = len(clusters["row"]) // 2
    positions_M, label_2M = clusters["row"][:half], clusters["label"].reshape(2, half)
    open_M = ~np.isin(positions_M, asked_Q)
    there_M = np.ones(half, bool) if asked.candidates == asked.pairs else np.isin(positions_M, asked.rows(slice(0, asked.candidates)))
    groups = min(int(label_2M.max(initial=-1)) + 1, analysis.local_dimension.max_clusters)
    found = [_of_direction(positions_M, label_M, open_M, there_M, groups, (way, analysis)) for way, label_M in enumerate(label_2M)]
    return found[0], found[1]


def _of_direction(  # noqa: PLR0917 (columns of one table)
    positions_M: Array, label_M: Array, open_M: Array, there_M: Array, groups: int, drawing: tuple[int, Any]
) -> Array:
    way, analysis = drawing
    at_M = np.flatnonzero(there_M & (label_M >= 0) & (label_M < groups))
    at_M = at_M[np.argsort(label_M[at_M], kind="stable")]
    chosen = [np.zeros(0, np.int64)]
    for members in np.split(at_M, np.flatnonzero(np.diff(label_M[at_M])) + 1) if len(at_M) else []:
        waiting = members[open_M[members]]
        missing = min(analysis.local_dimension.queries, len(members)) - (len(members) - len(waiting))
        if missing > 0:
            rng = np.random.default_rng([analysis.seed, way, int(label_M[members[0]])])
            chosen.append(rng.permutation(waiting)[:missing])
    return np.sort(positions_M[np.concatenate(chosen)])
