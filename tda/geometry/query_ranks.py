"""Ranks of some queries among all candidates: time and memory linear in both numbers, where `retrieval.ranks` takes N².

Q queries, C candidate pairs of a block, D dimensions, T candidates of a tile, B queries of a product, M undecided scores.

Ranks are those of `retrieval`: float32 scores within the rounding error of the true partner's are recomputed in float64, and ties count
against the model. So a query has the same rank here as where all pairs are queries.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from tda.geometry.arrays.namespace import namespace, row_blocks, rows_at, unit_rows
from tda.geometry.arrays.threads import blas_threads, threaded
from tda.geometry.duplicate_recall import CONFIDENCE, interval
from tda.geometry.retrieval import CROWDED, TILE, decide, reached, score_band, summary, true_cosines

PRODUCT = 1024  # queries of a product on a core: with a tile of 2,048 candidates 8 MB of scores
WITHIN = (1, 5, 10)

Counts = tuple[Any, Any]  # (Q,) each: for each image among texts, for each text among images


@dataclass(frozen=True, kw_only=True)
class Queries:
    """The pairs that are asked for: rows as stored, their unit rows in float32, and the cosine that counts against each, in float64.

    That is the pair's own, or the best positive's of the image among texts and of the text among images.
    """

    image_QD: Any
    text_QD: Any
    image32_QD: Any
    text32_QD: Any
    image_true_Q: Any
    text_true_Q: Any

    @classmethod
    def of(cls, image_QD: Any, text_QD: Any, best: tuple[Any, Any] | None = None) -> "Queries":
        """`best`: cosines of the best positives (Q,), each way. Raises UserError for a row that is zero or not finite."""
        xp = namespace(image_QD, text_QD)
        both = image_QD, text_QD
        unit32 = [xp.concat([xp.astype(unit_rows(x_QD[b, :]), xp.float32) for b in row_blocks(x_QD.shape[0])]) for x_QD in both]
        own_Q = true_cosines(image_QD, text_QD)
        true = [own_Q, own_Q] if best is None else [xp.asarray(cosine_Q) - _slack(xp) for cosine_Q in best]
        stored = {"image_QD": image_QD, "text_QD": text_QD, "image32_QD": unit32[0], "text32_QD": unit32[1]}
        return cls(**stored, image_true_Q=true[0], text_true_Q=true[1])

    def __len__(self) -> int:
        return int(self.image_true_Q.shape[0])


def query_counts(queries: Queries, image_CD: Any, text_CD: Any, *, first: int = 0, tile: int = TILE) -> Counts:
    """For each query the candidates that score at least as high as its true partner: image among texts, text among images; (Q,) int64.

    The pair of a query is one of the candidates and counts; other positives that are as good do too (`Best.more_N`). Counts of all blocks
    of candidates add up to the ranks, in any order. `first`: position of row 0, for messages. On NumPy each core takes a tile of `tile`
    candidates at a time. Raises UserError for a row that is zero or not finite.
    """
    xp = namespace(queries.image_true_Q, image_CD, text_CD)
    tiles = list(row_blocks(image_CD.shape[0], tile))

    def of_tile(rows: slice) -> Counts:
        image_TD, text_TD = (unit_rows(x_CD[rows, :], what, first + rows.start) for x_CD, what in ((image_CD, "image"), (text_CD, "text")))
        return _counts(queries, text_TD, of_images=True), _counts(queries, image_TD, of_images=False)

    threads = min(blas_threads(), len(tiles)) if xp.__name__.endswith("numpy") else 1
    found = threaded(of_tile, tiles, threads) if threads else iter(())
    whole = xp.zeros(len(queries), dtype=xp.int64), xp.zeros(len(queries), dtype=xp.int64)
    for counts in found:
        for total, own in zip(whole, counts, strict=True):
            total += own  # noqa: PLW2901 (in place)
    return whole


def _slack(xp: Any) -> float:
    """What another device's sum of products may differ by: cosines of best positives come from the host."""
    return 0.0 if xp.__name__.endswith("numpy") else 2.0**-49


def ranking_flops(pairs: int, queries: int | None, dim: int) -> int:
    """Floating-point operations of the ranks, both directions. All pairs share one product; queries need one for each direction."""
    return 2 * pairs * pairs * dim if queries is None or queries >= pairs else 4 * queries * pairs * dim


