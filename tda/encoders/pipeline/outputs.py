"""The output of one encoder for a shard, batch by batch.

Legend: B batch, N rows, D dimensions.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tda.encoders.pipeline.batches import Kept
from tda.store.commit.rows import Rows, unit_rows
from tda.store.types import Drop, Reason, Stage, printable


@dataclass
class Columns:
    """Rows and drops so far; `seconds` of the device; `passed`: pairs that the towers encoded without an error."""

    kept: list[Kept] = field(default_factory=list)
    image: list[NDArray[Any]] = field(default_factory=list)
    text: list[NDArray[Any]] = field(default_factory=list)
    drops: list[Drop] = field(default_factory=list)
    seconds: float = 0.0
    passed: int = 0

    def keep(self, pairs: Sequence[Kept], image_BD: NDArray[Any], text_BD: NDArray[Any], dtype: str) -> None:
        """Normalise and keep rows; a pair with a zero, NaN or infinite row in either modality is dropped."""
        image_BD, *image_flags = unit_rows(image_BD, dtype)
        text_BD, *text_flags = unit_rows(text_BD, dtype)
        finite_B, nonzero_B = image_flags[0] & text_flags[0], image_flags[1] & text_flags[1]
        good_B = finite_B & nonzero_B
        for pair, finite, good in zip(pairs, finite_B, good_B, strict=True):
            if good:
                self.kept.append(pair)
            else:
                reason = Reason.ZERO_VECTOR if finite else Reason.NOT_FINITE
                self.drops.append(Drop(pair.ordinal, pair.key, Stage.ENCODE, reason))
        self.image.append(image_BD[good_B])
        self.text.append(text_BD[good_B])

    def blame(self, faults: Mapping[Kept, Exception]) -> None:
        """Drop the pairs that the encoder fails on."""
        for pair, fault in faults.items():
            detail = printable(f"{type(fault).__name__}: {fault}")
            self.drops.append(Drop(pair.ordinal, pair.key, Stage.ENCODE, Reason.ENCODER_FAILED, detail))
        self.passed -= len(faults)

    def rows(self, dim: int, dtype: str) -> Rows:
        none = np.empty((0, dim), dtype)
        return Rows(
            ordinals=[pair.ordinal for pair in self.kept],
            keys=[pair.key for pair in self.kept],
            captions=[pair.caption for pair in self.kept],
            urls=[pair.url for pair in self.kept],
            widths=[pair.width for pair in self.kept],
            heights=[pair.height for pair in self.kept],
            image_ND=np.concatenate([none, *self.image]),
            text_ND=np.concatenate([none, *self.text]),
        )
