"""What every source of vectors is: batches of consecutive pairs, streamed in order.

B rows of a batch, D dimensions.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Protocol

from numpy.typing import NDArray


@dataclass(frozen=True, kw_only=True)
class Batch:
    """Consecutive pairs from row `start` of a source; `side` holds key, caption, url, width and height as far as they are known."""

    start: int
    image_BD: NDArray[Any]
    text_BD: NDArray[Any]
    side: dict[str, list[Any]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.image_BD)

    def cut(self, low: int, high: int) -> "Batch":
        side = {name: values[low:high] for name, values in self.side.items()}
        return Batch(start=self.start + low, image_BD=self.image_BD[low:high], text_BD=self.text_BD[low:high], side=side)


class VectorSource(Protocol):
    """`rows` pairs of dimension `dim`, from `files`; `batches(start)` streams them in order. `notes` name what is left out."""

    kind: str
    rows: int
    dim: int
    files: list[str]
    notes: list[str]

    def batches(self, start: int = 0) -> Iterator[Batch]: ...
