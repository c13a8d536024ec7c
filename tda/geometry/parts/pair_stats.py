"""Statistics of a block of pairs for the parts `gap`, `cosine` and `spectrum`, from one reading, in a form that merges.

N pairs, B pairs of a block, D dimensions. `partner_BD` are the texts N//2 rows further on, the random partners of the images.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any

import numpy as np
import numpy.typing as npt

from tda.geometry import cosine, gap
from tda.geometry.arrays.namespace import check_pairs, namespace, row_blocks, unit_rows
from tda.geometry.cosine import Cosines
from tda.geometry.spectrum.moments import COLLAPSE_THRESHOLD, Moments


@dataclass(frozen=True)
class PairStats:
    """Moments of the unit rows of both modalities, and cosines of pairs and of random partners."""

    image: Moments
    text: Moments
    pair: Cosines
    shifted: Cosines

    @classmethod
    def of(cls, image_BD: Any, text_BD: Any, partner_BD: Any, first: int = 0, exact: bool = True) -> "PairStats":
        """From a block of pairs (B, D) that begins at row `first`; ``exact=False`` bins the cosines (for sets above `EXACT_VALUES`).

        Raises UserError naming the first row that is zero or not finite.
        """
        blocks = row_blocks(image_BD.shape[0])
        parts = (_block(image_BD[b, :], text_BD[b, :], partner_BD[b, :], first + b.start, exact) for b in blocks)
        return reduce(PairStats.merge, parts)

    @classmethod
    def of_set(cls, image_ND: Any, text_ND: Any) -> "PairStats":
        """From a whole set (N, D) in memory. Raises UserError below two pairs, for unequal shapes, or as `of` does."""
        check_pairs(image_ND, text_ND)
        xp = namespace(image_ND, text_ND)
        return cls.of(image_ND, text_ND, xp.roll(text_ND, -(text_ND.shape[0] // 2), axis=0))

    def merge(self, other: "PairStats") -> "PairStats":
        """Statistics of both blocks together."""
        image, text = self.image.merge(other.image), self.text.merge(other.text)
        return PairStats(image, text, self.pair.merge(other.pair), self.shifted.merge(other.shifted))

    def gap_metrics(self) -> dict[str, Any]:
        """The `gap` part of metrics.json (`tda.geometry.gap`). Raises UserError below two pairs."""
        return gap.metrics(self.image, self.text)

    def cosine_metrics(self, at: Sequence[float] = cosine.QUANTILES) -> dict[str, Any]:
        """The `cosine` part of metrics.json, with quantiles at the shares `at`. Raises UserError below two pairs."""
        return cosine.metrics(self.image, self.text, self.pair, self.shifted, at)

    def spectrum_metrics(self, stored: str, threshold: float = COLLAPSE_THRESHOLD) -> dict[str, dict[str, Any]]:
        """The `spectrum` part of metrics.json; `threshold` and `stored` as in `Moments.spectrum`. Raises UserError below two pairs."""
        moments = {"image": self.image, "text": self.text, "both": self.image.merge(self.text)}
        return {name: one.spectrum(threshold, stored).metrics() for name, one in moments.items()}

    def cosine_histogram(self, bins: int) -> dict[str, npt.NDArray[Any]]:
        """Columns kind (pair | random), left, right, count: `bins` bins over [-1, 1] of each kind (Fig. 3)."""
        edges = np.linspace(-1.0, 1.0, bins + 1)
        return {
            "kind": np.repeat(["pair", "random"], bins),
            "left": np.tile(edges[:-1], 2),
            "right": np.tile(edges[1:], 2),
            "count": np.concatenate([self.pair.histogram(bins), self.shifted.histogram(bins)]),
        }


def _block(image_BD: Any, text_BD: Any, partner_BD: Any, first: int, exact: bool) -> PairStats:
    xp = namespace(image_BD, text_BD)
    image_BD, text_BD = unit_rows(image_BD, "image", first), unit_rows(text_BD, "text", first)
    partner_BD = unit_rows(partner_BD, "random partner's text", first)
    pair, shifted = (Cosines.of(xp.sum(image_BD * other_BD, axis=1), exact) for other_BD in (text_BD, partner_BD))
    return PairStats(Moments.of(image_BD), Moments.of(text_BD), pair, shifted)
