"""Columns of an Arrow batch as arrays and lists: nested vectors, captions of any type.

Legend: B rows of a batch, D dimensions.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from tda.errors import UserError
from tda.store.commit.parquet import from_binary

# Column names of other tools, in order of preference.
ALIASES = {
    "key": ("key", "image_path", "uid"),
    "caption": ("caption", "TEXT", "text"),
    "url": ("url", "URL"),
    "width": ("width", "WIDTH", "original_width"),
    "height": ("height", "HEIGHT", "original_height"),
}


def vector_dim(column: pa.Array, dtype: str | None, name: str) -> int | None:
    """Dimension of a vector column (`dtype` is that of fixed_size_binary); None for a list column without rows."""
    kind = plain_type(column.type)
    if pa.types.is_fixed_size_binary(kind):
        if dtype is None:
            raise UserError(f"column {name} is fixed_size_binary without a dtype in the file's metadata; store it as a list of floats")
        return int(kind.byte_width // np.dtype(dtype).itemsize)
    if not _is_list(kind) or not pa.types.is_floating(kind.value_type):
        raise UserError(f"column {name} is {kind}; embeddings are lists of floats")
    if pa.types.is_fixed_size_list(kind):
        return int(kind.list_size)
    lengths = pc.list_value_length(plain(column)).drop_null()
    return int(lengths[0].as_py()) if len(lengths) else None


def vector_rows(column: pa.Array, dim: int, dtype: str | None, name: str, start: int) -> NDArray[Any]:
    """(B, D) rows of a vector column that begins at row `start`; a null row, and a null inside a row, becomes NaN."""
    column = plain(column)
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


def plain(column: pa.Array) -> pa.Array:
    """The column without what wraps its values: the storage of an extension type, the values of a dictionary."""
    if isinstance(column, pa.ChunkedArray):
        column = column.combine_chunks()
    if isinstance(column, pa.ExtensionArray):
        column = column.storage
    return column.dictionary_decode() if pa.types.is_dictionary(column.type) else column


def plain_type(kind: pa.DataType) -> pa.DataType:
    """The type of `plain` of a column of this type."""
    if isinstance(kind, pa.BaseExtensionType):
        kind = kind.storage_type
    return kind.value_type if pa.types.is_dictionary(kind) else kind


def side_columns(schema: pa.Schema, taken: tuple[str, ...] = (), named: Mapping[str, str | None] | None = None) -> dict[str, str]:
    """Our name -> the file's column name, for key, caption, url, width and height, as far as the schema has them.

    `taken` are vector columns; `named` are columns that the user named, which have to be there. Raises UserError for one that is not,
    for a column that stands twice, and for a caption, key or url of a type that holds no text.
    """
    chosen = {ours: theirs for ours, theirs in (named or {}).items() if theirs is not None}
    for ours, theirs in chosen.items():
        if theirs not in schema.names:
            raise UserError(f"{ours}_column={theirs} is no column; there are: {', '.join(schema.names)}")
    found = {ours: chosen.get(ours) or _alias(schema, aliases, taken) for ours, aliases in ALIASES.items()}
    used = {ours: theirs for ours, theirs in found.items() if theirs is not None}
    require_once(schema, used.values())
    for ours in set(used) - {"width", "height"}:
        if not _holds_text(plain_type(schema.field(used[ours]).type)):
            kind = schema.field(used[ours]).type
            raise UserError(f"column {used[ours]} is {kind}, which holds no {ours}: name another by {ours}_column=")
    return used


def require_once(schema: pa.Schema, names: Iterable[str]) -> None:
    """Raise UserError for a column that stands in the file more than once."""
    for name in names:
        if schema.names.count(name) > 1:
            raise UserError(f"column {name} stands in the file {schema.names.count(name)} times: rename all but one")


def _alias(schema: pa.Schema, aliases: tuple[str, ...], taken: tuple[str, ...]) -> str | None:
    """The first alias that the file has; `text` and `uid` are names of much else, and taken only where they hold text."""
    for alias in aliases:
        if alias in schema.names and alias not in taken:
            field = schema.field(schema.get_field_index(alias)) if schema.names.count(alias) == 1 else None
            if alias not in ("text", "uid") or (field is not None and _holds_text(plain_type(field.type))):
                return alias
    return None


def _holds_text(kind: pa.DataType) -> bool:
    """Whether `strings` can make a text of a value; a number or a date is its own text."""
    if _is_list(kind):
        return _is_text(plain_type(kind.value_type))
    if pa.types.is_struct(kind):
        return any(_is_text(plain_type(field.type)) for field in kind)
    return _is_text(kind) or not pa.types.is_nested(kind)


def _is_text(kind: pa.DataType) -> bool:
    checks = (pa.types.is_string, pa.types.is_large_string, pa.types.is_binary, pa.types.is_large_binary, pa.types.is_string_view)
    return any(check(kind) for check in checks)


def strings(column: pa.Array) -> list[str | None]:
    """Text of each row: of a list the first, of a struct its first field that holds text. Bytes that are not UTF-8 become U+FFFD."""
    column = plain(column)
    if pa.types.is_struct(column.type):
        place = next(place for place, field in enumerate(column.type) if _is_text(plain_type(field.type)))
        return strings(pc.struct_field(column, [place]))
    if _is_list(column.type):
        return [None if value is None else _decoded(value) for value in map(_first, column.to_pylist())]
    if not _is_text(column.type):
        column = column.cast(pa.string())
    return [None if value is None else _decoded(value) for value in column.cast(pa.large_binary()).to_pylist()]


def _first(values: list[Any] | None) -> Any:
    return next((value for value in values or () if value is not None), None)


def _decoded(value: str | bytes) -> str:
    return value if isinstance(value, str) else value.decode("utf-8", "replace")


def integers(column: pa.Array) -> list[int | None]:
    """Sizes in pixels; a column of another type counts as unknown."""
    try:
        return list(column.cast(pa.int32()).to_pylist())
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        return [None] * len(column)


def _is_list(kind: pa.DataType) -> bool:
    return bool(pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind))
