"""Signs of life: a number that grows, measured by the reader's own clock."""

import time
from pathlib import Path

from jobs.watching.lease import Leases, beating


def test_the_number_grows_inside_the_block_alone(tmp_path: Path) -> None:
    url, leases = str(tmp_path / "beat.json"), Leases(60)
    with beating(url, 0.04):
        deadline = time.monotonic() + 60
        while not leases.alive(url) and time.monotonic() < deadline:
            assert not leases.lost(url)
            time.sleep(0.01)
    assert leases.alive(url)
    leases.lost(url)
    before = (tmp_path / "beat.json").read_bytes()
    time.sleep(0.1)
    assert (tmp_path / "beat.json").read_bytes() == before


def test_a_number_that_stands_still_for_a_lease_is_lost(tmp_path: Path) -> None:
    now = [0.0]
    url, leases = str(tmp_path / "beat.json"), Leases(60, lambda: now[0])
    for at, lost in ((0, False), (59, False), (60, True)):  # there is not even a file
        now[0] = at
        assert leases.lost(url) is lost, at
    (tmp_path / "beat.json").write_text('{"beat": 1}')
    assert not leases.lost(url)
    assert leases.alive(url)
    now[0] = 120
    assert leases.lost(url)
    assert not leases.alive(url)
