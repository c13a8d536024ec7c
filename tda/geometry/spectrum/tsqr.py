"""Spectra by QR, which never squares the rows (Demmel et al. 2012): what the other methods are checked against.

N rows, D dimensions, L rows of a triangle.
"""

from dataclasses import dataclass
from typing import Any

from tda.errors import UserError
from tda.geometry.arrays.namespace import namespace
from tda.geometry.spectrum.moments import COLLAPSE_THRESHOLD, Moments, Spectrum, _spectrum
from tda.geometry.spectrum.passes import Sum, as_total, by_panels, row_mean, triangle


@dataclass(frozen=True)
class _Centred:
    """The triangle (D, D) of the centred rows themselves."""

    mean_D: Any

    def __call__(self, x_BD: Any) -> Sum:
        return by_panels(x_BD, lambda rows_PD: Sum(rows_PD.shape[0], (), triangle(rows_PD - self.mean_D)))


def tsqr_spectrum(x_ND: Any, threshold: float = COLLAPSE_THRESHOLD, stored: str | None = None) -> Spectrum:
    """Spectrum of the covariance by QR of the centred rows, merged over blocks: the checker, ten times dearer than moments.

    `x_ND` is an array, a memory map or a `Total`; `stored` (for a `Total`, float64 by default) names the type that the rows were
    stored in. Raises UserError below two rows.
    """
    total = as_total(x_ND)
    n, mean_D = row_mean(total)
    xp, dim = namespace(mean_D), int(mean_D.shape[0])
    triangle_LD = total(_Centred(mean_D)).triangle_LL
    values_L = xp.linalg.svdvals(triangle_LD)
    values_D = xp.concat([values_L**2 / (n - 1), xp.zeros(dim - values_L.shape[0])])
    stored = stored or ("float64" if callable(x_ND) else str(x_ND.dtype))
    floor = Moments(n, mean_D, triangle_LD.T @ triangle_LD).spectrum(threshold, stored).floor
    return _spectrum(values_D, floor, threshold)


def spectrum(x_ND: Any, method: str = "gram", *, threshold: float = COLLAPSE_THRESHOLD, stored: str | None = None) -> Spectrum:
    """Spectrum of the covariance of rows (N, D) by `method`: gram | tsqr. The top of it alone: `randomized_svd`."""
    if method == "gram":
        return Moments.of(x_ND).spectrum(threshold, stored or str(x_ND.dtype))
    if method == "tsqr":
        return tsqr_spectrum(x_ND, threshold, stored)
    raise UserError(f"method={method!r} is unknown; choose one of: gram, tsqr; randomized_svd gives the largest values")
