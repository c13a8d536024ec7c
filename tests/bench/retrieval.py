"""Ranks of 20,000 pairs x 512, both ways, against a dense N x N similarity matrix and argsort: seconds and peak memory.

With `queries`: 20,000 queries among 65,536 candidates, against the rate of the machine's plain float32 product in the same process.

Each contestant runs in a process of its own, so that the peak resident memory is its own. The pairs are as hard as real ones: the
true partner is first about half of the time.
"""

import json
import resource
import subprocess
import sys
import time
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

PAIRS, DIM, TURNS = 20_000, 512, 2
CANDIDATES, BLOCK, SIDE = 65_536, 16_384, 4096  # of `queries`: rows ranked among, rows at a time, rows of the plain product
TARGET = 0.7  # share of the plain product's rate


def drawn(pairs: int = PAIRS) -> tuple[Any, Any]:
    rng = np.random.default_rng(0)
    image_ND = rng.standard_normal((pairs, DIM), dtype=np.float32)
    text_ND = 0.19 * image_ND + rng.standard_normal((pairs, DIM), dtype=np.float32)
    return tuple(x_ND / np.linalg.norm(x_ND, axis=1, keepdims=True) for x_ND in (image_ND, text_ND))


def tiled(image_ND: Any, text_ND: Any) -> tuple[Any, Any]:
    from tda.geometry.retrieval import ranks

    return ranks(image_ND, text_ND)


def dense(image_ND: Any, text_ND: Any) -> tuple[Any, Any]:
    """Rank of the diagonal by a full argsort of every row, then of every column."""
    scores_NN = image_ND @ text_ND.T
    own_N = np.arange(len(scores_NN))
    return tuple((np.argsort(-s_NN, axis=1) == own_N[:, None]).argmax(axis=1) + 1 for s_NN in (scores_NN, scores_NN.T))


CONTESTANTS = {"tiled": tiled, "dense": dense}


def contest(name: str) -> None:
    """Run one contestant and print its result as JSON."""
    image_ND, text_ND = drawn()
    start = time.perf_counter()
    found = CONTESTANTS[name](image_ND, text_ND)
    seconds = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(json.dumps({"seconds": seconds, "peak": peak, "top1": [float((ranks_N == 1).mean()) for ranks_N in found]}))


def run(name: str) -> dict[str, Any]:
    done = subprocess.run([sys.executable, __file__, name], capture_output=True, text=True, check=True)
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def queries() -> int:
    """Rate of the ranks of queries as a share of the plain product's, measured in turns: 0 where it reaches the target."""
    from tda.geometry.query_ranks import Queries, query_counts, ranking_flops

    image_ND, text_ND = (x_ND.astype(np.float16) for x_ND in drawn(CANDIDATES))
    asked = Queries.of(image_ND[:PAIRS], text_ND[:PAIRS])
    a_SD, b_DS = asked.image32_QD[:SIDE], np.ascontiguousarray(asked.text32_QD[:SIDE].T)
    query_counts(asked, image_ND[:64], text_ND[:64])  # compiled
    plain, ours = list[float](), list[float]()
    for start in range(0, CANDIDATES, BLOCK):
        rows = slice(start, start + BLOCK)
        plain += [2 * SIDE * SIDE * DIM / seconds(lambda: a_SD @ b_DS) for _ in range(3)]
        took = seconds(lambda rows=rows: query_counts(asked, image_ND[rows], text_ND[rows]))
        ours.append(ranking_flops(CANDIDATES, PAIRS, DIM) * BLOCK / CANDIDATES / took)
    share = float(np.median(ours) / np.median(plain))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    rate = np.median(ours) / 1e9
    print(f"{PAIRS:,} queries among {CANDIDATES:,} x {DIM}: {rate:.0f} GFLOP/s, both ways, from float16 rows, peak {peak:.2f} GB")
    print(f"plain float32 product: {np.median(plain) / 1e9:.0f} GFLOP/s; share {share:.2f} (target: {TARGET})")
    return 0 if share >= TARGET else 1


def seconds(work: Any) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def main() -> int:
    turns = [{name: run(name) for name in CONTESTANTS} for _ in range(TURNS)]
    best = {name: min((turn[name] for turn in turns), key=lambda result: result["seconds"]) for name in CONTESTANTS}
    table = Table(title=f"retrieval both ways at N = {PAIRS:,} x {DIM}, best of {TURNS} turns")
    for heading in ("", "seconds", "ratio to tiled", "peak memory", "top-1 i2t / t2i"):
        table.add_column(heading, justify="right" if heading else "left")
    for name, result in best.items():
        ratio = result["seconds"] / best["tiled"]["seconds"]
        table.add_row(
            name,
            f"{result['seconds']:.1f}",
            f"{ratio:.1f}",
            f"{result['peak'] / 1e9:.2f} GB",
            " / ".join(f"{v:.4f}" for v in result["top1"]),
        )
    Console(width=110).print(table)
    ratio = best["dense"]["seconds"] / best["tiled"]["seconds"]
    print(f"{ratio:.1f} times as fast as dense (target: 3), peak {best['tiled']['peak'] / 1e9:.2f} GB (target: under 1)")
    return 0


if __name__ == "__main__":
    if sys.argv[1:] == ["queries"]:
        sys.exit(queries())
    elif len(sys.argv) > 1:
        contest(sys.argv[1])
    else:
        sys.exit(main())
