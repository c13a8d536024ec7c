"""Embeddings that are whole in memory, as a source: those of a .pt, and those made from a Gram matrix."""

from collections.abc import Iterator, Sequence
from typing import Any

from numpy.typing import NDArray

from tda.errors import UserError
from tda.store.commit.parquet import BATCH
from tda.store.ingest.batch import Batch


class MemorySource:
    """N pairs of D dimensions; `files` are what they were read from, `captions` one a pair, if any."""

    def __init__(
        self, kind: str, files: list[str], image_ND: NDArray[Any], text_ND: NDArray[Any], captions: Sequence[str] | None = None
    ) -> None:
        if image_ND.ndim != 2 or image_ND.shape != text_ND.shape or 0 in image_ND.shape:
            shapes = f"{image_ND.shape} and {text_ND.shape}"
            raise UserError(f"source={files[0]} has images and texts of shapes {shapes}; both are (rows, dimensions), one row a pair")
        if captions is not None and len(captions) != len(image_ND):
            raise UserError(f"source={files[0]} has {len(captions)} captions for {len(image_ND)} pairs")
        self.kind, self.files, self.notes = kind, files, list[str]()
        self.rows, self.dim = image_ND.shape
        self._image, self._text, self._captions = image_ND, text_ND, captions

    def batches(self, start: int = 0) -> Iterator[Batch]:
        for at in range(start, self.rows, BATCH):
            stop = min(at + BATCH, self.rows)
            side = {} if self._captions is None else {"caption": list(self._captions[at:stop])}
            yield Batch(start=at, image_BD=self._image[at:stop], text_BD=self._text[at:stop], side=side)
