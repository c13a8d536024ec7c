"""Start of a layout on the sphere: random directions, or eigenvectors of the graph.

N vertices, C connected components, V = 3 vectors.
"""

from typing import Any

import numpy as np

ITERATIONS = 60  # of the subspace iteration: a start does not need converged eigenvectors
PAIRS = np.array([(i, j) for i in range(3) for j in range(3)])


def random_start(count: int, seed: int) -> Any:
    """Return `count` unit vectors (N, 3), uniform on the sphere, drawn by `seed`."""
    x_N3 = np.random.default_rng(seed).normal(size=(count, 3))
    return x_N3 / np.linalg.norm(x_N3, axis=1, keepdims=True)


def _sums(values_NV: Any, component_N: Any, count: int) -> Any:
    """Sum of each column over each component: (C, V)."""
    return np.stack([np.bincount(component_N, column, count) for column in values_NV.T], axis=1)


def _orthonormal(basis_NV: Any, root_N: Any, component_N: Any, count: int) -> Any:
    """Make the vectors of every component orthonormal, and orthogonal to its trivial eigenvector (the square root of the degree)."""
    share_CV = _sums(basis_NV * root_N[:, None], component_N, count) / _sums(root_N[:, None] ** 2, component_N, count).clip(1e-30)
    basis_NV = basis_NV - root_N[:, None] * share_CV[component_N]
    gram_CVV = _sums(basis_NV[:, PAIRS[:, 0]] * basis_NV[:, PAIRS[:, 1]], component_N, count).reshape(count, 3, 3)
    value_CV, vector_CVV = np.linalg.eigh(gram_CVV)
    floor_CV = np.maximum(1e-12 * value_CV[:, -1:], 1e-30)  # components of less than 4 vertices have fewer directions
    whiten_CVV = vector_CVV / np.sqrt(np.maximum(value_CV, floor_CV))[:, None, :]
    return np.einsum("nv,nvw->nw", basis_NV, whiten_CVV[component_N])


def _spectral(graph: Any, component_N: Any, count: int, seed: int) -> Any:
    """First non-trivial eigenvectors (N, 3) of the normalised adjacency of every component, in one subspace iteration for all.

    Products and sums have a fixed order and no long array goes to threaded LAPACK: the same bits on any number of threads.
    """
    from scipy import sparse

    degree_N = np.asarray(graph.sum(axis=1)).ravel()
    root_N = np.sqrt(degree_N)
    inverse_N = np.divide(1.0, root_N, out=np.zeros_like(root_N), where=root_N > 0)
    step = 0.5 * (sparse.identity(graph.shape[0]) + sparse.diags(inverse_N) @ graph @ sparse.diags(inverse_N)).tocsr()
    basis_NV = np.random.default_rng(seed).normal(size=(graph.shape[0], 3))
    for _ in range(ITERATIONS):
        basis_NV = step @ _orthonormal(basis_NV, root_N, component_N, count)
    basis_NV = _orthonormal(basis_NV, root_N, component_N, count) * inverse_N[:, None]
    mean_C1 = np.sqrt(_sums((basis_NV**2).sum(axis=1)[:, None], component_N, count) / np.bincount(component_N)[:, None])
    return basis_NV / mean_C1.clip(1e-30)[component_N]


def _caps(size_C: Any) -> tuple[Any, Any]:
    """Centres (C, 3) and radii (C,) in radians of caps with areas proportional to the sizes, the largest at the north pole."""
    order_C = np.argsort(-size_C, kind="stable")
    share_C = size_C[order_C] / size_C.sum()
    z_C = 1.0 - 2.0 * (np.cumsum(share_C) - 0.5 * share_C)
    longitude_C = np.pi * (3.0 - np.sqrt(5.0)) * np.arange(len(size_C))  # multiples of the golden angle
    ring_C = np.sqrt(1.0 - z_C**2)
    centre_C3, radius_C = np.empty((len(size_C), 3)), np.empty(len(size_C))
    centre_C3[order_C] = np.stack([ring_C * np.cos(longitude_C), ring_C * np.sin(longitude_C), z_C], axis=1)
    radius_C[order_C] = np.arccos(1.0 - 2.0 * share_C)
    return centre_C3, radius_C


def spectral_start(graph: Any, seed: int) -> Any:
    """Return unit vectors (N, 3) from the first non-trivial eigenvectors of the normalised adjacency of a sparse symmetric graph.

    In a connected graph a vertex gets the direction of its entries in the first three vectors. A graph does not define how its components
    lie relative to one another: each gets a cap of the sphere with its share of the vertices as area, and is placed in it by two vectors.
    """
    from scipy.sparse.csgraph import connected_components

    count, component_N = connected_components(graph, directed=False)
    x_N3 = _spectral(graph.astype(np.float64), component_N, count, seed)
    if count > 1:
        centre_C3, radius_C = _caps(np.bincount(component_N))
        x_N3 = _in_caps(x_N3[:, 1:], centre_C3[component_N], radius_C[component_N])
    x_N3 = x_N3 + 1e-3 * random_start(len(x_N3), seed + 1)  # so that rows with equal neighbours do not coincide
    return x_N3 / np.linalg.norm(x_N3, axis=1, keepdims=True)


def _in_caps(flat_N2: Any, centre_N3: Any, radius_N: Any) -> Any:
    """Map the plane (N, 2) of each component into its cap: the farther from 0, the nearer to the rim, which no point passes."""
    east_N3 = np.cross(np.where(np.abs(centre_N3[:, 2:]) < 0.9, [[0.0, 0.0, 1.0]], [[1.0, 0.0, 0.0]]), centre_N3)
    east_N3 /= np.linalg.norm(east_N3, axis=1, keepdims=True)
    north_N3 = np.cross(centre_N3, east_N3)
    length_N = np.linalg.norm(flat_N2, axis=1).clip(1e-30)
    angle_N = radius_N * length_N / (1.0 + length_N)
    tangent_N3 = (flat_N2[:, :1] * east_N3 + flat_N2[:, 1:] * north_N3) / length_N[:, None]
    return np.cos(angle_N)[:, None] * centre_N3 + np.sin(angle_N)[:, None] * tangent_N3
