"""The cost of a model, counted on its graph without weights or data: FLOPs a row, parameters, dimensions.

Every matrix product and convolution of one row counts 2 FLOPs a multiply-add; the other operations are few in comparison.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

from tda.config.models import EncoderConfig
from tda.encoders import reader_of
from tda.encoders.model_cost import ModelCost
from tda.errors import UserError


def model_cost(encoder: EncoderConfig) -> ModelCost:
    """The cost of a preset's model; its checkpoint is not opened.

    Raises UserError for an unknown format, for one without `meta_model`, and for a configuration without sizes, as OpenAI's format allows.
    """
    if encoder.config is None:
        raise UserError(f"encoder {encoder.name} has no config: its sizes are only in its weights, so that nothing can be planned")
    reader = reader_of(encoder.format)
    if not hasattr(reader, "meta_model"):
        raise UserError(f"encoder {encoder.name}: the cost of format {encoder.format} is not known: {reader.__name__} has no meta_model")
    with torch.device("meta"):
        built = reader.meta_model(encoder)
    first, second = (counted(tower) for tower in built.towers)
    parameters = sum(weight.numel() for weight in built.model.parameters())
    return ModelCost(first=first, second=second, parameters=parameters, dim=built.dim, pixels=built.pixels)


def counted(work: Callable[[], Any]) -> int:
    """FLOPs of a function's tensor operations, on any device."""
    with counting() as counter:
        work()
    return int(counter.get_total_flops())


@contextmanager
def counting() -> Iterator[FlopCounterMode]:
    """A counter of the block's products. Fused attention, which it cannot count, is switched off inside."""
    before = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        with FlopCounterMode(display=False) as counter:
            yield counter
    finally:
        torch.backends.mha.set_fastpath_enabled(before)
