"""UMAP on the sphere against umap-learn's haversine layout, on 10,000 stacked rows x 512 of two clustered modalities.

`sphere.py [layout] [grid] [scale] [ROWS]`, all three by default, 10,000 rows: one layout on the same fuzzy graph for the same number of
epochs, with trustworthiness, and on one thread by CPU seconds, which other work on the machine moves least; the 16 cells of Figs 16 and
17 against 16 runs of umap-learn (one a row of cells is run, its time counted 4 times); cost against N. umap-learn compiles its generic
layout anew in every call: that time is measured apart, and the ratio given both ways.
"""

import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.spatial import KDTree

from tda.geometry.mixing import layout_neighbors, modality_mixing, trustworthiness
from tda.geometry.neighbors.graph import Knn, knn_graph
from tda.geometry.sphere.fuzzy_graph import fuzzy_graph
from tda.geometry.sphere.umap import SphereUMAP, sweep

ROWS, DIM, EPOCHS = 10_000, 512, 200
NEIGHBORS, DISTANCES = (5, 15, 50, 100), (0.0, 0.1, 0.4, 0.8)
SIZES = (10_000, 50_000, 200_000)


def drawn(rows: int) -> Any:
    """Pairs that share a topic of 60 and a place of 12 dimensions in it, a gap between the modalities, noise of their own."""
    rng = np.random.default_rng(0)
    half = rows // 2
    topic_N = rng.integers(60, size=half)
    spread = rng.normal(size=(60, 12, DIM)) / np.sqrt(12)
    shared_ND = rng.normal(size=(60, DIM))[topic_N] + 0.7 * np.einsum("nl,nld->nd", rng.normal(size=(half, 12)), spread[topic_N])
    gap_D = 0.8 * rng.normal(size=DIM)
    x_ND = np.concatenate([shared_ND + sign * gap_D + 0.6 * rng.normal(size=(half, DIM)) for sign in (1, -1)])
    return (x_ND / np.linalg.norm(x_ND, axis=1, keepdims=True)).astype(np.float32)


def clock(work: Callable[[], Any]) -> tuple[float, Any]:
    start = time.perf_counter()
    done = work()
    return time.perf_counter() - start, done


def cpu(work: Callable[[], Any]) -> float:
    start = time.process_time()
    work()
    return time.process_time() - start


def umap_haversine(graph: Any, epochs: int) -> Any:
    """umap-learn's layout of a graph by its haversine output metric, as unit vectors."""
    from umap.distances import haversine_grad
    from umap.umap_ import find_ab_params, simplicial_set_embedding

    a, b = find_ab_params(1.0, 0.1)
    layout_N2 = simplicial_set_embedding(
        None, graph.tocoo(copy=True), 2, 1.0, a, b, 1.0, 5, epochs, "random", np.random.RandomState(0), "cosine", {}, False, {}, False,
        output_metric=haversine_grad, euclidean_output=False,
    )[0]  # fmt: skip
    return on_sphere(layout_N2)


def on_sphere(layout_N2: Any) -> Any:
    ring_N = np.sin(layout_N2[:, 0])
    return np.stack([ring_N * np.cos(layout_N2[:, 1]), ring_N * np.sin(layout_N2[:, 1]), np.cos(layout_N2[:, 0])], axis=1)


def layout(x_ND: Any) -> None:
    graph = fuzzy_graph(knn_graph(x_ND, 14), 15)
    SphereUMAP(n_epochs=1).layout(graph)
    # Interleaved, so that a neighbour's load meets both.
    rounds = [(clock(lambda: SphereUMAP(n_epochs=EPOCHS).layout(graph)), clock(lambda: umap_haversine(graph, EPOCHS))) for _ in range(2)]
    (ours, ours_N3), (theirs, theirs_N3) = (min((turn[who] for turn in rounds), key=lambda timed: timed[0]) for who in (0, 1))
    tiny = fuzzy_graph(knn_graph(x_ND[:60], 14), 15)
    compiling = clock(lambda: umap_haversine(tiny, 1))[0]
    print(f"layout of {len(x_ND)} rows, {EPOCHS} epochs: lacuna {ours:.2f} s (start included), umap-learn haversine {theirs:.1f} s")
    print(f"  times faster: {theirs / ours:.1f}; not counting the {compiling:.1f} s umap-learn compiles: {(theirs - compiling) / ours:.1f}")
    one = min(cpu(lambda: SphereUMAP(n_epochs=EPOCHS, threads=1).layout(graph)) for _ in range(2))
    alone = cpu(lambda: umap_haversine(graph, EPOCHS))
    print(f"  one thread each, CPU seconds: lacuna {one:.2f}, umap-learn {alone:.1f}: {alone / one:.1f} times")
    for name, layout_N3 in (("lacuna", ours_N3), ("umap-learn", theirs_N3)):
        apart = modality_mixing(layout_neighbors(layout_N3), np.arange(len(x_ND)) < len(x_ND) // 2).other
        print(f"  {name}: trustworthiness {trustworthiness(x_ND, layout_N3, 15):.4f}, other-modality share {apart:.4f}")


def grid(x_ND: Any) -> None:
    from umap import UMAP

    def cells() -> int:
        return len(list(sweep(knn_graph(x_ND, max(NEIGHBORS)), NEIGHBORS, DISTANCES)))

    ours, count = clock(cells)
    print(f"grid of {count} cells of {len(x_ND)} rows: lacuna {ours:.1f} s, neighbours included")
    rows = []
    for k in NEIGHBORS:
        model = UMAP(n_neighbors=k, min_dist=0.1, metric="cosine", output_metric="haversine", n_epochs=EPOCHS, random_state=0)
        rows.append(clock(lambda model=model: model.fit(x_ND))[0])  # type: ignore[misc] # a lambda's default
        print(f"  umap-learn n_neighbors={k}: {rows[-1]:.1f} s")
    print(f"  16 runs of umap-learn at 4 times these: {4 * sum(rows):.0f} s; times faster: {4 * sum(rows) / ours:.1f}")


def planted_graph(rows: int) -> Any:
    """The fuzzy graph of points in 4 dimensions, whose neighbours a tree finds exactly."""
    points_N4 = np.random.default_rng(0).normal(size=(rows, 4))
    distance_NK, index_NK = KDTree(points_N4).query(points_N4, 15, workers=-1)
    return fuzzy_graph(Knn(index_NK=index_NK[:, 1:].astype(np.int32), distance_NK=distance_NK[:, 1:].astype(np.float32)), 15)


def scale() -> None:
    seconds = []
    for rows in SIZES:
        graph = planted_graph(rows)
        seconds.append(min(clock(lambda graph=graph: SphereUMAP().layout(graph))[0] for _ in range(2)))  # type: ignore[misc] # as above
        print(f"layout of {rows} rows, start included: {seconds[-1]:.2f} s")
    print(f"cost grows as N^{np.polyfit(np.log(SIZES), np.log(seconds), 1)[0]:.2f}")


def main() -> int:
    sizes = [int(word) for word in sys.argv[1:] if word.isdigit()]
    chosen = [word for word in sys.argv[1:] if not word.isdigit()] or ["layout", "grid", "scale"]
    x_ND = drawn(sizes[0] if sizes else ROWS)
    for name in chosen:
        {"layout": lambda: layout(x_ND), "grid": lambda: grid(x_ND), "scale": scale}[name]()
    return 0


if __name__ == "__main__":
    sys.exit(main())
