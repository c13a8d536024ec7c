"""Retrieval, gap and separability after the gap is changed: does the gap cost retrieval?

N pairs, D dimensions; F pairs on which an intervention is fitted, M others on which it is measured, R draws of the bootstrap. Every
intervention ends with rows of unit length:

- `shift` by s along the gap: s / 2 of the difference of the two means is taken from images and added to texts (Liang et al. 2022). 0
  changes nothing, 1 brings the two means together, more turns the gap round.
- `centre`: the mean of each modality is subtracted from it (Li et al. 2025, GR-CLIP).
- `drop`: the k dimensions in which the two means differ most are removed (Schrodi et al. 2024).
- `rotate`: centred images are turned onto centred texts by the rotation that fits best (Schönemann 1966).

Mixed search: of each pair one member, drawn by a coin, is a document, and the other is a query among all documents, half of which are of
its own modality. Only its partner is relevant, so that NDCG@10 is 1 / log2(1 + rank) up to rank 10 and 0 below.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tda.errors import UserError
from tda.geometry.arrays.namespace import check_pairs, unit_rows
from tda.geometry.arrays.rows import to_host
from tda.geometry.modalities.between import rotation
from tda.geometry.retrieval import ranks
from tda.geometry.separability import linear_svm

LEAST = 16  # pairs
CUT = 10  # of NDCG
SHORT = 1e-9  # a row of this length has no direction left
FULL = 1.0  # the shift that brings the means together


@dataclass(frozen=True)
class Halves:
    """Unit rows of both modalities: (F, D) to fit on, (M, D) to measure on; and whose image is a document of mixed search, (M,)."""

    fit_image: Any
    fit_text: Any
    image: Any
    text: Any
    image_is_document_M: Any


def interventions(
    image_ND: Any, text_ND: Any, *, shifts: Sequence[float], dropped: Sequence[int], draws: int = 1000, seed: int = 0
) -> dict[str, Any]:
    """Every intervention, fitted on one half of the pairs and measured on the other, beside the rows as they are (`none`).

    Returns `fit_pairs`, `pairs` (M), `notes`, and `points`: kind, amount, gap (centroid distance), separability (accuracy of a linear SVM
    that is fitted on the first half), top-1 of both directions, `mixed` (NDCG@10), 95 % intervals of these by bootstrap over pairs, and
    `change` against `none` with its 95 and 99 % intervals, of the mean top-1 and of `mixed`. Memory: a few (M, D) arrays and (R, M).
    Time: M² D for each point. Raises UserError for unequal shapes, fewer than 16 pairs, or a row that is zero or not finite.
    """
    halves = _halves(image_ND, text_ND, seed)
    count = len(halves.image)
    weight_RM = np.random.default_rng(seed + 1).multinomial(count, np.full(count, 1 / count), size=draws) / count
    points, notes, before = [], list[str](), dict[str, Any]()
    for kind, amount in _asked(shifts, dropped, image_ND.shape[1]):
        moved = _moved(halves, kind, amount)
        if moved is None:
            notes.append(f"{kind} {amount:g} is left out: it leaves a row without a direction")
            continue
        numbers, each = _measured(moved)
        before = before or each
        points.append({"kind": kind, "amount": amount} | numbers | _intervals(each, before, weight_RM))
    return {"fit_pairs": len(halves.fit_image), "pairs": count, "points": points, "notes": notes}


def _asked(shifts: Sequence[float], dropped: Sequence[int], dim: int) -> Iterator[tuple[str, float]]:
    yield "none", 0.0
    yield from (("shift", float(amount)) for amount in sorted({*shifts, FULL} - {0.0}))
    yield "centre", 1.0
    yield from (("drop", float(amount)) for amount in sorted(set(dropped)) if 0 < amount < dim)
    yield "rotate", 1.0


def _halves(image_ND: Any, text_ND: Any, seed: int) -> Halves:
    check_pairs(image_ND, text_ND)
    if image_ND.shape[0] < LEAST:
        raise UserError(f"{image_ND.shape[0]} pairs are too few; at least {LEAST} are needed")
    image_ND, text_ND = (to_host(unit_rows(one, what)).astype(np.float64) for one, what in ((image_ND, "image"), (text_ND, "text")))
    rng = np.random.default_rng(seed)
    order_N = rng.permutation(len(image_ND))
    fit_F, held_M = np.sort(order_N[: len(order_N) // 2]), np.sort(order_N[len(order_N) // 2 :])
    document_M = rng.permutation(len(held_M)) < len(held_M) // 2
    return Halves(image_ND[fit_F], text_ND[fit_F], image_ND[held_M], text_ND[held_M], document_M)


def _moved(halves: Halves, kind: str, amount: float) -> Halves | None:
    """All rows after an intervention, of unit length; None where a row has no direction left."""
    images, texts = (halves.fit_image, halves.image), (halves.fit_text, halves.text)
    image_D, text_D = halves.fit_image.mean(axis=0), halves.fit_text.mean(axis=0)
    if kind == "none":
        return halves
    if kind == "shift":
        step_D = amount / 2 * (image_D - text_D)
        images, texts = tuple(one - step_D for one in images), tuple(one + step_D for one in texts)
    elif kind == "drop":
        kept_K = np.argsort(np.abs(image_D - text_D), kind="stable")[: len(image_D) - int(amount)]
        images, texts = tuple(one[:, kept_K] for one in images), tuple(one[:, kept_K] for one in texts)
    else:
        images, texts = tuple(one - image_D for one in images), tuple(one - text_D for one in texts)
        if kind == "rotate":
            turn_DD = rotation(images[0], texts[0])
            images = tuple(one @ turn_DD for one in images)
    found = (images[0], texts[0], images[1], texts[1])
    if any(float(np.linalg.norm(one, axis=1).min()) < SHORT for one in found):
        return None
    rows = [unit_rows(np.ascontiguousarray(one)) for one in found]  # in memory row by row, as a tile's: equal rows stay equal
    return Halves(rows[0], rows[1], rows[2], rows[3], halves.image_is_document_M)


def _measured(moved: Halves) -> tuple[dict[str, Any], dict[str, Any]]:
    """The numbers of a point, and what each pair contributes to its means: (M,) each."""
    image_to_text_M, text_to_image_M = ranks(moved.image, moved.text)
    image_MD, text_MD, coin_M1 = moved.image, moved.text, moved.image_is_document_M[:, None]
    mixed_M, _ = ranks(np.where(coin_M1, text_MD, image_MD), np.where(coin_M1, image_MD, text_MD))
    plane = linear_svm(moved.fit_image, moved.fit_text)
    right_M = ((plane.decision(image_MD) <= 0).astype(float) + (plane.decision(text_MD) > 0)) / 2
    each = {
        "separability": right_M,
        "image_to_text": (image_to_text_M == 1).astype(float),
        "text_to_image": (text_to_image_M == 1).astype(float),
        "mixed": ndcg(mixed_M),
    }
    gap = float(np.linalg.norm(image_MD.mean(axis=0) - text_MD.mean(axis=0)))
    return {"gap": gap} | {name: float(value_M.mean()) for name, value_M in each.items()}, each


def ndcg(rank_M: Any) -> Any:
    """NDCG@10 of each query, (M,), whose one relevant document has this rank, from 1 (Järvelin and Kekäläinen 2002)."""
    return np.where(rank_M <= CUT, 1 / np.log2(1.0 + rank_M), 0.0)


def _intervals(each: dict[str, Any], before: dict[str, Any], weight_RM: Any) -> dict[str, Any]:
    """95 % intervals of the means, and of what changed against the rows as they are: the same draws of pairs for both."""
    changes = {
        "top1": (each["image_to_text"] + each["text_to_image"] - before["image_to_text"] - before["text_to_image"]) / 2,
        "mixed": each["mixed"] - before["mixed"],
    }
    columns = np.stack([*each.values(), *changes.values()], axis=1)
    ends_EC = np.quantile(weight_RM @ columns, [0.025, 0.975, 0.005, 0.995], axis=0)
    found = {name: ends_EC[:, column].tolist() for column, name in enumerate([*each, *("change of " + name for name in changes)])}
    change = {
        name: {"value": float(value_M.mean()), "ci95": found[f"change of {name}"][:2], "ci99": found[f"change of {name}"][2:]}
        for name, value_M in changes.items()
    }
    return {"ci95": {name: found[name][:2] for name in each}, "change": change}
