"""Nearest rows: a reference that is searched exactly or by cells, the neighbour graph of a set, and k-d trees in low dimensions."""

from typing import Any

from tda.geometry.neighbors.sizes import cell_count

__all__ = ["best_match"]


def best_match(queries_ND: Any, reference_MD: Any, probes: int | None = None, k: int = 1) -> tuple[Any, Any]:
    """Cosines in [-1, 1] (float64) of each query's `k` closest reference rows, best first, and these rows' positions (int64).

    Both (N,) for k = 1, else (N, k). `probes` None is exact; else only the `probes` nearest cells of each query are searched, and a
    cosine can be too small (never too large): measure it with
    `tda.geometry.duplicate_recall`. Rows need not be of unit length. Equal cosines are
    in order of position; a query that is a reference row has cosine 1 with it. The same rows give the same bits on any number of
    threads. Where the probed cells hold fewer than k rows, NaN and -1.

    Raises UserError for rows that are zero or not finite, another dimension, an empty reference, `k` above M, or `probes` below 1.
    """
    # Imported here: whoever needs only the sizes of cells must not load torch.
    from tda.geometry.neighbors.reference import Reference

    reference = Reference(reference_MD, cells=1 if probes is None else cell_count(reference_MD.shape[0], probes))
    cosine_NK, index_NK = reference.search(queries_ND, probes, k)
    return (cosine_NK[:, 0], index_NK[:, 0]) if k == 1 else (cosine_NK, index_NK)