def sampled_metrics(image_to_text_Q: Any, text_to_image_Q: Any, candidates: int) -> dict[str, Any]:
    """The part `retrieval` of metrics.json, from the ranks (Q,) of queries drawn from all `candidates` pairs."""
    return {
        "image_to_text": sampled_summary(image_to_text_Q),
        "text_to_image": sampled_summary(text_to_image_Q),
        "pairs_used": candidates,
        "n_queries": len(image_to_text_Q),
    }


def sampled_summary(rank_Q: Any) -> dict[str, Any]:
    """As `retrieval.summary`, with `top10` and 95 % intervals in `ci95`: binomial (Clopper and Pearson 1934) of the shares.

    That of the median rank is between two order statistics, which needs no assumption about the ranks' distribution.
    """
    rank_Q = np.asarray(rank_Q)
    hits = {f"top{k}": int((rank_Q <= k).sum()) for k in WITHIN}
    shares = {name: hit / len(rank_Q) for name, hit in hits.items()}
    ci95 = {name: list(interval(hit, len(rank_Q))) for name, hit in hits.items()} | {"median_rank": median_interval(rank_Q)}
    return {**shares, "median_rank": summary(rank_Q)["median_rank"], "ci95": ci95}


def median_interval(rank_Q: Any) -> list[float]:
    """The two order statistics that enclose the median of the population in at least 95 % of samples (David and Nagaraja 2003, 7.1).

    The extremes where the sample is too small for that (Q < 6).
    """
    from scipy.stats import binom  # imported here: it takes a second

    sorted_Q = np.sort(np.asarray(rank_Q))
    below = max(int(binom.ppf((1 - CONFIDENCE) / 2, len(sorted_Q), 0.5)), 1)  # place of the lower end, from 1
    return [float(sorted_Q[below - 1]), float(sorted_Q[len(sorted_Q) - below])]


def _counts(queries: Queries, unit_TD: Any, *, of_images: bool) -> Any:
    """Counts (Q,) of one direction among the unit rows (T, D), float64, of a tile."""
    xp = namespace(unit_TD)
    stored_QD, unit32_QD = (queries.image_QD, queries.image32_QD) if of_images else (queries.text_QD, queries.text32_QD)
    true_Q = queries.image_true_Q if of_images else queries.text_true_Q
    tile32_DT = xp.astype(unit_TD, xp.float32).T
    blocks = row_blocks(len(queries), PRODUCT)
    return xp.concat([_of_block(stored_QD[b, :], unit32_QD[b, :] @ tile32_DT, true_Q[b], unit_TD) for b in blocks])


def _of_block(stored_BD: Any, score_BT: Any, true_B: Any, unit_TD: Any) -> Any:
    """Counts (B,) of a block of queries, of which the scores in float32 are known."""
    xp = namespace(unit_TD)
    count_B, near = _decided(score_BT, true_B, score_band(unit_TD.shape[1], 2.0**-24))
    if near is None or near[0].shape[0] > CROWDED * math.prod(score_BT.shape):
        score_BT = unit_rows(stored_BD) @ unit_TD.T
        count_B, near = decide(score_BT, true_B[:, None], score_band(unit_TD.shape[1], 2.0**-53), axis=1)
    asked_b, owner_M = xp.unique_inverse(near[0])
    if asked_b.shape[0] == 0:
        return count_B
    more_b = reached(unit_rows(rows_at(stored_BD, asked_b)), unit_TD, (owner_M, near[1]), rows_at(true_B, asked_b), of=0)
    row_B = xp.arange(true_B.shape[0])
    place_B = xp.clip(xp.searchsorted(asked_b, row_B), max=asked_b.shape[0] - 1)
    return count_B + xp.where(rows_at(asked_b, place_B) == row_B, rows_at(more_b, place_B), 0)


def _decided(score_BT: Any, true_B: Any, band: float) -> tuple[Any, tuple[Any, Any] | None]:
    """As `decide` along the candidates, in one reading of the scores on a CPU; None where too many are undecided."""
    if not isinstance(score_BT, np.ndarray):
        return decide(score_BT, true_B[:, None], band, axis=1)
    from tda.geometry.query_kernels import count_scores

    low_B, high_B = (true_B - band).astype(np.float32), (true_B + band).astype(np.float32)
    count_B, near_M2 = np.zeros(len(true_B), np.int64), np.empty((int(CROWDED * score_BT.size) + len(true_B), 2), np.int64)
    found = count_scores(score_BT, low_B, high_B, count_B, near_M2)
    return count_B, (near_M2[:found, 0], near_M2[:found, 1]) if found <= len(near_M2) else None
