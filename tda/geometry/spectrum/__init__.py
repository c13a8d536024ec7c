"""Spectra of covariance matrices, whole, randomized or per cluster, and the dimensions that they show."""

from tda.geometry.spectrum.moments import Moments, Spectrum, covariance_spectrum
from tda.geometry.spectrum.randomized import randomized_svd

__all__ = ["Moments", "Spectrum", "covariance_spectrum", "randomized_svd"]
