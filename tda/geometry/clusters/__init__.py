"""Density clusters: HDBSCAN, the assignment of rows that were not fitted, and how stable the clusters are."""

from tda.geometry.clusters.density import Clustering, hdbscan

__all__ = ["Clustering", "hdbscan"]
