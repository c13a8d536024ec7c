"""Collects ingested batches as the rows and drops of one shard, in buffers of fixed size.

Legend: B rows of a batch, D dimensions.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tda.errors import UserError
from tda.store.commit.rows import UNIT_TOLERANCE, Rows, row_norms, unit_rows
from tda.store.ingest.batch import Batch
from tda.store.types import Drop, Reason, Stage


class ShardBuilder:
    """Takes at most `capacity` pairs of dimension `dim`. Rows with NaN or infinity, and zero rows, become drops.

    `add` raises UserError for rows that are not of unit length, unless `normalise` is true.
    """

    def __init__(self, capacity: int, dim: int, dtype: str, normalise: bool) -> None:
        self._image_ND = np.empty((capacity, dim), dtype=dtype)
        self._text_ND = np.empty((capacity, dim), dtype=dtype)
        self._normalise = normalise
        self._side: dict[str, list[Any]] = {name: [] for name in ("ordinals", "keys", "captions", "urls", "widths", "heights")}
        self.drops: list[Drop] = []

    def __len__(self) -> int:
        return len(self._side["ordinals"]) + len(self.drops)

    def add(self, batch: Batch) -> None:
        ordinal_B = len(self) + np.arange(len(batch))
        keys = batch.side.get("key", [None] * len(batch))
        key_B = [f"{batch.start + i:09d}" if key is None else key for i, key in enumerate(keys)]
        good_B = np.ones(len(batch), dtype=bool)
        unit: list[NDArray[Any]] = []
        for modality, x_BD in (("image", batch.image_BD), ("text", batch.text_BD)):
            unit_BD, finite_B, nonzero_B = unit_rows(x_BD, str(self._image_ND.dtype))
            if not self._normalise:
                _require_unit(x_BD, finite_B & nonzero_B, modality, batch.start)
            for reason, bad_B in ((Reason.NOT_FINITE, ~finite_B), (Reason.ZERO_VECTOR, ~nonzero_B)):
                self.drops += [Drop(int(ordinal_B[i]), key_B[i], Stage.READ, reason, modality) for i in np.flatnonzero(bad_B & good_B)]
                good_B &= ~bad_B
            unit.append(unit_BD)
        self._append(batch, np.flatnonzero(good_B), ordinal_B, key_B, unit)

    def rows(self) -> Rows:
        """The rows kept so far, as views on the buffers."""
        n = len(self._side["ordinals"])
        return Rows(image_ND=self._image_ND[:n], text_ND=self._text_ND[:n], **self._side)

    def _append(self, batch: Batch, kept: NDArray[Any], ordinal_B: NDArray[Any], key_B: list[str], unit: list[NDArray[Any]]) -> None:
        n = len(self._side["ordinals"])
        self._image_ND[n : n + len(kept)], self._text_ND[n : n + len(kept)] = unit[0][kept], unit[1][kept]
        nothing: list[Any] = [None] * len(batch)
        columns = {"ordinals": ordinal_B.tolist(), "keys": key_B, "captions": [text or "" for text in batch.side.get("caption", nothing)]}
        columns |= {f"{name}s": batch.side.get(name, nothing) for name in ("url", "width", "height")}
        for name, values in columns.items():
            self._side[name] += [values[i] for i in kept]


def _require_unit(x_BD: NDArray[Any], meant_B: NDArray[np.bool_], modality: str, start: int) -> None:
    norm_B = np.where(meant_B, row_norms(x_BD), 1.0)
    if len(norm_B) and float(np.abs(norm_B - 1).max()) > UNIT_TOLERANCE:
        worst = int(np.argmax(np.abs(norm_B - 1)))
        raise UserError(
            f"{modality} rows are not normalised: norms from {norm_B.min():.4g} to {norm_B.max():.4g},"
            f" farthest from 1 in row {start + worst}; normalise=true accepts and normalises them"
        )
