"""Transfers of batches to a device and of vectors back. A CPU needs none; CUDA copies on a second stream, parallel to the towers.

Legend: B batch, D dimensions.
"""

import time
from collections.abc import Iterable
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Protocol

import torch
from torch import Tensor


class Stopwatch(Protocol):
    """Device time from construction to `stop`; `seconds` is valid once that work is done."""

    def stop(self) -> None: ...
    def seconds(self) -> float: ...


class Lane(Protocol):
    """A device used by two threads: one sends batches, the other runs the towers."""

    device: torch.device

    def feeding(self) -> AbstractContextManager[Any]: ...  # around the sends of the feeding thread
    def sent(self) -> Any: ...  # a mark after all sends so far
    def receive(self, tensors: Iterable[Tensor], mark: Any) -> None: ...  # on the other thread, before it uses the tensors
    def stopwatch(self) -> Stopwatch: ...
    def fetch(self, features_BD: Tensor) -> Tensor: ...  # start a copy to the host
    def fetched(self) -> Any: ...  # a mark after all fetches so far
    def wait(self, mark: Any) -> None: ...  # until the fetches before the mark are complete
    def relieve(self) -> None: ...  # release cached memory after an out-of-memory error


class CpuLane:
    """Every operation is synchronous."""

    def __init__(self, device: torch.device) -> None:
        self.device = device

    def feeding(self) -> AbstractContextManager[Any]:
        return nullcontext()

    def sent(self) -> Any:
        return None

    def receive(self, tensors: Iterable[Tensor], mark: Any) -> None:
        del tensors, mark

    def stopwatch(self) -> Stopwatch:
        return _WallClock()

    def fetch(self, features_BD: Tensor) -> Tensor:
        return features_BD.cpu()

    def fetched(self) -> Any:
        return None

    def wait(self, mark: Any) -> None:
        del mark

    def relieve(self) -> None:
        pass


class CudaLane:
    """Pinned copies and resizing run on a side stream; the towers wait for it by an event. Vectors are copied back asynchronously."""

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self._side = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]

    def feeding(self) -> AbstractContextManager[Any]:
        return torch.cuda.stream(self._side)

    def sent(self) -> Any:
        return self._side.record_event()

    def receive(self, tensors: Iterable[Tensor], mark: Any) -> None:
        stream = torch.cuda.current_stream(self.device)
        stream.wait_event(mark)
        for tensor in tensors:
            tensor.record_stream(stream)  # so that the side stream does not reuse its memory while a tower reads it

    def stopwatch(self) -> Stopwatch:
        return _EventClock(self.device)

    def fetch(self, features_BD: Tensor) -> Tensor:
        host_BD = torch.empty(features_BD.shape, dtype=features_BD.dtype, pin_memory=True)
        return host_BD.copy_(features_BD, non_blocking=True)

    def fetched(self) -> Any:
        return torch.cuda.current_stream(self.device).record_event()

    def wait(self, mark: Any) -> None:
        mark.synchronize()

    def relieve(self) -> None:
        torch.cuda.empty_cache()


def lane_of(device: torch.device) -> Lane:
    return CudaLane(device) if device.type == "cuda" else CpuLane(device)


class _WallClock:
    def __init__(self) -> None:
        self._start = time.perf_counter()
        self._end = self._start

    def stop(self) -> None:
        self._end = time.perf_counter()

    def seconds(self) -> float:
        return self._end - self._start


class _EventClock:
    def __init__(self, device: torch.device) -> None:
        self._stream = torch.cuda.current_stream(device)
        self._start, self._end = (torch.cuda.Event(enable_timing=True) for _ in range(2))  # type: ignore[no-untyped-call]
        self._start.record(self._stream)

    def stop(self) -> None:
        self._end.record(self._stream)

    def seconds(self) -> float:
        return float(self._start.elapsed_time(self._end)) / 1000
