"""Hubs of cross-modal retrieval: rows that are the answer to many queries, and retrieval after two corrections.

M pairs, Q queries, C candidates; row i of the queries belongs to row i of the candidates.
"""

from typing import Any

import numpy as np

from tda.errors import UserError

INVERSE_TEMPERATURE = 20.0  # of the inverted softmax (Smith et al. 2017)
TOP_SHARE = 0.01  # of the candidates, the most frequent ones


def occurrences(cosine_QC: Any, k: int) -> Any:
    """How often each candidate is among the `k` best of a query, (C,). Raises UserError for k below 1 or above C."""
    count = cosine_QC.shape[1]
    if not 1 <= k <= count:
        raise UserError(f"k={k} is out of range; it must be from 1 to {count}")
    best_Qk = np.argpartition(-cosine_QC, k - 1, axis=1)[:, :k]
    return np.bincount(best_Qk.ravel(), minlength=count)


def hub_metrics(cosine_QC: Any, k: int) -> dict[str, Any]:
    """Skewness of the occurrences (Radovanović et al. 2010: above 1 there are hubs), anti-hubs, and the share of the top 1 %.

    `anti_hubs`: share of candidates that no query has among its `k` best. `top_share`: of all places among the best, those of the 1 % of
    candidates that hold most.
    """
    times_C = occurrences(cosine_QC, k).astype(np.float64)
    spread = float(times_C.std())
    most = max(1, round(TOP_SHARE * len(times_C)))
    return {
        "skewness": float((((times_C - times_C.mean()) / spread) ** 3).mean()) if spread > 0 else 0.0,
        "anti_hubs": float((times_C == 0).mean()),
        "top_share": float(np.sort(times_C)[-most:].sum() / times_C.sum()),
    }


def csls(cosine_QC: Any, k: int) -> Any:
    """2 cos - r(query) - r(candidate), r the mean cosine with the `k` nearest of the other side (Conneau et al. 2018), (Q, C)."""
    count = min(cosine_QC.shape)
    if not 1 <= k <= count:
        raise UserError(f"k={k} is out of range; it must be from 1 to {count}")
    query_Q = -np.partition(-cosine_QC, k - 1, axis=1)[:, :k].mean(axis=1)
    candidate_C = -np.partition(-cosine_QC, k - 1, axis=0)[:k].mean(axis=0)
    return 2 * cosine_QC - query_Q[:, None] - candidate_C[None, :]


def inverted_softmax(cosine_QC: Any, inverse_temperature: float = INVERSE_TEMPERATURE) -> Any:
    """The log of exp(t cos) over its sum over queries (Smith et al. 2017; QB-Norm with the queries as its bank), (Q, C)."""
    scaled_QC = inverse_temperature * cosine_QC
    top_C = scaled_QC.max(axis=0)
    return scaled_QC - (top_C + np.log(np.exp(scaled_QC - top_C).sum(axis=0)))


def top1(score_QC: Any) -> float:
    """The share of queries whose partner alone has the best score: ties count against it."""
    own_M = score_QC.diagonal()
    others_QC = score_QC.copy()
    np.fill_diagonal(others_QC, -np.inf)
    return float((own_M > others_QC.max(axis=1)).mean())


def metrics(cosine_QC: Any, k: int) -> dict[str, Any]:
    """Hubs of one direction of retrieval, and its top-1 as it is and after both corrections, among these candidates."""
    corrected = {"top1": cosine_QC, "top1_csls": csls(cosine_QC, k), "top1_inverted_softmax": inverted_softmax(cosine_QC)}
    return hub_metrics(cosine_QC, k) | {name: top1(score_QC) for name, score_QC in corrected.items()}
