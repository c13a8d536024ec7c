"""NumPy or CuPy behind one namespace, and the unit rows that every measure starts from.

N rows, D dimensions, B rows of a block. Functions of `tda.geometry` take arrays of either library and return arrays of the same.
"""

from collections.abc import Iterator
from typing import Any

from tda.errors import UserError

# Rows held in float64 at a time: 8 MB at D = 512, so that conversion, centring and product stay in the cache.
BLOCK_ROWS = 2048


def namespace(*arrays: Any) -> Any:
    """Return the array-API namespace (``xp``) of the arrays. Raises TypeError for arrays of two libraries."""
    from array_api_compat import array_namespace

    return array_namespace(*arrays)


def rows_at(x_ND: Any, position: Any) -> Any:
    """Rows of an array (N, ...) at positions of any shape: `position.shape` + (...). Positions may be NumPy's for arrays of any library."""
    xp = namespace(x_ND)
    position = xp.asarray(position)
    found_M = xp.take(x_ND, xp.astype(xp.reshape(position, (-1,)), xp.int64), axis=0)
    return xp.reshape(found_M, (*position.shape, *x_ND.shape[1:]))


def type_name(x: Any) -> str:
    """The name of an array's type, the same in all libraries: float32."""
    return str(x.dtype).rsplit(".", maxsplit=1)[-1]


def row_blocks(count: int, rows: int = BLOCK_ROWS, start: int = 0) -> Iterator[slice]:
    """Consecutive slices of at most `rows` rows that cover ``start .. count``."""
    return (slice(a, min(a + rows, count)) for a in range(start, count, rows))


def unit_rows(x_BD: Any, what: str = "rows", first: int = 0) -> Any:
    """Return rows (B, D) in float64, each divided by its L2 norm.

    Each result depends on its own row alone, so that equal rows stay equal to the last bit. `what` (a name) and `first` (the position
    of row 0 in its set) are for the message. Raises UserError naming the first row that is zero or not finite.
    """
    xp = namespace(x_BD)
    x_BD = xp.astype(x_BD, xp.float64)
    norm_B = xp.sqrt(xp.sum(x_BD * x_BD, axis=1))
    good_B = xp.isfinite(norm_B) & (norm_B > 0)
    if not bool(xp.all(good_B)):
        row = int(xp.argmin(xp.astype(good_B, xp.int8)))
        raise UserError(f"{what}: row {first + row} has norm {float(norm_B[row])}; every row needs a finite norm above 0")
    return x_BD / norm_B[:, None]


def check_pairs(image_ND: Any, text_ND: Any) -> None:
    """Raise UserError unless both arrays are (N, D) with equal N and D and at least two pairs."""
    if image_ND.ndim != 2 or image_ND.shape != text_ND.shape:
        raise UserError(f"image rows {tuple(image_ND.shape)} and text rows {tuple(text_ND.shape)} do not pair up; both must be (N, D)")
    if image_ND.shape[0] < 2:
        raise UserError(f"{image_ND.shape[0]} pair(s) have no geometry; at least 2 are needed")
