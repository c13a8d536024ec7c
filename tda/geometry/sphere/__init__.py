"""UMAP on the sphere."""

from tda.geometry.sphere.umap import SphereUMAP

__all__ = ["SphereUMAP"]
