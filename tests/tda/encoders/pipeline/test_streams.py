"""Lanes: a CPU has done everything when it is asked; CUDA orders its two streams by events.

B batch, D dimensions.
"""

import time
from typing import Any

import pytest
import torch

from tda.encoders.pipeline.streams import CpuLane, CudaLane, lane_of

CPU = torch.device("cpu")


def test_the_lane_is_that_of_the_device(monkeypatch: pytest.MonkeyPatch) -> None:
    assert isinstance(lane_of(CPU), CpuLane)
    assert lane_of(CPU).device == CPU
    monkeypatch.setattr(torch.cuda, "Stream", lambda _: None)
    assert isinstance(lane_of(torch.device("cuda:0")), CudaLane)


def test_a_cpu_sends_and_fetches_at_once() -> None:
    lane, features_BD = CpuLane(CPU), torch.arange(6.0).reshape(2, 3)
    with lane.feeding():
        mark = lane.sent()
    lane.receive([features_BD], mark)
    found_BD = lane.fetch(features_BD)
    lane.wait(lane.fetched())
    lane.relieve()
    assert torch.equal(found_BD, features_BD)
    assert found_BD.device == CPU


def test_a_cpu_stopwatch_measures_from_its_making_to_its_stop() -> None:
    watch = CpuLane(CPU).stopwatch()
    assert watch.seconds() == 0
    time.sleep(0.02)
    watch.stop()
    first = watch.seconds()
    assert 0.02 <= first < 5
    time.sleep(0.01)
    assert watch.seconds() == first, "it stands still once it is stopped"


class Log:
    """Streams, events and tensors of a device that note what is done with them, in order."""

    def __init__(self) -> None:
        self.steps: list[str] = []

    def stream(self, name: str) -> Any:
        log = self

        class Stream:
            def record_event(self) -> str:
                log.steps.append(f"{name} records")
                return f"mark of {name}"

            def wait_event(self, mark: str) -> None:
                log.steps.append(f"{name} waits for {mark}")

        return Stream()

    def tensor(self, name: str) -> Any:
        log = self

        class Tensor:
            def record_stream(self, _: Any) -> None:
                log.steps.append(f"{name} is used by main")

        return Tensor()


def test_towers_wait_for_the_copies_and_hold_their_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    log = Log()
    side, main = log.stream("side"), log.stream("main")
    monkeypatch.setattr(torch.cuda, "Stream", lambda _: side)
    monkeypatch.setattr(torch.cuda, "current_stream", lambda _: main)
    monkeypatch.setattr(torch.cuda, "empty_cache", lambda: log.steps.append("cache emptied"))
    lane = CudaLane(torch.device("cuda:0"))
    lane.receive([log.tensor("pixels"), log.tensor("tokens")], lane.sent())
    assert lane.fetched() == "mark of main"
    lane.relieve()
    assert log.steps == [
        "side records",
        "main waits for mark of side",
        "pixels is used by main",
        "tokens is used by main",
        "main records",
        "cache emptied",
    ]


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="torch finds no CUDA device")
class TestOnADevice:
    def test_what_one_stream_sends_the_other_uses(self) -> None:
        device = torch.device("cuda")
        lane, host_BD = lane_of(device), torch.randn(512, 1024).pin_memory()
        for _ in range(20):
            with lane.feeding():
                sent_BD = host_BD.to(device, non_blocking=True) + 1
                mark = lane.sent()
            lane.receive([sent_BD], mark)
            found_BD = lane.fetch(sent_BD * 2)
            lane.wait(lane.fetched())
            assert torch.equal(found_BD, (host_BD + 1) * 2)
            assert found_BD.is_pinned()

    def test_the_stopwatch_measures_the_device(self) -> None:
        lane, x_BD = lane_of(torch.device("cuda")), torch.randn(2048, 2048, device="cuda")
        watch = lane.stopwatch()
        for _ in range(20):
            x_BD = torch.nn.functional.normalize(x_BD @ x_BD)
        watch.stop()
        lane.wait(lane.fetched())
        assert 0 < watch.seconds() < 10
