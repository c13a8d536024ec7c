"""UMAP on the sphere: a layout of rows as unit vectors in 3-D, in which no point of the sphere is special.

N rows, D dimensions, M new rows, K neighbours, T fitted rows. Angles in radians.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tda.errors import UserError
from tda.geometry.arrays.devices import cuda
from tda.geometry.arrays.namespace import namespace
from tda.geometry.arrays.rows import on_device, to_host
from tda.geometry.neighbors.graph import Knn, knn_graph, nearest_of
from tda.geometry.sphere.fuzzy_graph import fuzzy_graph

SPHERE_EPOCHS = 200
SPHERE_RATE, PLANE_RATE = 0.3, 1.0  # at 1.0 a layout on the unit sphere does not settle
UNIT_ROWS = 10_000  # up to here the unit of length on the sphere is its radius
PLACING, SLOWER = 3, 4.0  # further rows move for a third of the epochs, at a quarter of the rate


def sphere_radius(rows: int) -> float:
    """Radius of the sphere in units of `min_dist` and `spread` for a layout of `rows` rows: above `UNIT_ROWS`, each has the same area.

    On a sphere of radius 1, `min_dist` = 0.1 leaves room for 1,300 groups of rows: more of them lie on one another.
    """
    return max(1.0, math.sqrt(rows / UNIT_ROWS))


def angles(layout_N3: Any) -> tuple[Any, Any]:
    """Return colatitude in [0, pi] and longitude in [-pi, pi] of unit vectors (N, 3): x = sin t cos p, y = sin t sin p, z = cos t."""
    xp = namespace(layout_N3)
    x_N, y_N, z_N = layout_N3[:, 0], layout_N3[:, 1], layout_N3[:, 2]
    return xp.atan2(xp.hypot(x_N, y_N), z_N), xp.atan2(y_N, x_N)


@dataclass
class SphereUMAP:
    """Layout of rows from UMAP's fuzzy graph: on the sphere by forces along great circles, or in the plane by umap-learn / cuML.

    `n_neighbors` counts the row itself. `min_dist` and `spread` (on a sphere of radius 1, radians) set the membership curve
    1 / (1 + a d^2b), as in McInnes, Healy and Melville 2018. `radius` is that of the sphere in their unit of length, None chooses it by
    the rows (`sphere_radius`). `n_epochs` None is 200 on the sphere and the library's default in the plane. `learning_rate` None is
    0.3 units of length per epoch on the sphere, falling to 0, and 1.0 in the plane. `init`: spectral | random. `output`: sphere | plane.
    `device`: auto | cpu | cuda. `threads` (CPU): None is all cores; on the sphere the result has the same bits for any number. `notes`
    lists what differs from the request. Raises UserError for values out of range.
    """

    n_neighbors: int = 15
    min_dist: float = 0.1
    n_epochs: int | None = None
    seed: int = 0
    spread: float = 1.0
    negative_sample_rate: int = 5
    learning_rate: float | None = None
    init: str = "spectral"
    output: str = "sphere"
    device: str = "auto"
    threads: int | None = None
    repulsion_strength: float = 1.0
    radius: float | None = None
    notes: list[str] = field(default_factory=list, init=False)
    embedding: Any = field(default=None, init=False, repr=False)
    _rows_TD: Any = field(default=None, init=False, repr=False)

    def __post_init__(self) -> None:
        _one_of("init", self.init, ("spectral", "random"))
        _one_of("output", self.output, ("sphere", "plane"))
        _at_least("n_neighbors", self.n_neighbors, 2)
        _at_least("negative_sample_rate", self.negative_sample_rate, 0)
        _at_least("n_epochs", self.n_epochs or SPHERE_EPOCHS, 1)
        if self.radius is not None and not self.radius > 0:
            raise UserError(f"radius={self.radius} is no radius; it must be above 0")
        if not 0 <= self.seed < 2**32:
            raise UserError(f"seed={self.seed} is not in 0 .. 2^32 - 1")
        if not 0 <= self.min_dist <= self.spread:
            raise UserError(f"min_dist={self.min_dist} must lie between 0 and spread={self.spread}")
        cuda(self.device)

    def fit_transform(self, x_ND: Any, knn: Knn | None = None) -> Any:
        """Return unit vectors (N, 3), float32, for rows (N, D); in the plane (N, 2). CuPy rows give a CuPy array.

        `knn`: the neighbour graph of the same rows, if known, with at least ``n_neighbors - 1`` neighbours. With fewer than
        ``n_neighbors + 1`` rows, `n_neighbors` is reduced, with a note. Raises UserError for fewer than 3 rows, for a row that is zero or
        not finite, and for a graph of other rows.
        """
        if x_ND.ndim != 2 or x_ND.shape[0] < 3:
            raise UserError(f"rows of shape {tuple(x_ND.shape)} make no layout; at least 3 rows are needed")
        if knn is not None and len(knn) != x_ND.shape[0]:
            raise UserError(f"the neighbour graph is of {len(knn)} rows, the data of {x_ND.shape[0]}")
        n_neighbors = min(self.n_neighbors, x_ND.shape[0] - 1)
        knn = knn_graph(x_ND, n_neighbors - 1, seed=self.seed, device=self.device) if knn is None else knn
        graph = fuzzy_graph(knn, n_neighbors, device=self.device)
        embedding = self.layout(graph, rows_ND=x_ND)
        self.notes += self._remarks(knn.cut(n_neighbors - 1))
        self._rows_TD = x_ND
        return embedding if on_device(x_ND) else to_host(embedding)

    def layout(self, graph: Any, *, init: Any = None, rows_ND: Any = None) -> Any:
        """Return the layout of a symmetric sparse membership graph (N, N), as `fuzzy_graph` makes it.

        `init`: unit vectors (N, 3) to start from, instead of `self.init`. `rows_ND` are used for the spectral start in the plane only.
        Vertices without an edge stay where they start. The result is a CuPy array if computed on a GPU. Raises UserError for a graph that
        is not square or has fewer than 3 vertices.
        """
        if graph.shape[0] != graph.shape[1] or graph.shape[0] < 3:
            raise UserError(f"a graph of shape {tuple(graph.shape)} makes no layout; it must be square, with at least 3 vertices")
        self._rows_TD, self.notes = None, []
        if self.output == "plane":
            self.embedding = self._plane(graph, rows_ND)
            return self.embedding
        graph = graph.get() if hasattr(graph, "get") else graph
        alone = int((np.diff(graph.tocsr().indptr) == 0).sum())
        if alone:
            self.notes.append(f"{alone} of {graph.shape[0]} rows have no neighbour in the graph: their position is arbitrary")
        self.embedding = self._sphere(self.start(graph) if init is None else init, graph)
        return self.embedding

    def start(self, graph: Any) -> Any:
        """Return the unit vectors (N, 3) from which `layout` starts; a sweep computes them once per graph."""
        from tda.geometry.sphere.init import random_start, spectral_start

        graph = graph.get() if hasattr(graph, "get") else graph
        return spectral_start(graph, self.seed) if self.init == "spectral" else random_start(graph.shape[0], self.seed)

    def transform(self, new_MD: Any) -> Any:
        """Return places (M, 3), in the plane (M, 2), for new rows (M, D) among the fitted ones, which do not move.

        Each depends on its row and the fitted rows alone: see `tda.geometry.sphere.placing`. Raises UserError before `fit_transform`
        and for rows of another dimension.
        """
        if self._rows_TD is None:
            raise UserError("transform needs a layout on the sphere or in the plane that fit_transform made")
        knn = nearest_of(new_MD, self._rows_TD, min(self.n_neighbors, self._rows_TD.shape[0]))
        placed_MC = self.placed(knn, to_host(self.embedding))
        return namespace(new_MD).asarray(placed_MC) if on_device(new_MD) else placed_MC

    def placed(self, knn: Knn, fitted_TC: Any) -> Any:
        """As `transform`, where the neighbours `knn` of the new rows among the fitted rows and the places of these (T, C) are known."""
        from tda.geometry.sphere.placing import place

        return place(knn, fitted_TC, self._forces(len(fitted_TC), max(1, self._epochs() // PLACING), SLOWER), threads=self.threads)

    def angles(self) -> tuple[Any, Any]:
        """Return colatitude and longitude (N,) of the fitted layout, as `angles`. Raises UserError without a layout on the sphere."""
        if self.embedding is None or self.output != "sphere":
            raise UserError("angles exist only of a layout on the sphere; call fit_transform or layout first")
        return angles(self.embedding)

    def _remarks(self, knn: Knn) -> list[str]:
        remarks = []
        if knn.k + 1 < self.n_neighbors:
            remarks.append(f"n_neighbors={self.n_neighbors} is cut to {knn.k + 1}: there are {len(knn)} rows")
        if not bool((knn.distance_NK > 0).any()):
            remarks.append("every row equals its nearest neighbours: the layout shows no more than that")
        return remarks

    def _epochs(self) -> int:
        return self.n_epochs or SPHERE_EPOCHS

    def _forces(self, rows: int, epochs: int, slower: float = 1.0) -> Any:
        """Curve and steps of a layout of `rows` rows, in radians on the sphere."""
        from umap.umap_ import find_ab_params

        from tda.geometry.sphere.epochs_cpu import Forces

        a, b = find_ab_params(self.spread, self.min_dist)
        flat = self.output == "plane"
        radius = 1.0 if flat else sphere_radius(rows) if self.radius is None else self.radius
        rate = self.learning_rate or (PLANE_RATE if flat else SPHERE_RATE)
        return Forces(
            a=float(a * radius ** (2 * b)), b=float(b), repulsion=self.repulsion_strength, negatives=self.negative_sample_rate,
            learning_rate=rate / radius / slower, n_epochs=epochs, seed=self.seed,
        )  # fmt: skip

    def _sphere(self, init_M3: Any, graph: Any) -> Any:
        from tda.geometry.sphere.epochs_cpu import layout_cpu, schedule

        epochs = self._epochs()
        forces = self._forces(graph.shape[0], epochs)
        if cuda(self.device):
            from tda.geometry.sphere.epochs_cuda import layout_cuda

            return layout_cuda(init_M3, schedule(graph, epochs), forces)
        return layout_cpu(init_M3, schedule(graph, epochs), forces, threads=self.threads)

    def _plane(self, graph: Any, rows_ND: Any) -> Any:
        from umap.umap_ import find_ab_params

        a, b = find_ab_params(self.spread, self.min_dist)
        rate = PLANE_RATE if self.learning_rate is None else self.learning_rate
        common = (2, rate, a, b, self.repulsion_strength, self.negative_sample_rate)
        init = self.init if rows_ND is not None else "random"  # umap-learn's spectral start needs the rows to place components
        cupy = cuda(self.device)
        if cupy:
            from cuml.manifold.umap import simplicial_set_embedding as on_gpu

            rows_ND = cupy.zeros((graph.shape[0], 1), cupy.float32) if rows_ND is None else rows_ND  # cuML checks rows that it does not use
            return on_gpu(rows_ND, graph.tocoo(), *common, n_epochs=self.n_epochs, init=init, random_state=self.seed, metric="cosine")
        from umap.umap_ import simplicial_set_embedding

        draws = np.random.RandomState(self.seed)
        rows_ND = None if rows_ND is None else to_host(rows_ND)
        graph = graph.tocoo(copy=True)  # umap-learn changes it in place
        return simplicial_set_embedding(rows_ND, graph, *common, self.n_epochs, init, draws, "cosine", {}, False, {}, False)[0]


@dataclass(frozen=True, kw_only=True)
class Setting:
    """One layout of a sweep."""

    n_neighbors: int
    min_dist: float
    embedding: Any


def sweep(knn: Knn, n_neighbors: Sequence[int], min_dist: Sequence[float], **options: Any) -> Iterator[Setting]:
    """Yield the layouts of a grid (Figs 16, 17), computing the fuzzy graph and the start once for each value of `n_neighbors`.

    `knn` holds at least ``max(n_neighbors) - 1`` neighbours. `options`: the other fields of `SphereUMAP`. Raises UserError otherwise, and
    for values out of range.
    """
    for k in n_neighbors:
        graph = fuzzy_graph(knn, k, device=options.get("device", "auto"))
        init = SphereUMAP(k, **options).start(graph)
        for distance in min_dist:
            yield Setting(n_neighbors=k, min_dist=distance, embedding=SphereUMAP(k, distance, **options).layout(graph, init=init))


def _one_of(name: str, value: str, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise UserError(f"{name}={value!r} is unknown; choose one of: {', '.join(choices)}")


def _at_least(name: str, value: float, least: float) -> None:
    if value < least:
        raise UserError(f"{name}={value} is too small; it must be at least {least}")
