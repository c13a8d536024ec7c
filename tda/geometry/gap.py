"""The modality gap (Liang et al. 2022), from the moments of L2-normalised rows. A public module: hence a file for two measures.

D dimensions.
"""

import math
from typing import Any

from tda.geometry.arrays.namespace import namespace
from tda.geometry.spectrum.moments import Moments


def centroid_distance(image: Moments, text: Moments) -> float:
    """Return ‖mean(X) - mean(Y)‖₂ (Liang et al. 2022), in [0, 2] for unit rows."""
    xp = namespace(image.mean_D)
    return float(xp.sqrt(xp.sum((image.mean_D - text.mean_D) ** 2)))


def relative_gap(image: Moments, text: Moments) -> float | None:
    """Return the centroid distance in units of the spread within a modality.

    ‖mean(X) - mean(Y)‖₂ / √(½ tr Cov(X) + ½ tr Cov(Y)): at 1 the centroids are as far apart as a row lies from the centroid of
    its modality (root mean square). It is invariant to rotation and to a common scale. None where neither modality has any spread.
    Raises UserError below two rows of either.
    """
    spread = math.sqrt((_total_variance(image) + _total_variance(text)) / 2)
    return centroid_distance(image, text) / spread if spread > 0 else None


def metrics(image: Moments, text: Moments) -> dict[str, Any]:
    """The `gap` part of metrics.json: `centroid_distance` and `relative`. Raises UserError below two pairs."""
    return {"centroid_distance": centroid_distance(image, text), "relative": relative_gap(image, text)}


def _total_variance(moments: Moments) -> float:
    xp = namespace(moments.mean_D)
    variance = float(xp.sum(xp.linalg.diagonal(moments.covariance())))
    rounding = 2.0**-104 * float(xp.sum(moments.mean_D**2))  # the rounding error of float64 on equal rows
    return variance if variance > rounding else 0.0
