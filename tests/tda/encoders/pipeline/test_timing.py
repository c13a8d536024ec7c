"""Where the time went, from seconds by stage."""

import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from tda.encoders.pipeline.timing import Seconds, binding_stage, speed, together

STAGES = {"read": 1.0, "decode": 10.0, "resize": 6.0, "batch": 0.5, "encode": 7.0, "write": 2.0, "wait": 3.0, "span": 10.0}


def test_many_threads_add_up_and_every_step_is_reported() -> None:
    steps: list[int] = []
    seconds = Seconds(lambda: steps.append(1))

    def step(_: int) -> None:
        with seconds.timed("decode"):
            time.sleep(0.001)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(step, range(40)))
    assert seconds.sums["decode"] >= 40 * 0.001
    assert len(steps) == 40


@pytest.mark.parametrize(("threads", "binds"), [(1, "decode"), (2, "decode"), (4, "encode")])
def test_the_busiest_stage_binds(threads: int, binds: str) -> None:
    assert binding_stage(STAGES, threads) == binds


def test_speed() -> None:
    reported = speed(STAGES, pairs=500, threads=4, flops=2e9, rate=1e9)
    assert reported == {"pairs_per_second": 50.0, "device_busy": 0.7, "binds": "encode", "decode_threads": 4, "roofline": 0.2}
    assert "roofline" not in speed(STAGES, pairs=500, threads=4, flops=0, rate=1e9)


def test_shards_together_weigh_by_their_spans() -> None:
    quick = {"span": 1.0, "encode": 1.0}
    slow = {"span": 3.0, "encode": 1.0, "decode": 5.0}
    reported = together(
        [(quick, speed(quick, pairs=8, threads=2, flops=5, rate=10)), (slow, speed(slow, pairs=12, threads=2, flops=3, rate=10))]
    )
    assert (reported["device_busy"], reported["roofline"], reported["binds"], reported["pairs_per_second"]) == (0.5, 0.2, "decode", 5.0)
    assert together([]) == {}
    assert together([({}, {})]) == {}
