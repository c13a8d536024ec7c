"""Cross-modal retrieval (Table II): exact ranks, computed in tiles, so that memory does not grow with N².

N pairs, D dimensions, B image rows and C text rows of a block, b and c rows of a tile, M undecided candidates.

The rank of a pair is the number of candidates whose cosine is at least that of the true partner, itself included: ties count
against the model. Rows whose query vector is equal share their partners (`tda.geometry.shared_positives`): the best of them counts.
One float32 product serves both directions of a tile. Scores within the rounding error of the true partner's are recomputed in float64,
one dot product each, which depends on its two rows alone: the ranks are those of float64, and equal rows tie exactly. Under CuPy leave
CUPY_TF32 unset: TF32 products exceed the error bound that is assumed here.
"""

import math
from typing import Any

from tda.errors import UserError
from tda.geometry.arrays.equal_rows import first_equal
from tda.geometry.arrays.namespace import check_pairs, namespace, row_blocks, rows_at, unit_rows
from tda.geometry.arrays.rows import to_host
from tda.geometry.shared_positives import best_positives

TILE = 2048
RESCORE_ROWS = 4096  # dot products at a time: 50 MB at D = 512
CROWDED = 1 / 64  # share of undecided scores above which a whole tile is recomputed in float64


def ranks(image_ND: Any, text_ND: Any, tile: int = TILE) -> tuple[Any, Any]:
    """Ranks (N,) int64, from 1, of each image's own text and of each text's own image among all N candidates.

    Rows are (N, D). Memory beside rows and ranks: a few (tile, tile) and (tile, D) arrays. Raises UserError for unequal shapes, fewer than
    two pairs, or a row that is zero or not finite.
    """
    check_pairs(image_ND, text_ND)
    xp = namespace(image_ND, text_ND)
    true_N = to_host(true_cosines(image_ND, text_ND))
    both = best_positives(true_N, *(first_equal(to_host(x_ND) + 0) for x_ND in (image_ND, text_ND)))
    counts = tile_counts(image_ND, xp.asarray(both[0].cosine_N), text_ND, xp.asarray(both[1].cosine_N), tile)
    return counts[0] - xp.asarray(both[0].more_N), counts[1] - xp.asarray(both[1].more_N)


def true_cosines(image_BD: Any, text_BD: Any, first: int = 0) -> Any:
    """Cosine (B,) float64 of each pair of rows (B, D), as `tile_counts` compares it. `first`: position of row 0, for messages.

    Raises UserError naming a row that is zero or not finite.
    """
    xp = namespace(image_BD, text_BD)
    blocks = row_blocks(image_BD.shape[0])
    unit = ((unit_rows(image_BD[b, :], "image", first + b.start), unit_rows(text_BD[b, :], "text", first + b.start)) for b in blocks)
    return xp.concat([_dots(image_bD, text_bD) for image_bD, text_bD in unit])


def tile_counts(image_BD: Any, image_true_B: Any, text_CD: Any, text_true_C: Any, tile: int = TILE) -> tuple[Any, Any]:
    """For B images and C texts anywhere in the set, count the candidates that score at least as high as the true partner.

    `image_true_B` and `text_true_C` are the `true_cosines` of their pairs, or those of their best positives. Returns counts (B,), for each
    image among these texts, and (C,), for each text among these images. Counts of all blocks add up to the ranks, in any order. Raises
    UserError for `tile` below 1.
    """
    xp = namespace(image_BD, text_CD)
    if tile < 1:
        raise UserError(f"tile={tile} is no number of rows; it must be at least 1")
    image_counts, text_counts = [], xp.zeros(text_CD.shape[0], dtype=xp.int64)
    for rows in row_blocks(image_BD.shape[0], tile):
        image_bD = unit_rows(image_BD[rows, :], "image")
        count_b = xp.zeros(image_bD.shape[0], dtype=xp.int64)
        for columns in row_blocks(text_CD.shape[0], tile):
            text_cD = unit_rows(text_CD[columns, :], "text")
            from_images_b, from_texts_c = _tile(image_bD, image_true_B[rows], text_cD, text_true_C[columns])
            count_b += from_images_b
            text_counts[columns] += from_texts_c
        image_counts.append(count_b)
    return xp.concat(image_counts), text_counts


