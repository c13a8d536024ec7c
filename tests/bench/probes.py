"""Recall against probed cells, ours against faiss IVF with as many cells: rows without structure, clustered rows, real embeddings.

Queries are reference rows moved to a cosine of .953; found is a query whose own row is the closest that the search gives. Both sides lay
out the same rows, in one run. `--rows` and `--dim` change the drawn sets.

python tests/bench/probes.py
"""

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import faiss
import numpy as np
from rich.console import Console
from rich.table import Table as Printed

from tda.geometry.neighbors.reference import Reference

PROBES = (1, 2, 4, 8, 16, 32)
COSINE = 0.953
QUERIES = 4000
SHARED = Path(__file__).resolve().parents[3] / "shared" / "data"


def unit(x_ND: Any) -> Any:
    return (x_ND / np.linalg.norm(x_ND, axis=1, keepdims=True)).astype(np.float32)


def sets(rows: int, dim: int) -> Iterator[tuple[str, Any]]:
    """(name, unit rows)."""
    rng = np.random.default_rng(0)
    yield "random", unit(rng.standard_normal((rows, dim)))
    centre_CD = unit(rng.standard_normal((300, dim)))
    yield "clustered", unit(centre_CD[rng.integers(300, size=rows)] + 1.8 * rng.standard_normal((rows, dim)) / dim**0.5)
    for file in sorted(SHARED.glob("**/*.npz")):
        with np.load(file) as arrays:
            for name in ("image", "text"):
                if name in arrays and arrays[name].ndim == 2:
                    yield f"{file.stem} {name}", unit(arrays[name].astype(np.float32))


def queries_of(x_MD: Any) -> tuple[Any, Any]:
    """Rows (N, D) at `COSINE` to reference rows, and the places (N,) of these."""
    rng = np.random.default_rng(1)
    at_N = rng.choice(len(x_MD), min(QUERIES, len(x_MD)), replace=False)
    noise_ND = rng.standard_normal((len(at_N), x_MD.shape[1]))
    noise_ND -= (noise_ND * x_MD[at_N]).sum(1, keepdims=True) * x_MD[at_N]
    return (COSINE * x_MD[at_N] + np.sqrt(1 - COSINE**2) * unit(noise_ND)).astype(np.float32), at_N


def ours(x_MD: Any, cells: int, queries_ND: Any, at_N: Any) -> list[float]:
    reference = Reference(x_MD, cells=cells)
    return [float((reference.search(queries_ND, probes)[1][:, 0] == at_N).mean()) for probes in PROBES]


def theirs(x_MD: Any, cells: int, queries_ND: Any, at_N: Any) -> list[float]:
    index = faiss.IndexIVFFlat(faiss.IndexFlatIP(x_MD.shape[1]), x_MD.shape[1], cells, faiss.METRIC_INNER_PRODUCT)
    index.train(x_MD)
    index.add(x_MD)
    found = []
    for probes in PROBES:
        index.nprobe = probes
        found.append(float((index.search(queries_ND, 1)[1][:, 0] == at_N).mean()))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=40_000)
    parser.add_argument("--dim", type=int, default=256)
    given = parser.parse_args()
    printed = Printed("rows", "cells", "", *(f"{probes} probed" for probes in PROBES))
    for name, x_MD in sets(given.rows, given.dim):
        cells = max(1, int((4 * len(x_MD)) ** 0.5))
        for side, search in (("ours", ours), ("faiss IVF", theirs)):
            recalls = search(x_MD, cells, *queries_of(x_MD))
            printed.add_row(f"{name}, {len(x_MD):,} x {x_MD.shape[1]}", str(cells), side, *(f"{recall:.4f}" for recall in recalls))
    Console().print(printed)


if __name__ == "__main__":
    main()
