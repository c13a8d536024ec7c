"""Reading embeddings: GB/s of the store beside numpy.load's, on the same rows, one thread, files in the page cache. Best of several rounds.

Target: at least half of numpy.load's rate. Run: python tests/bench/read.py [rows] [dimensions]
"""

import os
import sys
import tempfile
import time
from collections.abc import Callable

import numpy as np

from tda.store import EmbeddingSet
from tda.store.commit.records import Identity
from tda.store.commit.rows import Rows, unit_rows
from tda.store.commit.transaction import publish_shard
from tda.store.paths import RootPaths
from tda.store.types import Source

ROUNDS, SHARDS, TARGET = 7, 4, 0.5


def main(rows: int = 200_000, dim: int = 512) -> int:
    image_ND = unit_rows(np.random.default_rng(0).standard_normal((rows, dim), dtype=np.float32), "float16")[0]
    with tempfile.TemporaryDirectory() as folder:
        np.save(f"{folder}/image.npy", image_ND)
        written = publish(folder, image_ND)
        embeddings = EmbeddingSet(folder, "bench", "bench")
        assert np.array_equal(embeddings.image(), image_ND)
        readers: dict[str, tuple[Callable[[], object], int]] = {
            "numpy.load": (lambda: np.load(f"{folder}/image.npy"), 1),
            "EmbeddingSet.image": (embeddings.image, 1),
            "EmbeddingSet.blocks, both modalities": (lambda: sum(len(block.image_ND) for block in embeddings.blocks(65_536)), 2),
            "EmbeddingSet.table": (lambda: embeddings.table(["image"]), 1),
        }
        seconds: dict[str, list[float]] = {name: [] for name in readers}
        for _ in range(ROUNDS):  # in turns, so that other work on the machine falls on all alike
            for name, (read, _modalities) in readers.items():
                seconds[name].append(timed(read))
    print(f"{rows} x {dim} float16, {SHARDS} shards, {os.cpu_count()} CPUs; written at {2 * image_ND.nbytes / written / 1e9:.2f} GB/s")
    rates = {name: image_ND.nbytes * modalities / min(seconds[name]) / 1e9 for name, (_, modalities) in readers.items()}
    for name, rate in rates.items():
        print(f"{name:40s} {rate:6.2f} GB/s   {rate / rates['numpy.load']:5.2f} of numpy.load")
    ratio = rates["EmbeddingSet.image"] / rates["numpy.load"]
    print(f"read: {ratio:.2f} of numpy.load, target {TARGET}: {'met' if ratio >= TARGET else 'NOT MET'}")
    return 0 if ratio >= TARGET else 1


def publish(root: str, image_ND: np.ndarray) -> float:
    """Seconds that writing took, both modalities."""
    identity = Identity(encoder="bench", weights_sha256="bench", preprocessing={}, dtype="float16")
    began = time.perf_counter()
    for shard, part_ND in enumerate(np.array_split(image_ND, SHARDS)):
        n = len(part_ND)
        rows = Rows(ordinals=range(n), keys=["key"] * n, captions=["a caption"] * n, image_ND=part_ND, text_ND=part_ND)
        publish_shard(RootPaths(root), "bench", "bench", f"{shard:05d}", rows=rows, drops=[], identity=identity, source=Source("", 0, ""))
    return time.perf_counter() - began


def timed(read: Callable[[], object]) -> float:
    began = time.perf_counter()
    read()
    return time.perf_counter() - began


if __name__ == "__main__":
    sys.exit(main(*map(int, sys.argv[1:])))
