"""Alignment and uniformity of pairs on the sphere (Wang and Isola 2020).

N pairs, D dimensions, S sampled pairs of rows, b and c rows of a tile.

Alignment is the mean of |u - v|^2 over pairs (u, v). Uniformity is log E exp(-2 |u - v|^2) over rows u and v of different pairs: 0 if
all rows are equal, -4 if all are orthogonal, lower only if some are opposite. It is computed exactly in tiles, or estimated from
sampled pairs of rows.
"""

import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from tda.errors import UserError
from tda.geometry.arrays.namespace import BLOCK_ROWS, check_pairs, namespace, row_blocks, rows_at, unit_rows

TEMPERATURE = 2.0  # t of exp(-t |u - v|^2)

Indices = npt.NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class Uniformity:
    """log E exp(-2 |u - v|^2), and its standard error: 0 where every pair of rows was used (`exact`)."""

    value: float
    standard_error: float
    exact: bool

    def metrics(self) -> dict[str, Any]:
        return asdict(self)


def alignment(image_ND: Any, text_ND: Any, first: int = 0) -> float:
    """Mean squared distance of the pairs' unit rows, in [0, 4]. Rows are (N, D); `first` is the set's position of row 0, for messages.

    Raises UserError for unequal shapes, no pairs, or a row that is zero or not finite.
    """
    if image_ND.ndim != 2 or image_ND.shape != text_ND.shape or not image_ND.shape[0]:
        raise UserError(f"image rows {tuple(image_ND.shape)} and text rows {tuple(text_ND.shape)} do not pair up; both must be (N, D)")
    xp = namespace(image_ND, text_ND)
    sums = []
    for rows in row_blocks(image_ND.shape[0]):
        apart_bD = unit_rows(image_ND[rows, :], "image", first + rows.start) - unit_rows(text_ND[rows, :], "text", first + rows.start)
        sums.append(float(xp.sum(apart_bD * apart_bD)))
    return math.fsum(sums) / int(image_ND.shape[0])


def uniformity(image_ND: Any, text_ND: Any, tile: int = BLOCK_ROWS) -> dict[str, Uniformity]:
    """Exact uniformity within images, within texts, and across: image i with text j, i != j.

    Rows are (N, D). Memory beside the rows: a few (tile, tile) and (tile, D) arrays. Time: N^2 D operations. Raises UserError for
    unequal shapes, fewer than two pairs, or a row that is zero or not finite.
    """
    check_pairs(image_ND, text_ND)
    both = {"image": (image_ND, image_ND), "text": (text_ND, text_ND), "across": (image_ND, text_ND)}
    return {name: _exact(x_ND, y_ND, tile) for name, (x_ND, y_ND) in both.items()}


def drawn_pairs(count: int, size: int, seed: int) -> tuple[Indices, Indices]:
    """`size` ordered pairs (i, j), i != j, of ``0 .. count - 1``: (S,) each, uniform and independent. Raises UserError below 2 rows."""
    if count < 2:
        raise UserError(f"{count} pair(s) have no geometry; at least 2 are needed")
    rng = np.random.default_rng(seed)
    i_S = rng.integers(count, size=size)
    return i_S, (i_S + rng.integers(1, count, size=size)) % count


def sampled_uniformity(image_ND: Any, text_ND: Any, i_S: Indices, j_S: Indices) -> dict[str, Uniformity]:
    """Like `uniformity`, estimated from the pairs of rows (i_S, j_S), with a standard error of the log by the delta method.

    Raises UserError for fewer than two pairs and for a row that is zero or not finite.
    """
    if len(i_S) < 2:
        raise UserError(f"{len(i_S)} sampled pair(s) have no standard error; at least 2 are needed")
    xp = namespace(image_ND, text_ND)
    both = {"image": (image_ND, image_ND), "text": (text_ND, text_ND), "across": (image_ND, text_ND)}
    return {name: _estimate(_kernels(x_ND, y_ND, xp.asarray(i_S), xp.asarray(j_S))) for name, (x_ND, y_ND) in both.items()}


def _exact(x_ND: Any, y_ND: Any, tile: int) -> Uniformity:
    count = int(x_ND.shape[0])
    total = math.fsum(_tile_sums(x_ND, y_ND, tile))
    return Uniformity(value=math.log(total / (count * (count - 1))), standard_error=0.0, exact=True)


def _tile_sums(x_ND: Any, y_ND: Any, tile: int) -> Iterator[float]:
    """Sums of the kernel over i != j, tile by tile. Where both sets are the same, tiles above the diagonal count twice."""
    xp, alike = namespace(x_ND, y_ND), x_ND is y_ND
    for rows in row_blocks(x_ND.shape[0], tile):
        x_bD = unit_rows(x_ND[rows, :], "rows", rows.start)
        for columns in row_blocks(y_ND.shape[0], tile, rows.start if alike else 0):
            kernel_bc = _kernel(x_bD @ unit_rows(y_ND[columns, :], "rows", columns.start).T)
            if columns.start == rows.start:
                upper = float(xp.sum(xp.triu(kernel_bc, k=1)))
                yield upper + (upper if alike else float(xp.sum(xp.tril(kernel_bc, k=-1))))
            else:
                yield (2.0 if alike else 1.0) * float(xp.sum(kernel_bc))


def _kernel(cosine: Any) -> Any:
    """exp(-2 |u - v|^2) of unit rows with these cosines."""
    return namespace(cosine).exp(2 * TEMPERATURE * (cosine - 1))


def _kernels(x_ND: Any, y_ND: Any, i_S: Any, j_S: Any) -> Any:
    """The kernel of rows i and j, (S,), block by block."""
    xp = namespace(x_ND, y_ND)
    blocks = row_blocks(int(i_S.shape[0]))
    return xp.concat([_kernel(xp.sum(unit_rows(rows_at(x_ND, i_S[b])) * unit_rows(rows_at(y_ND, j_S[b])), axis=1)) for b in blocks])


def _estimate(kernel_S: Any) -> Uniformity:
    """The log of the mean; its error is that of the mean over the mean."""
    xp = namespace(kernel_S)
    mean, spread = float(xp.mean(kernel_S)), float(xp.std(kernel_S, correction=1))
    return Uniformity(value=math.log(mean), standard_error=spread / math.sqrt(int(kernel_S.shape[0])) / mean, exact=False)
