"""How each part of an analysis grows: seconds, peak memory and exponent at 10,000 to 4,000,000 pairs of 512 dimensions, made on the spot.

Each part is `python -m jobs.analyze` with its defaults for that part alone, on the results of the parts before it; the seconds of a command
that finds all done are taken off. Memory is the sum over all processes of the command, shared pages counted once. A part that would take
longer than `--most` seconds by its growth so far is named and not run. Targets: no exponent above 1.1; 1,000,000 pairs in 15 minutes and
8 GB on 2 cores.
Run: python tests/bench/scale.py [--pairs 10000 100000] [--most 900]
"""

import argparse
import math
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1] / "support/rows"))

from small_rows import SOURCE, identity

from tda.config.analysis import PARTS
from tda.store.commit.rows import Rows, unit_rows
from tda.store.commit.transaction import publish_shard
from tda.store.paths import RootPaths

SIZES = (10_000, 100_000, 1_000_000, 4_000_000)
DIM, SHARD_ROWS, A_CENTRE = 512, 10_000, 500
LOOK_EVERY = 0.3  # seconds between two looks at the memory
LEAST_SECONDS = 1.0  # below it a time says nothing of growth
Row = dict[str, Any]


def main() -> int:
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--pairs", type=int, nargs="+", default=list(SIZES))
    asked.add_argument("--most", type=float, default=900.0)
    given = asked.parse_args()
    before: dict[str, Row] = {}
    print(f"{'pairs':>10} {'part':18} {'seconds':>8} {'GB':>6} {'exponent':>9}", flush=True)
    for pairs in sorted(given.pairs):
        with tempfile.TemporaryDirectory() as folder:
            write(Path(folder), pairs)
            rows = dict(measured(folder, pairs, before, given.most))
        total = sum(row["seconds"] for row in rows.values())
        print(f"{pairs:10,} {'all of these':18} {total:8.1f} {max((row['gb'] for row in rows.values()), default=0):6.2f}", flush=True)
        before |= rows
    return 0


def write(root: Path, pairs: int) -> None:
    """Shards of rows about shared centres with a gap between the modalities; a shard at a time in memory."""
    centre_CD = np.random.default_rng(0).standard_normal((max(8, pairs // A_CENTRE), DIM), dtype=np.float32)
    for shard, start in enumerate(range(0, pairs, SHARD_ROWS)):
        rng, count = np.random.default_rng([1, shard]), min(SHARD_ROWS, pairs - start)
        base_ND = centre_CD[rng.integers(len(centre_CD), size=count)]
        both = [base_ND + 0.6 * rng.standard_normal((count, DIM), dtype=np.float32) + shift for shift in (0.5, -0.5)]
        image_ND, text_ND = (unit_rows(x_ND, "float16")[0] for x_ND in both)
        names = [f"{start + i:08d}" for i in range(count)]
        rows = Rows(ordinals=list(range(count)), keys=names, captions=names, image_ND=image_ND, text_ND=text_ND)
        publish_shard(RootPaths(str(root)), "d", "e", f"{shard:05d}", rows=rows, drops=[], identity=identity(), source=SOURCE)


def measured(root: str, pairs: int, before: dict[str, Row], most: float) -> Iterator[tuple[str, Row]]:
    """(part, its row) of every part that is run, printed at once."""
    left_out, idle = set[str](), 0.0
    for part in PARTS:
        earlier = before.get(part)
        expected = earlier["seconds"] * pairs / earlier["pairs"] if earlier else 0.0
        if expected > most or (before and earlier is None) or left_out & NEEDS.get(part, set()):
            left_out.add(part)
            print(f"{pairs:10,} {part:18} not run: about {expected:.0f} s by its growth so far", flush=True)
            continue
        seconds, peak = command(root, part)
        if not idle:
            idle, _ = command(root, part)
        row = {"pairs": pairs, "seconds": max(0.0, seconds - idle), "gb": peak}
        print(f"{pairs:10,} {part:18} {row['seconds']:8.1f} {peak:6.2f} {exponent(earlier, row):>9}", flush=True)
        yield part, row


NEEDS = {
    "mixing": {"umap"},
    "clusters": {"umap"},
    "placement": {"umap", "clusters"},
    "local_dimension": {"clusters", "placement", "retrieval"},
}


def exponent(earlier: Row | None, row: Row) -> str:
    if earlier is None or min(earlier["seconds"], row["seconds"]) < LEAST_SECONDS:
        return "-"
    return f"{math.log(row['seconds'] / earlier['seconds']) / math.log(row['pairs'] / earlier['pairs']):.2f}"


def command(root: str, part: str) -> tuple[float, float]:
    """Seconds of the command and the peak of its memory in GB. Raises SystemExit where it fails."""
    words = ["dataset.name=d", "encoder.name=e", f"analysis.parts=[{part}]", f"root={root}"]
    began, peak = time.perf_counter(), 0
    with tempfile.TemporaryFile() as errors:
        run = subprocess.Popen([sys.executable, "-m", "jobs.analyze", *words], stdout=errors, stderr=errors)
        while run.poll() is None:
            peak = max(peak, memory_of(run.pid))
            time.sleep(LOOK_EVERY)
        if run.returncode != 0:
            errors.seek(0)
            raise SystemExit(errors.read().decode()[-3000:])
    return time.perf_counter() - began, peak / 1e9


def memory_of(pid: int) -> int:
    """Bytes of a process and all below it, shared pages divided among those that share them."""
    below: dict[int, list[int]] = {}
    for entry in os.listdir("/proc"):  # noqa: PTH208 (a Path each is most of the time)
        if entry.isdigit():
            below.setdefault(parent_of(int(entry)), []).append(int(entry))
    found, todo = 0, [pid]
    while todo:
        one = todo.pop()
        todo += below.get(one, [])
        found += own_memory(one)
    return found


def parent_of(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except (OSError, IndexError, ValueError):
        return -1


def own_memory(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return sum(1024 * int(line.split()[1]) for line in lines if line.startswith("Pss:"))


if __name__ == "__main__":
    sys.exit(main())
