"""Spectra by QR, which does not square the rows (Demmel et al. 2012): the reference for the other methods.

N rows, D dimensions, L rows of a triangle.
"""

from dataclasses import dataclass
from typing import Any

from tda.errors import UserError
from tda.geometry.arrays.namespace import namespace, type_name
from tda.geometry.spectrum.moments import COLLAPSE_THRESHOLD, Moments, Spectrum, spectrum_from
from tda.geometry.spectrum.passes import Sum, as_total, by_panels, row_mean, triangle


@dataclass(frozen=True)
class _Centred:
    """The R factor (L, D) of the centred rows."""

    mean_D: Any

    def __call__(self, x_BD: Any) -> Sum:
        return by_panels(x_BD, lambda rows_PD: Sum(rows_PD.shape[0], (), triangle(rows_PD - self.mean_D)))


def tsqr_spectrum(x_ND: Any, threshold: float = COLLAPSE_THRESHOLD, stored: str | None = None) -> Spectrum:
    """Spectrum of the covariance by QR of the centred rows, merged over blocks (Demmel et al. 2012). Ten times slower than moments.

    `x_ND`: rows (N, D), an array, a memory map or a `Total`. `stored`: the type that the rows were stored in, by default that of the array,
    float64 for a `Total`. `threshold` as in `Moments.spectrum`. Raises UserError below two rows or for a row that is not finite.
    """
    total = as_total(x_ND)
    n, mean_D = row_mean(total)
    xp, dim = namespace(mean_D), int(mean_D.shape[0])
    triangle_LD = total(_Centred(mean_D)).triangle_LL
    values_L = xp.linalg.svdvals(triangle_LD)
    values_D = xp.concat([values_L**2 / (n - 1), xp.zeros(dim - values_L.shape[0])])
    stored = stored or ("float64" if callable(x_ND) else type_name(x_ND))
    floor = Moments(n, mean_D, triangle_LD.T @ triangle_LD).spectrum(threshold, stored).floor
    return spectrum_from(values_D, floor, threshold)


def spectrum(x_ND: Any, method: str = "gram", *, threshold: float = COLLAPSE_THRESHOLD, stored: str | None = None) -> Spectrum:
    """Spectrum of the covariance of rows (N, D) by `method`: gram | tsqr; `randomized_svd` gives the largest values alone.

    Raises UserError for an unknown method and as the methods do.
    """
    if method == "gram":
        return Moments.of(x_ND).spectrum(threshold, stored or type_name(x_ND))
    if method == "tsqr":
        return tsqr_spectrum(x_ND, threshold, stored)
    raise UserError(f"method={method!r} is unknown; choose one of: gram, tsqr; randomized_svd gives the largest values")