def summary(ranks_N: Any) -> dict[str, float]:
    """Fractions of ranks (N,) of at most 1, 5 and 10 (`top1`, `top5`, `top10`), in [0, 1], and the median rank."""
    xp = namespace(ranks_N)
    middle = xp.sort(ranks_N)[(ranks_N.shape[0] - 1) // 2 : ranks_N.shape[0] // 2 + 1]
    within = {k: float(xp.mean(xp.astype(ranks_N <= k, xp.float64))) for k in (1, 5, 10)}
    return {**{f"top{k}": share for k, share in within.items()}, "median_rank": float(xp.mean(xp.astype(middle, xp.float64)))}


def metrics(image_to_text_N: Any, text_to_image_N: Any) -> dict[str, Any]:
    """The `retrieval` part of metrics.json, from the ranks (N,) of both directions (Table II)."""
    return {
        "image_to_text": summary(image_to_text_N),
        "text_to_image": summary(text_to_image_N),
        "pairs_used": int(image_to_text_N.shape[0]),
    }


def _tile(image_bD: Any, image_true_b: Any, text_cD: Any, text_true_c: Any) -> tuple[Any, Any]:
    xp = namespace(image_bD)
    for dtype in (xp.float32, xp.float64):
        scores_bc = xp.astype(image_bD, dtype) @ xp.astype(text_cD, dtype).T
        band = score_band(image_bD.shape[1], 2.0**-24 if dtype == xp.float32 else 2.0**-53)
        sure_b, near_image = decide(scores_bc, image_true_b[:, None], band, axis=1)
        sure_c, near_text = decide(scores_bc, text_true_c[None, :], band, axis=0)
        if max(near_image[0].shape[0], near_text[0].shape[0]) <= CROWDED * math.prod(scores_bc.shape):
            break
    sure_b += reached(image_bD, text_cD, near_image, image_true_b, of=0)
    sure_c += reached(image_bD, text_cD, near_text, text_true_c, of=1)
    return sure_b, sure_c


def score_band(dim: int, roundoff: float) -> float:
    """Bound on |computed - true| for a dot product of unit rows: rounded inputs, sum and threshold (Higham 2002, sec. 3.1)."""
    return 1.01 * (dim + 8) * (roundoff + 2.0**-53)


def decide(scores_bc: Any, true: Any, band: float, axis: int) -> tuple[Any, tuple[Any, Any]]:
    """Number of scores along `axis` that are above the true one beyond rounding error, and (rows, columns) of the undecided ones."""
    xp = namespace(scores_bc)
    above_bc = scores_bc > xp.astype(true + band, scores_bc.dtype)
    near_bc = (scores_bc >= xp.astype(true - band, scores_bc.dtype)) ^ above_bc
    place_M = xp.nonzero(xp.reshape(near_bc, (-1,)))[0]  # flat: five times as fast as in two dimensions
    return xp.count_nonzero(above_bc, axis=axis), (place_M // near_bc.shape[1], place_M % near_bc.shape[1])


def reached(image_bD: Any, text_cD: Any, near: tuple[Any, Any], true: Any, of: int) -> Any:
    """Number of undecided scores that reach the true one in float64, per row (of=0) or per column (of=1)."""
    xp = namespace(image_bD)
    counts = xp.zeros(true.shape[0], dtype=xp.int64)
    for part in row_blocks(near[0].shape[0], RESCORE_ROWS):
        owner_M = near[of][part]
        reached_M = _dots(rows_at(image_bD, near[0][part]), rows_at(text_cD, near[1][part])) >= rows_at(true, owner_M)
        ends_b = xp.searchsorted(xp.sort(owner_M[reached_M]), xp.arange(true.shape[0]), side="right")
        counts += xp.diff(ends_b, prepend=xp.zeros(1, dtype=ends_b.dtype))
    return counts


def _dots(x_MD: Any, y_MD: Any) -> Any:
    """Row by row dot products (M,) in float64. The order of this sum depends on D alone, which BLAS does not guarantee."""
    xp = namespace(x_MD)
    return xp.sum(x_MD * y_MD, axis=1)
