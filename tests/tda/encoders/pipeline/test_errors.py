"""Whose fault a failing batch is."""

from collections.abc import Sequence

import pytest
import torch

from tda.encoders.pipeline.errors import ModelAtFaultError, is_device_lost, is_out_of_memory, isolate


class Fails:
    """Fails on batches that hold one of `bad`; counts its calls."""

    def __init__(self, bad: set[int]) -> None:
        self.bad, self.calls = bad, 0

    def __call__(self, rows: Sequence[int]) -> None:
        self.calls += 1
        if found := sorted(self.bad & set(rows)):
            raise ValueError(f"cannot take {found}")


@pytest.mark.parametrize("bad", [{0}, {255}, {3, 4}, {7, 100, 201}, set()])
def test_the_pairs_at_fault_are_found(bad: set[int]) -> None:
    attempt = Fails(bad)
    found = isolate(range(256), attempt)
    assert found.keys() == bad
    assert all(str(error) == f"cannot take [{row}]" for row, error in found.items())
    assert attempt.calls <= 1 + 2 * 8 * max(1, len(bad))


def test_more_failures_than_successes_are_the_models() -> None:
    with pytest.raises(ModelAtFaultError) as caught:
        isolate(range(64), attempt := Fails(set(range(64))))
    assert str(caught.value.__cause__).startswith("cannot take")
    assert attempt.calls <= 2 * 64
    with pytest.raises(ModelAtFaultError):
        isolate([0], Fails({0}))
    assert isolate([0], Fails({0}), spare=1).keys() == {0}


@pytest.mark.parametrize("error", [torch.OutOfMemoryError("CUDA out of memory"), RuntimeError("CUDA error: device-side assert triggered")])
def test_what_no_half_can_cure_is_raised_at_once(error: Exception) -> None:
    calls = []

    def attempt(rows: Sequence[int]) -> None:
        calls.append(rows)
        raise error

    with pytest.raises(type(error)):
        isolate(range(8), attempt)
    assert len(calls) == 1


@pytest.mark.parametrize(
    ("error", "memory", "lost"),
    [
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB"), True, False),
        (MemoryError(), True, False),
        (RuntimeError("[enforce fail at alloc_cpu.cpp:118] DefaultCPUAllocator: can't allocate memory: you tried to"), True, False),
        (RuntimeError("CUDA error: out of memory"), True, False),
        (RuntimeError("CUDA error: an illegal memory access was encountered"), False, True),
        (RuntimeError("mat1 and mat2 shapes cannot be multiplied"), False, False),
        (ValueError("out of memory"), False, False),
    ],
)
def test_errors_are_distinguished(error: Exception, memory: bool, lost: bool) -> None:
    assert (is_out_of_memory(error), is_device_lost(error)) == (memory, lost)
