"""Planted clusters beyond the sample: what is the sample's fault, the layout's, the setting's.

Pairs of `clusters` planted directions with a gap between the modalities. A layout is fitted on `fitted` pairs of many more. Printed are
 - the sample: the share of a fitted row's neighbours that are of its cluster, where it falls below 1 the sample is too thin;
 - the layout: count, noise and adjusted Rand index of HDBSCAN on the sphere of radius 1, on the sphere that grows, and in the plane;
 - the setting: the same for other smallest clusters on the sphere that grows;
 - the rest: the same for pairs that were not fitted, placed and labelled one by one.
Run: python tests/bench/clusters_at_scale.py [fitted pairs] [clusters] [dimensions] [noise]
"""

import sys
import time
from typing import Any

import numpy as np

TRUST_ROWS = 500
FURTHER = 20_000  # pairs outside the fit
ARI_TARGET = 0.9


class World:
    """Directions, a gap, and pairs drawn around them."""

    def __init__(self, clusters: int, dim: int, noise: float) -> None:
        self.rng, self.noise = np.random.default_rng(0), noise
        self.centre_CD = unit(self.rng.standard_normal((clusters, dim)))
        self.gap_D = 0.3 * unit(self.rng.standard_normal((1, dim)))

    def draw(self, pairs: int) -> tuple[Any, Any]:
        """Rows (2 pairs, D), the images first, and the cluster of each."""
        truth = self.rng.integers(len(self.centre_CD), size=pairs)
        sides = [self.centre_CD[truth] + side * self.gap_D for side in (0.5, -0.5)]
        scale = self.noise / np.sqrt(self.centre_CD.shape[1])
        rows = [unit(x_ND + scale * self.rng.standard_normal(x_ND.shape)) for x_ND in sides]
        return np.concatenate(rows).astype(np.float32), np.concatenate([truth, truth])


def unit(x_ND: Any) -> Any:
    return x_ND / np.linalg.norm(x_ND, axis=1, keepdims=True)


def score(name: str, truth: Any, label: Any, seconds: float) -> float:
    from sklearn.metrics import adjusted_rand_score

    ari = float(adjusted_rand_score(truth, label))
    count, noise = int(label.max()) + 1, float(np.mean(label < 0))
    print(f"{name:52s} {count:6,} clusters  noise {noise:.3f}  ARI {ari:.3f}  {seconds:6.1f} s", flush=True)
    return ari


def main(pairs: int = 50_000, clusters: int = 2000, dim: int = 64, noise: float = 0.7) -> int:
    from tda.geometry.clusters.density import hdbscan
    from tda.geometry.mixing import trustworthiness, trustworthiness_among
    from tda.geometry.neighbors.among import Among
    from tda.geometry.neighbors.graph import knn_graph
    from tda.geometry.sphere.fuzzy_graph import fuzzy_graph
    from tda.geometry.sphere.umap import SphereUMAP

    world = World(clusters, dim, noise)
    x_ND, truth = world.draw(pairs)
    began = time.perf_counter()
    knn = knn_graph(x_ND, 14, device="cpu")
    pure = float(np.mean(truth[knn.index_NK] == truth[:, None]))
    seconds = time.perf_counter() - began
    print(f"the sample: {pairs:,} pairs of {clusters:,} clusters, {pure:.4f} of neighbours are of the cluster; graph {seconds:.1f} s")
    graph, layouts = fuzzy_graph(knn, 15, device="cpu"), {}
    for name, options in (("radius 1", {"radius": 1.0}), ("radius by rows", {}), ("plane", {"output": "plane"})):
        began = time.perf_counter()
        layouts[name] = np.asarray(SphereUMAP(device="cpu", **options).layout(graph, rows_ND=x_ND))
        score(f"the layout: {name}", truth, hdbscan(layouts[name], 10, sample=2**40).labels, time.perf_counter() - began)
    grown_N3 = layouts["radius by rows"]
    for size, samples in ((10, 10), (10, 5), (20, 10), (32, 10), (32, 32), (50, 10)):
        began = time.perf_counter()
        score(
            f"the setting: min_cluster_size={size} min_samples={samples}",
            truth,
            hdbscan(grown_N3, size, samples, sample=2**40).labels,
            time.perf_counter() - began,
        )
    new_MD, new_truth = world.draw(FURTHER)
    found, began = hdbscan(grown_N3, 10, sample=2**40), time.perf_counter()
    placed_M3 = SphereUMAP(device="cpu").placed(Among(x_ND, 15).nearest(new_MD), grown_N3)
    assert found.predictor is not None
    ari = score("the rest: rows that were not fitted", new_truth, found.predictor.predict(placed_M3)[0], time.perf_counter() - began)
    inside = trustworthiness(x_ND, grown_N3, max_rows=TRUST_ROWS)
    outside = trustworthiness_among(new_MD[:TRUST_ROWS], placed_M3[:TRUST_ROWS], x_ND, grown_N3)
    print(f"trustworthiness of fitted rows {inside:.4f}, of others {outside:.4f}")
    met = ari >= ARI_TARGET and outside >= inside - 0.01
    print(f"clusters at scale: {'met' if met else 'NOT MET'}")
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main(*(float(word) if "." in word else int(word) for word in sys.argv[1:])))
