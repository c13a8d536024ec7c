"""Nearest rows: search of a reference, exact or by cells; the neighbour graph of a set; k-d trees in low dimensions."""

from typing import Any

from tda.geometry.neighbors.sizes import cell_count

__all__ = ["best_match"]


def best_match(queries_ND: Any, reference_MD: Any, probes: int | None = None, k: int = 1) -> tuple[Any, Any]:
    """Cosines in [-1, 1] (float64) of each query's `k` closest reference rows, best first, and these rows' positions (int64).

    Queries (N, D), reference (M, D), of any length; both results are (N,) for k = 1, else (N, k). `probes` None is exact. Otherwise only
    the `probes` nearest cells of each query are searched, and a cosine can be too small, never too large: measure the loss with
    `tda.geometry.duplicate_recall`. Equal cosines are in order of position. A query that equals a reference row has cosine 1 with it. The
    result has the same bits for any number of threads. Where the probed cells hold fewer than k rows, the rest is NaN and -1.

    Raises UserError for rows that are zero or not finite, unequal dimensions, no rows, `k` outside 1 .. M, or `probes` below 1.
    """
    # Imported here so that the sizes of cells can be imported without torch.
    from tda.geometry.neighbors.reference import Reference

    reference = Reference(reference_MD, cells=1 if probes is None else cell_count(reference_MD.shape[0], probes))
    cosine_NK, index_NK = reference.search(queries_ND, probes, k)
    return (cosine_NK[:, 0], index_NK[:, 0]) if k == 1 else (cosine_NK, index_NK)
