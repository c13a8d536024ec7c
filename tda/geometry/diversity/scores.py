"""How diverse a set of images is, in the space of an independent encoder: of drawn images, or of a known distribution over a pool.

M images (drawn, or of the pool), F dimensions, B distributions. Rows are unit vectors, so that the kernel of two images is their cosine.

- `distance`: mean cosine distance (1 - cosine) of two images: of two drawn ones, or of two independent draws.
- `vendi`: exp of the entropy of the eigenvalues of the kernel over M, the number of distinct images (Friedman and Dieng 2023).
- `effective_rank`: exp of the entropy of the eigenvalues of the covariance, as everywhere in this project.
- `near_copies`: share of the pairs of images whose cosine is at least `near`: mode collapse.
"""

from typing import Any

import numpy as np

from tda.errors import UserError

MEASURES = ("distance", "vendi", "effective_rank", "near_copies")
BLOCK = 64  # distributions whose (F, F) matrices are held at a time


def drawn_scores(rows_MF: Any, near: float) -> dict[str, float]:
    """The scores of M drawn images. `distance` and `near_copies` are unbiased for any M; the others grow with it: compare equal M.

    Raises UserError for fewer than two images, or a row that is not of unit length.
    """
    _check(rows_MF)
    count = len(rows_MF)
    cosine_MM = rows_MF @ rows_MF.T
    pairs = cosine_MM[np.triu_indices(count, 1)]
    centred_MF = rows_MF - rows_MF.mean(axis=0)
    spectrum = np.linalg.eigvalsh(cosine_MM / count)
    spread = np.linalg.svd(centred_MF, compute_uv=False) ** 2
    return {
        "distance": float(1 - pairs.mean()),
        "vendi": float(_exp_entropy(spectrum)),
        "effective_rank": float(_exp_entropy(spread)),
        "near_copies": float((pairs >= near).mean()),
    }


def pool_scores(rows_MF: Any, weight_BM: Any, near: float) -> dict[str, Any]:
    """The same of B distributions over the M images of a pool, each (B,): closed forms, nothing is drawn.

    Two draws are independent, so that they may be the same image. The mean kernel is |sum_i p_i x_i|², the Vendi score is that of the
    eigenvalues of sum_i p_i x_i x_i'. Time: B M F² and B M². Raises UserError for a row that is not of unit length.
    """
    _check(rows_MF)
    mean_BF = weight_BM @ rows_MF
    alike_MM = (rows_MF @ rows_MF.T >= near).astype(np.float32)
    copies_B = np.einsum("bm,bm->b", (weight_BM.astype(np.float32) @ alike_MM).astype(np.float64), weight_BM)
    vendi_B, rank_B = np.empty(len(weight_BM)), np.empty(len(weight_BM))
    for start in range(0, len(weight_BM), BLOCK):
        place = slice(start, start + BLOCK)
        second_BFF = np.stack([(rows_MF * weight_M[:, None]).T @ rows_MF for weight_M in weight_BM[place]])
        vendi_B[place] = _exp_entropy(np.linalg.eigvalsh(second_BFF))
        rank_B[place] = _exp_entropy(np.linalg.eigvalsh(second_BFF - mean_BF[place, :, None] * mean_BF[place, None, :]))
    return {"distance": 1 - (mean_BF**2).sum(axis=1), "vendi": vendi_B, "effective_rank": rank_B, "near_copies": copies_B}


def tilted(cosine_PM: Any, strength: float) -> Any:
    """Guidance as an exact tilt of a uniform pool: p_i proportional to exp(strength cos(image_i, prompt)), (P, M)."""
    raised_PM = strength * (cosine_PM - cosine_PM.max(axis=1, keepdims=True))
    weight_PM = np.exp(raised_PM)
    return weight_PM / weight_PM.sum(axis=1, keepdims=True)


def _exp_entropy(values: Any) -> Any:
    """exp of the entropy of nonnegative values over their sum, along the last axis; 1 where all are 0."""
    values = np.clip(values, 0.0, None)
    total = values.sum(axis=-1, keepdims=True)
    share = values / np.where(total > 0, total, 1.0)
    return np.exp(-(share * np.log(np.where(share > 0, share, 1.0))).sum(axis=-1))


def _check(rows_MF: Any) -> None:
    if rows_MF.ndim != 2 or rows_MF.shape[0] < 2:
        raise UserError(f"images of shape {tuple(rows_MF.shape)} have no diversity; at least 2 rows are needed")
    wrong_M = ~(np.abs(np.linalg.norm(rows_MF, axis=1) - 1) < 1e-3)  # also NaN
    if wrong_M.any():
        raise UserError(f"image {int(np.argmax(wrong_M))} is no unit row")
