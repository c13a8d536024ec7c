"""One recorded shard's embeddings, read whole and checked.

Legend: N rows, D dimensions.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from tda.errors import ShardError
from tda.store.commit.parquet import from_binary, read_meta
from tda.store.commit.records import read_record
from tda.store.commit.rows import UNIT_TOLERANCE, row_norms
from tda.store.files import filesystem, join
from tda.store.paths import RootPaths


@dataclass(frozen=True)
class ShardRows:
    """Identity and vectors (modality -> (N, D) in the stored dtype, read-only) of a shard's rows, in order of ordinal."""

    ordinal_N: NDArray[Any]
    key_N: NDArray[Any]  # str
    vectors: dict[str, NDArray[Any]]

    def __len__(self) -> int:
        return len(self.ordinal_N)


def read_shard(paths: RootPaths, dataset: str, encoder: str, shard: str, modalities: Sequence[str] = ("image", "text")) -> ShardRows:
    """Read a shard.

    Raises ShardError if its record or file is missing or damaged, or a vector is not finite, zero or not of unit length.
    """
    fs, path = filesystem(join(paths.embeddings_dir(dataset, encoder), read_record(paths, dataset, encoder, shard).file))
    try:
        with fs.open(path, "rb") as stream, pq.ParquetFile(stream) as file:
            meta, table = read_meta(file.schema_arrow), file.read(columns=["ordinal", "key", *modalities], use_threads=False)
    except FileNotFoundError:
        raise ShardError(shard, "missing", f"{path} is recorded but not there") from None
    except (pa.ArrowInvalid, KeyError) as error:
        raise ShardError(shard, "damaged", f"{path}: {error}") from None
    ordinal_N = table["ordinal"].to_numpy()
    vectors = {name: _vectors(table[name], meta) for name in modalities}
    for name, x_ND in vectors.items():
        _require_unit(x_ND, ordinal_N, shard, name)
    return ShardRows(ordinal_N, table["key"].to_numpy(), vectors)


def _vectors(column: pa.ChunkedArray, meta: dict[str, Any]) -> NDArray[Any]:
    parts = [from_binary(chunk, meta["dim"], meta["dtype"]) for chunk in column.chunks]
    return parts[0] if len(parts) == 1 else np.concatenate([np.empty((0, meta["dim"]), dtype=meta["dtype"]), *parts])


def _require_unit(x_ND: NDArray[Any], ordinal_N: NDArray[Any], shard: str, modality: str) -> None:
    norm_N = row_norms(x_ND)
    bad = np.flatnonzero(~(np.abs(norm_N - 1) <= UNIT_TOLERANCE))
    if len(bad):
        norm, reported = norm_N[bad[0]], f"{modality} row of ordinal {ordinal_N[bad[0]]}, {len(bad)} such rows"
        reason = "not_finite" if not np.isfinite(norm) else "zero_vector" if norm == 0 else "not_normalised"
        raise ShardError(shard, reason, f"norm {norm:.4g} in the {reported}")
