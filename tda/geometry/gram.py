"""Vectors from their cosines: a Gram matrix E Eᵀ gives E up to a rotation, which no cosine, gap or rank depends on.

Legend: M rows (images and texts), N pairs, D dimensions.
"""

import numpy as np
from numpy.typing import NDArray

from tda.errors import UserError

TOLERANCE = 1e-3  # of the diagonal, of symmetry, and of negative eigenvalues relative to the largest: float16 has 5e-4
RANK = 1e-7  # eigenvalues below this part of the largest are rounding


def require_cosines(gram_MM: NDArray[np.floating], name: str) -> None:
    """Raise UserError unless the matrix can be one of cosines: square, even, finite, symmetric, with ones on its diagonal."""
    if gram_MM.ndim != 2 or gram_MM.shape[0] != gram_MM.shape[1] or len(gram_MM) % 2 or not len(gram_MM):
        raise UserError(f"{name} has shape {gram_MM.shape}; the cosines of N images and N texts are a matrix of (2 N, 2 N)")
    if not np.isfinite(gram_MM).all():
        raise UserError(f"{name} has values that are not finite")
    off = float(np.abs(np.diagonal(gram_MM) - 1).max())
    if off > TOLERANCE:
        raise UserError(f"{name} has {1 + off:g} or {1 - off:g} on its diagonal; a cosine of a row with itself is 1")
    if float(np.abs(gram_MM - gram_MM.T).max()) > TOLERANCE:
        raise UserError(f"{name} is not symmetric; cosine i, j is cosine j, i")


def vectors_of_gram(gram_MM: NDArray[np.floating], name: str = "the matrix") -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Unit image rows (N, D) and text rows (N, D) with these cosines; the first N rows of the matrix are images.

    D is the matrix's numerical rank. Source: the eigen-decomposition G = V Λ Vᵀ gives E = V Λ^½.
    Raises UserError for a matrix that holds no cosines of vectors (see `require_cosines`, or it has a negative eigenvalue).
    """
    require_cosines(gram_MM, name)
    whole_MM = np.asarray(gram_MM, dtype=np.float64)
    values_M, vectors_MM = np.linalg.eigh((whole_MM + whole_MM.T) / 2)
    largest = float(values_M[-1])
    if float(values_M[0]) < -TOLERANCE * largest:
        raise UserError(f"{name} has an eigenvalue of {values_M[0]:.2g}; cosines of vectors have none below 0")
    kept = values_M > RANK * largest
    rows_MD = vectors_MM[:, kept] * np.sqrt(values_M[kept])
    rows_MD /= np.linalg.norm(rows_MD, axis=1, keepdims=True)
    half = len(rows_MD) // 2
    return np.ascontiguousarray(rows_MD[:half]), np.ascontiguousarray(rows_MD[half:])
