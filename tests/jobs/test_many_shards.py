"""The driver over as many shards as LAION-2B has, on workers that take no time: interrupted, resumed, found done; nothing twice."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

BENCH = Path(__file__).parents[1] / "bench" / "driver.py"


@pytest.mark.long
def test_a_driver_of_230_000_shards_stays_small_and_does_none_twice() -> None:
    done = subprocess.run([sys.executable, str(BENCH), "230000"], capture_output=True, text=True, check=False, timeout=880)
    assert done.returncode == 0, done.stderr[-2000:]
    rows = {row["what"]: row for row in json.loads(done.stdout.splitlines()[-1])}
    assert rows["embed, interrupted"]["shards"] + rows["embed, resumed"]["shards"] == 230_000
    assert all(row["peak_gb"] < 2 for row in rows.values()), rows


def test_a_small_set_goes_the_same_way() -> None:
    done = subprocess.run([sys.executable, str(BENCH), "300"], capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr[-2000:]
    assert {row["shards"] for row in json.loads(done.stdout.splitlines()[-1])} == {100, 200, 300}
