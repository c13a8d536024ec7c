"""What `jobs.plan` says of each part of an analysis against what the part takes: planned and measured core-seconds, and their ratio.

Core-seconds, and not the time on the wall, so that other load on the machine does not count. The rows are drawn on the spot, 512
dimensions in float16. Parts that would take longer than `--most` seconds by the plan are named and not run. Target: a ratio of at most 1.5
either way. Run: python tests/bench/plan.py [--pairs 3000 100000] [--most 600]
"""

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

os.environ |= {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "NUMBA_NUM_THREADS": "1"}  # threads that wait count as work

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1] / "support/rows"))

from recorded_rows import write_set

from jobs.analysis import alignment, gap_measures, interventions, layout_clusters_homology, local, pairs
from jobs.analysis.settled import settled
from jobs.planning.analysis import part_costs
from jobs.planning.machine import measured_here
from jobs.planning.work import CORES_OF_PLAN, Size
from tda.config.analysis import AnalysisConfig
from tda.geometry.arrays.namespace import row_blocks
from tda.geometry.spectrum.per_cluster import cluster_spectra
from tda.store.datasets.embedding_set import EmbeddingSet

DIM = 512
EXTREME = 1.5


def main() -> int:
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--pairs", type=int, nargs="+", default=[3_000, 100_000])
    asked.add_argument("--most", type=float, default=600.0)
    given = asked.parse_args()
    machines = measured_here()
    print(f"{machines.core_rate / 1e9:.0f} GFLOP a second of a core, measured")
    print(f"{'pairs':>9} {'part':26} {'planned':>9} {'measured':>9} {'ratio':>6}")
    for count in given.pairs:
        with tempfile.TemporaryDirectory() as folder:
            write(Path(folder), count)
            run = Parts(folder)
            run.warm()
            for cost in part_costs(Size(pairs=count, dim=DIM, itemsize=2), settled(AnalysisConfig(), count), machines):
                planned = cost.core_seconds
                if planned > given.most:
                    print(f"{count:9,} {cost.stage:26} {planned:9.1f} not run", flush=True)
                elif cost.stage in run.works:
                    took = seconds(run.works[cost.stage])
                    print(f"{count:9,} {cost.stage:26} {planned:9.2f} {took:9.2f} {planned / max(took, 1e-9):6.2f}", flush=True)
    return 0


def seconds(work: Callable[[], Any]) -> float:
    began = time.process_time()
    work()
    return time.process_time() - began


def write(root: Path, count: int, seed: int = 0) -> None:
    """Rows about shared centres, with a gap between the modalities."""
    rng = np.random.default_rng(seed)
    centres = rng.standard_normal((max(8, count // 500), DIM), dtype=np.float32)
    base_ND = centres[rng.integers(len(centres), size=count)]
    both = (base_ND + 0.6 * rng.standard_normal((count, DIM), dtype=np.float32) + shift for shift in (0.5, -0.5))
    write_set(root, "d", *both, shards=max(1, count // 10_000))


class Parts:
    """The work of each part, in this process."""

    def __init__(self, root: str) -> None:
        self.rows, self.analysis = EmbeddingSet(root, "d", "tiny"), AnalysisConfig()
        self.analysis = settled(self.analysis, len(self.rows))
        self.subject = layout_clusters_homology.Subject(
            embeddings=self.rows, analysis=self.analysis, folder=f"{root}/analysis", rows_hash="", results=f"{root}/analysis"
        )
        self.layout: Any = None
        self.works: dict[str, Callable[[], Any]] = {
            "gap, cosine, spectrum": self.statistics,
            "separability": lambda: pairs._separate_of(self.rows, {}, self.analysis),
            "retrieval": self.retrieval,
            "umap, mixing": self.umap,
            "clusters": lambda: layout_clusters_homology._fit_of(self.subject, self.layout),
            "local_dimension": self.local,
            "dimension": lambda: [layout_clusters_homology._dimension_of(self.subject, name) for name in ("image", "text", "both")],
            "homology": lambda: [layout_clusters_homology._homology_of(self.subject, name) for name in ("image", "text", "both")],
            "alignment": self.alignment,
            "gap_measures": lambda: gap_measures._sampled_of(self.rows, self.analysis),
            "interventions": lambda: interventions._changed_of(self.rows, self.analysis),
        }

    def warm(self) -> None:
        """Libraries are loaded and loops compiled before anything is measured."""
        with tempfile.TemporaryDirectory() as folder:
            write(Path(folder), 400)
            small = Parts(folder)
            for work in small.works.values():
                work()

    def blocks(self, rows: int | None = None) -> Iterator[slice]:
        return row_blocks(len(self.rows), rows or self.analysis.block_rows)

    def statistics(self) -> None:
        whole = None
        for block in self.blocks():
            one = pairs._pair_stats_of(self.rows, block.start, block.stop)
            whole = one if whole is None else whole.merge(one)
        assert whole is not None
        whole.gap_metrics()
        whole.cosine_metrics(self.analysis.cosine.quantiles)
        whole.spectrum_metrics("float16", 1e-3)

    def retrieval(self) -> None:
        positions_M = np.arange(len(self.rows))
        rows = min(max(-(-len(self.rows) // CORES_OF_PLAN), self.analysis.retrieval.tile), self.analysis.block_rows)
        for block in self.blocks(rows):
            pairs._counts_of(self.rows, positions_M, block.start, block.stop, self.analysis)

    def umap(self) -> None:
        self.layout = layout_clusters_homology._layout_of(self.subject)

    def alignment(self) -> None:
        for block in self.blocks():
            alignment._squared_of(self.rows, block.start, block.stop)
        alignment._uniformity_of(self.rows, self.analysis)

    def local(self) -> None:
        count = len(self.rows)
        groups = min(self.analysis.local_dimension.max_clusters, max(1, count // 500))
        label_2N = np.stack([np.arange(count) % groups] * 2)
        image, text = local._moments_of(self.rows, np.arange(count), label_2N, groups, [slice(0, groups)], self.analysis)
        cluster_spectra(image, text, 1e-3, "float16")
        local._two_nn_of(self.rows, np.arange(count), label_2N, self.analysis)


if __name__ == "__main__":
    sys.exit(main())
