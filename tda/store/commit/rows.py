"""The rows of one shard as columns, to be written.

Legend: N rows, D dimensions.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

UNIT_TOLERANCE = 0.01  # half-precision origins are off by 1e-3, bfloat16 by 4e-3; vectors that were never normalised by far more
NORM_TOLERANCE = {"float16": 2e-3, "float32": 1e-5}  # rounding of every component to half precision moves a norm by up to 5e-4
_BLOCK = 1024  # rows in float64 at once


@dataclass(kw_only=True)
class Rows:
    """Embedded pairs of one shard: `image_ND` and `text_ND` hold unit rows in the stored dtype (float16 or float32).

    `ordinals` are the pairs' places in the shard; None is an unknown URL or size (pixels).
    """

    ordinals: Sequence[int]
    keys: Sequence[str]
    captions: Sequence[str]
    image_ND: NDArray[Any]
    text_ND: NDArray[Any]
    urls: Sequence[str | None] = field(default_factory=list)
    widths: Sequence[int | None] = field(default_factory=list)
    heights: Sequence[int | None] = field(default_factory=list)

    def __post_init__(self) -> None:
        n = len(self.ordinals)
        self.urls = self.urls or [None] * n
        self.widths = self.widths or [None] * n
        self.heights = self.heights or [None] * n
        columns = (self.keys, self.captions, self.urls, self.widths, self.heights, self.image_ND, self.text_ND)
        assert all(len(column) == n for column in columns), "columns of unequal length"
        assert self.image_ND.shape == self.text_ND.shape, "an image row and a text row have the same dimension"
        assert self.image_ND.dtype == self.text_ND.dtype, "both modalities are stored in one dtype"

    def __len__(self) -> int:
        return len(self.ordinals)

    @property
    def dim(self) -> int:
        return int(self.image_ND.shape[1])

    @property
    def dtype(self) -> str:
        return str(self.image_ND.dtype)


def unit_rows(x_ND: NDArray[Any], dtype: str = "float32") -> tuple[NDArray[Any], NDArray[np.bool_], NDArray[np.bool_]]:
    """Normalise rows in float64: (unit_ND in `dtype`, finite_N, nonzero_N). A row that is not both has no meaning.

    Unlike `tda.geometry.arrays.namespace.unit_rows`, which refuses such rows: here each becomes a drop, and the others are kept.
    """
    norm_N = row_norms(x_ND)
    finite_N = np.isfinite(norm_N)
    nonzero_N = norm_N != 0
    scale_N = np.where(finite_N & nonzero_N, norm_N, np.inf)
    unit_ND = np.empty(x_ND.shape, dtype=dtype)
    with np.errstate(invalid="ignore"):
        for start in range(0, len(x_ND), _BLOCK):
            part = slice(start, start + _BLOCK)
            unit_ND[part] = x_ND[part].astype(np.float64) / scale_N[part, None]
    return unit_ND, finite_N, nonzero_N


def row_norms(x_ND: NDArray[Any]) -> NDArray[np.float64]:
    """L2 norm of every row in float64, in blocks of bounded size; NaN or infinity where the row holds one."""
    norm_N = np.empty(len(x_ND), dtype=np.float64)
    with np.errstate(invalid="ignore", over="ignore"):
        for start in range(0, len(x_ND), _BLOCK):
            block_BD = x_ND[start : start + _BLOCK].astype(np.float64)
            norm_N[start : start + _BLOCK] = np.sqrt(np.einsum("bd,bd->b", block_BD, block_BD))
    return norm_N


def assert_unit(x_ND: NDArray[Any]) -> None:
    """Assert that every row is finite and of unit length, to the precision of its dtype."""
    error_N = np.abs(row_norms(x_ND) - 1.0)
    assert bool((error_N <= NORM_TOLERANCE[str(x_ND.dtype)]).all()), f"a row is not of unit length: off by {error_N.max()}"
