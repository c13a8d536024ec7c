"""Columns of an Arrow batch as arrays and lists: nested vectors, captions of any type.

Legend: B rows of a batch, D dimensions.
"""

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from tda.errors import UserError
from tda.store.commit.parquet import from_binary

# Column names of other tools, in order of preference.
ALIASES = {
    "key": ("key", "image_path"),
    "caption": ("caption", "TEXT"),
    "url": ("url", "URL"),
    "width": ("width", "WIDTH", "original_width"),
    "height": ("height", "HEIGHT", "original_height"),
}


def vector_dim(column: pa.Array, dtype: str | None, name: str) -> int | None:
    """Dimension of a vector column (`dtype` is that of fixed_size_binary); None for a list column without rows."""
    kind = column.type
    if pa.types.is_fixed_size_binary(kind):
        if dtype is None:
            raise UserError(f"column {name} is fixed_size_binary without a dtype in the file's metadata; store it as a list of floats")
        return int(kind.byte_width // np.dtype(dtype).itemsize)
    if not _is_list(kind) or not pa.types.is_floating(kind.value_type):
        raise UserError(f"column {name} is {kind}; embeddings are lists of floats")
    if pa.types.is_fixed_size_list(kind):
        return int(kind.list_size)
    lengths = pc.list_value_length(column).drop_null()
    return int(lengths[0].as_py()) if len(lengths) else None


def vector_rows(column: pa.Array, dim: int, dtype: str | None, name: str, start: int) -> NDArray[Any]:
    """(B, D) rows of a vector column that begins at row `start`; a null row, and a null inside a row, becomes NaN."""
    if pa.types.is_fixed_size_binary(column.type) and dtype is not None:
        return from_binary(column, dim, dtype)
    length_B = pc.fill_null(pc.list_value_length(column), dim).to_numpy(zero_copy_only=False)
    if bool((length_B != dim).any()):
        wrong = int(np.argmax(length_B != dim))
        raise UserError(f"column {name} has {length_B[wrong]} numbers in row {start + wrong}, {dim} elsewhere")
    values: NDArray[Any] = column.flatten().to_numpy(zero_copy_only=False)  # leaves null rows out
    if column.null_count == 0:
        return values.reshape(len(column), dim)
    out_BD = np.full((len(column), dim), np.nan, dtype=values.dtype)
    out_BD[column.is_valid().to_numpy(zero_copy_only=False)] = values.reshape(-1, dim)
    return out_BD


def side_columns(names: list[str], taken: tuple[str, ...] = ()) -> dict[str, str]:
    """Our name -> the file's column name, for key, caption, url, width and height, as far as `names` has them."""
    found = {ours: next((alias for alias in aliases if alias in names and alias not in taken), None) for ours, aliases in ALIASES.items()}
    return {ours: alias for ours, alias in found.items() if alias is not None}


def strings(column: pa.Array) -> list[str | None]:
    """Text of a column of any simple type; bytes that are not UTF-8 become U+FFFD."""
    if not (pa.types.is_string(column.type) or pa.types.is_large_string(column.type) or pa.types.is_binary(column.type)):
        column = column.cast(pa.string())
    return [None if value is None else value.decode("utf-8", "replace") for value in column.cast(pa.large_binary()).to_pylist()]


def integers(column: pa.Array) -> list[int | None]:
    """Sizes in pixels; a column of another type counts as unknown."""
    try:
        return list(column.cast(pa.int32()).to_pylist())
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        return [None] * len(column)


def _is_list(kind: pa.DataType) -> bool:
    return bool(pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind))
