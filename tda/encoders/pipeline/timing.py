"""Where the time of embedding goes: seconds by stage, the device's utilisation, its share of the roofline, and the slowest stage.

Stages overlap, so their sum exceeds the elapsed time. `read` is the reader's, `decode` and `resize` are sums over the decoding threads,
`batch` is making and sending batches, `encode` is work of the device, `write` publishes the shard, and `wait` is idle time of the device.
`span` is the time from the end of the last shard to the end of this one: spans add up to the run.
"""

import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

# stage -> its parts; `decode` is divided by the decoding threads
STAGES = {"read": ("read",), "decode": ("decode", "resize"), "batch": ("batch",), "encode": ("encode",), "write": ("write",)}


@dataclass
class Seconds:
    """Sums by stage, from many threads. `moved_on` is called after every step of a stage."""

    moved_on: Callable[[], None] = lambda: None
    sums: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, stage: str, seconds: float) -> None:
        with self._lock:
            self.sums[stage] += seconds

    @contextmanager
    def timed(self, stage: str) -> Iterator[None]:
        start = time.perf_counter()
        try:
            yield
        finally:
            self.add(stage, time.perf_counter() - start)
            self.moved_on()


def binding_stage(seconds: Mapping[str, float], threads: int) -> str:
    """The stage that is busy for the largest share of the span: a faster other stage gains nothing. `threads` decode."""
    busy = {stage: sum(seconds.get(part, 0.0) for part in parts) for stage, parts in STAGES.items()}
    busy["decode"] /= max(1, threads)
    return max(busy, key=lambda stage: busy[stage])


def speed(seconds: Mapping[str, float], *, pairs: int, threads: int, flops: float, rate: float) -> dict[str, Any]:
    """Rates and shares, computed from the seconds.

    pairs_per_second; device_busy, the share of the span in [0, 1]; roofline, the share of the device's `rate` (FLOP/s) that `flops` (the
    models' own work on these pairs) make of the span, left out if unknown; binds, the slowest stage.
    """
    span = max(seconds.get("span", 0.0), 1e-9)
    reported: dict[str, Any] = {
        "pairs_per_second": round(pairs / span, 3),
        "device_busy": round(min(1.0, seconds.get("encode", 0.0) / span), 4),
        "binds": binding_stage(seconds, threads),
        "decode_threads": threads,
    }
    if flops and rate:
        reported["roofline"] = round(flops / (span * rate), 4)
    return reported


def together(shards: Sequence[tuple[Mapping[str, float], Mapping[str, Any]]]) -> dict[str, Any]:
    """The `speed` of several shards, from the seconds and the speed of each; empty if none of them has a span."""
    sums: dict[str, float] = defaultdict(float)
    for seconds, _ in shards:
        for stage, value in seconds.items():
            sums[stage] += value
    if not sums["span"]:
        return {}
    threads = max(int(reported.get("decode_threads", 1)) for _, reported in shards)
    pairs, work = (
        sum(reported.get(name, 0.0) * seconds.get("span", 0.0) for seconds, reported in shards) for name in ("pairs_per_second", "roofline")
    )
    return speed(sums, pairs=round(pairs), threads=threads, flops=work, rate=1.0)
