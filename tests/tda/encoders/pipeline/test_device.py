"""Batch sizes: given, found, halved."""

import pytest
import torch

from tda.config.stages import EmbedConfig
from tda.encoders.pipeline.device import ON_CPU, BatchSize, by_memory
from tda.errors import UserError


def test_a_number_is_taken_and_auto_looks_at_the_device() -> None:
    assert BatchSize.of(48, torch.device("cpu")).pairs == 48
    assert BatchSize.of("auto", torch.device("cpu")).pairs == ON_CPU
    sizes = [by_memory(gigabytes * 2**30) for gigabytes in (8, 16, 24, 40, 80, 141)]
    assert sizes == sorted(sizes)
    assert sizes[0] < sizes[-1]


def test_halving_ends_at_one() -> None:
    size = BatchSize(6)
    assert [(size.halve(), size.pairs) for _ in range(3)] == [(True, 3), (True, 1), (False, 1)]


@pytest.mark.parametrize("wrong", ["many", 0, -4, 2.5, True, None])
def test_nothing_else_is_a_batch_size(wrong: object) -> None:
    with pytest.raises(UserError, match=r"embed.batch_size=\S+ is"):
        EmbedConfig(batch_size=wrong)
