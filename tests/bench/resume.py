"""Coming back to a root with many recorded shards: seconds until the driver knows what is done, and the memory that it takes.

Target: 100,000 records in less than 10 s; memory that hardly grows with the records. Run: python tests/bench/resume.py [records]
"""

import json
import subprocess
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path

from tda.store.commit.records import ShardRecord
from tda.store.paths import RootPaths

TARGET = 10.0  # seconds for 100,000 records
SMALL = 5_000

RESUME = """
import json, sys, time
from jobs.embed import _recorded
from tda.store.paths import RootPaths
from tda.store.commit.records import recorded_shards
def peak():
    return next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmHWM")) / 1024
layout, shards = RootPaths(sys.argv[1]), {f"{i:06d}": "" for i in range(int(sys.argv[2]))}
before, began = peak(), time.perf_counter()
listed = len(recorded_shards(layout, "d", "e"))
listing = time.perf_counter() - began
began = time.perf_counter()
totals = _recorded(layout, "d", "e", shards)
print(json.dumps([listed, listing, time.perf_counter() - began, peak() - before, totals.rows_in]))
"""


def main(records: int = 100_000) -> int:
    with tempfile.TemporaryDirectory() as folder:
        fill(folder, records)
        rows = {count: json.loads(run(folder, count)) for count in (0, SMALL, records)}
    print(f"{'records counted':>16} {'listing s':>10} {'reading s':>10} {'memory MiB':>11}")
    for count, (_, listing, reading, memory, _rows) in rows.items():
        print(f"{count:16,d} {listing:10.2f} {reading:10.2f} {memory:11.1f}")
    took = rows[records][1] + rows[records][2]
    print(f"resume: {took:.2f} s for {records:,} records, target {TARGET:g} s: {'met' if took < TARGET else 'NOT MET'}")
    return 0 if took < TARGET else 1


def run(folder: str, count: int) -> str:
    return subprocess.run([sys.executable, "-c", RESUME, folder, str(count)], capture_output=True, text=True, check=True).stdout


def fill(folder: str, records: int) -> None:
    """Records as a run leaves them, of ten thousand pairs each; the driver does not open their Parquet."""
    record = ShardRecord(
        dataset="d",
        encoder="e",
        shard="",
        source={"path": "s3://bucket/laion/00000.tar", "size": 300_000_000, "etag": "0123456789abcdef0123456789abcdef"},
        rows_in=10_000,
        rows_out=9_990,
        drops={"image_truncated": 7, "empty_caption": 3},
        output={"sha256": "0" * 64, "bytes": 21_000_000},
        weights_sha256="1" * 64,
        config_hash="2" * 64,
        seconds={"read": 1.0, "decode": 2.0, "batch": 3.0, "encode": 4.0},
        canary={"digest": "c1:" + "3" * 64, "device": "cuda", "precision": "bf16", "cosine": 0.9999},
    )
    path = Path(RootPaths(folder).records_dir("d", "e"))
    path.mkdir(parents=True)
    for i in range(records):
        (path / f"{i:06d}.json").write_text(json.dumps({**asdict(record), "shard": f"{i:06d}"}, indent=1))


if __name__ == "__main__":
    sys.exit(main(*map(int, sys.argv[1:])))
