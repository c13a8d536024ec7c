"""How much of one modality's geometry is in the other's: rotation, neighbours, differences of pairs and shared dimension.

M pairs of unit rows, D dimensions; row i of one modality belongs to row i of the other.
"""

from typing import Any

import numpy as np

from tda.errors import UserError
from tda.geometry.arrays.namespace import check_pairs, unit_rows
from tda.geometry.arrays.rows import to_host
from tda.geometry.dimension import two_nn
from tda.geometry.modalities.hubness import top1

LEAST = 8  # pairs


def procrustes(image_MD: Any, text_MD: Any, *, seed: int = 0) -> dict[str, float]:
    """The rotation of images to texts that fits best on one half of the pairs, and what it does on the other.

    Both modalities are centred first (Schönemann 1966). `residual`: |X R - Y|² / |Y|² on the other half, 0 for an equal shape, 1 and more
    for an unrelated one. `top1_before` and `top1`: image to text among the other half, centred, without and with the rotation. Raises
    UserError for fewer than 8 pairs.
    """
    image_MD, text_MD = _rows(image_MD, text_MD)
    order_M = np.random.default_rng(seed).permutation(len(image_MD))
    fit, held = order_M[: len(order_M) // 2], order_M[len(order_M) // 2 :]
    x_MD, y_MD = image_MD - image_MD[fit].mean(axis=0), text_MD - text_MD[fit].mean(axis=0)
    turned_MD = x_MD[held] @ rotation(x_MD[fit], y_MD[fit])
    total = float((y_MD[held] ** 2).sum())
    before, after = (top1(_unit(one_MD) @ _unit(y_MD[held]).T) for one_MD in (x_MD[held], turned_MD))
    residual = float(((turned_MD - y_MD[held]) ** 2).sum()) / total if total > 0 else 0.0
    return {"residual": residual, "top1_before": before, "top1": after}


def rotation(x_MD: Any, y_MD: Any) -> Any:
    """The orthogonal matrix (D, D) that brings rows x closest to rows y, in the sum of squares (Schönemann 1966)."""
    left_DD, _, right_DD = np.linalg.svd(x_MD.T @ y_MD)
    return left_DD @ right_DD


def information_imbalance(image_MD: Any, text_MD: Any) -> dict[str, float]:
    """How little the nearest neighbour in one modality says of distances in the other: 0 all, 1 nothing (Glielmo et al. 2022).

    2 / M times the mean rank, in the other modality, of a row's nearest neighbour. Raises UserError for fewer than 8 pairs.
    """
    ranks = {name: _ranks(one_MD) for name, one_MD in zip(("image", "text"), _rows(image_MD, text_MD), strict=True)}
    count = len(ranks["image"])

    def imbalance(known: str, other: str) -> float:
        nearest_M = np.argmax(ranks[known] == 1, axis=1)
        return 2 / count * float(ranks[other][np.arange(count), nearest_M].mean())

    return {"image_to_text": imbalance("image", "text"), "text_to_image": imbalance("text", "image")}


def differences(image_MD: Any, text_MD: Any) -> dict[str, float]:
    """Distance of the two members of a pair, and the share of the variance of their difference that lies along the gap.

    `distance` is L2I, the mean |x - y| (Schrodi et al. 2024). `along_gap`: near 0 where the gap is one constant vector (Zhang et al. 2023).
    Raises UserError for fewer than 8 pairs.
    """
    image_MD, text_MD = _rows(image_MD, text_MD)
    apart_MD = image_MD - text_MD
    mean_D = apart_MD.mean(axis=0)
    total, gap = float(apart_MD.var(axis=0).sum()), float(np.linalg.norm(mean_D))
    along = float((apart_MD @ (mean_D / gap)).var()) if gap > 0 else 0.0
    return {"distance": float(np.linalg.norm(apart_MD, axis=1).mean()), "along_gap": along / total if total > 0 else 0.0}


def dimension_correlation(image_MD: Any, text_MD: Any, *, draws: int = 50, seed: int = 0) -> dict[str, float | None]:
    """IdCor: (d(X) + d(Y) - d(X, Y)) / max(d(X), d(Y)) with Two-NN, and the share of shuffled pairs with as large a one.

    Basile et al. 2024. Null where a modality has no dimension (all rows equal). Raises UserError for fewer than 8 pairs.
    """
    x_MD, y_MD = _rows(image_MD, text_MD)
    own = [two_nn(one_MD).value for one_MD in (x_MD, y_MD)]
    if own[0] is None or own[1] is None:
        return {"value": None, "p_value": None}
    first, second = own[0], own[1]

    def correlation(order_M: Any) -> float:
        joint = two_nn(np.concatenate([x_MD, y_MD[order_M]], axis=1)).value
        return (first + second - (joint or 0.0)) / max(first, second)

    rng = np.random.default_rng(seed)
    value = correlation(np.arange(len(x_MD)))
    larger = sum(correlation(rng.permutation(len(x_MD))) >= value for _ in range(draws))
    return {"value": value, "p_value": (larger + 1) / (draws + 1)}


def _rows(image_MD: Any, text_MD: Any) -> tuple[Any, Any]:
    check_pairs(image_MD, text_MD)
    if image_MD.shape[0] < LEAST:
        raise UserError(f"{image_MD.shape[0]} pairs are too few; at least {LEAST} are needed")
    image_MD, text_MD = (to_host(unit_rows(one, what)).astype(np.float64) for one, what in ((image_MD, "image"), (text_MD, "text")))
    return image_MD, text_MD


def _ranks(x_MD: Any) -> Any:
    """The rank of each row as a neighbour of each, (M, M): 1 the nearest, of the row itself 0."""
    cosine_MM = x_MD @ x_MD.T
    np.fill_diagonal(cosine_MM, np.inf)
    rank_MM = np.empty(cosine_MM.shape, np.int64)
    np.put_along_axis(rank_MM, np.argsort(-cosine_MM, axis=1, kind="stable"), np.arange(len(x_MD))[None, :], axis=1)
    return rank_MM


def _unit(x_MD: Any) -> Any:
    length_M1 = np.linalg.norm(x_MD, axis=1, keepdims=True)
    return x_MD / np.where(length_M1 > 0, length_M1, 1.0)
