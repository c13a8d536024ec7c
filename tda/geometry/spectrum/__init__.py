"""Spectra of covariance matrices: full, randomized or per cluster, and measures of dimension from them."""

from tda.geometry.spectrum.moments import Moments, Spectrum, covariance_spectrum
from tda.geometry.spectrum.randomized import randomized_svd

__all__ = ["Moments", "Spectrum", "covariance_spectrum", "randomized_svd"]
