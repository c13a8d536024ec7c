"""The modality gap as the field reports it, from the moments of unit rows: exact for any number of pairs.

N pairs, D dimensions. `image` and `text` are `Moments` of L2-normalised rows.
"""

import math
from typing import Any

import numpy as np

from tda.errors import UserError
from tda.geometry.arrays.rows import to_host
from tda.geometry.cosine import within_mean
from tda.geometry.spectrum.fall import power_law
from tda.geometry.spectrum.moments import Moments

SUBSPACE = 10  # principal directions of each modality whose angles are given
SMALL = 1e-7  # added to each share by RankMe


def relative_modality_gap(pair_cosine: float, image_cone: float, text_cone: float) -> float | None:
    """RMG = p / (p + (a + b) / 2) in [0, 1]: p is the mean of (1 - cosine) / 2 over pairs, a and b over rows of one modality.

    Schrodi et al. 2024, "Two effects, one trigger". None where all rows are one direction.
    """
    pair, within = (1 - pair_cosine) / 2, ((1 - image_cone) / 2 + (1 - text_cone) / 2) / 2
    return pair / (pair + within) if pair + within > 0 else None


def frechet(image: Moments, text: Moments) -> float:
    """Fréchet distance of two normal clouds: |mean - mean|² + tr(S + T - 2 (S T)^½) (Dowson and Landau 1982).

    The trace of (S T)^½ is the sum of the singular values of S^½ T^½. Raises UserError below two rows.
    """
    apart_D = to_host(image.mean_D) - to_host(text.mean_D)
    roots = [_root(moments) for moments in (image, text)]
    spread = sum(float(np.vdot(root_DD, root_DD)) for root_DD in roots)
    shared = float(np.linalg.svd(roots[0] @ roots[1], compute_uv=False).sum())
    return max(float(apart_D @ apart_D) + spread - 2 * shared, 0.0)


def principal_angles(image: Moments, text: Moments, size: int = SUBSPACE) -> list[float]:
    """Angles in degrees, ascending, between the subspaces of the `size` largest principal directions of each modality.

    0: both share a direction; 90: none of one is in the other. Raises UserError below two rows.
    """
    size = min(size, image.dim)
    image_Dk, text_Dk = (to_host(moments.principal()[1])[:, :size] for moments in (image, text))
    cosines_k = np.clip(np.linalg.svd(image_Dk.T @ text_Dk, compute_uv=False), 0.0, 1.0)
    return [float(angle) for angle in np.degrees(np.arccos(cosines_k))]


def rank_me(moments: Moments) -> float:
    """RankMe: exp of the entropy of the singular values of the *uncentred* rows (Garrido et al. 2023).

    `effective_rank` of the part spectrum is of the covariance's eigenvalues, centred. Raises UserError for rows that are all zero.
    """
    values_D = np.sqrt(np.clip(np.linalg.eigvalsh(to_host(moments.gram_DD)), 0.0, None))
    total = float(values_D.sum())
    if total == 0:
        raise UserError("rows that are all zero have no rank")
    share_D = values_D / total + SMALL
    return float(np.exp(-(share_D * np.log(share_D)).sum()))


def alpha(moments: Moments, stored: str = "float64") -> float | None:
    """Slope of log eigenvalue against log index, as a positive number (alpha-ReQ, Agrawal et al. 2022): about 1 in good spaces.

    Eigenvalues below the floor of rounding (`Moments.spectrum`) are left out. None with fewer than three above it.
    """
    spectrum = moments.spectrum(stored=stored)
    values_D = to_host(spectrum.singular_values)
    return power_law(values_D[values_D > spectrum.floor])


def metrics(image: Moments, text: Moments, pair_cosine: float, stored: str) -> dict[str, Any]:
    """The exact measures of the part `gap_measures`. `stored`: the type of the stored rows. Raises UserError below two pairs."""
    both = {"image": image, "text": text}
    cones = {name: within_mean(moments) for name, moments in both.items()}
    angles = principal_angles(image, text)
    return {
        "cone": cones,
        "relative_modality_gap": relative_modality_gap(pair_cosine, cones["image"], cones["text"]),
        "frechet": frechet(image, text),
        "principal_angles": {"smallest": angles[0], "mean": math.fsum(angles) / len(angles), "directions": len(angles)},
        "rank_me": {name: rank_me(moments) for name, moments in both.items()},
        "alpha": {name: alpha(moments, stored) for name, moments in both.items()},
    }


def _root(moments: Moments) -> Any:
    """S^½ of the covariance, (D, D)."""
    values_D, vectors_DD = (to_host(found) for found in moments.principal())
    return (vectors_DD * np.sqrt(values_D)) @ vectors_DD.T
