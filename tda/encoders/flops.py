"""What a model costs, counted on its own graph without weights or data: FLOPs a row, parameters, dimensions.

Every matrix product and convolution of one row counts 2 FLOPs a multiply-add; the rest of a model is small beside them.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import fields
from functools import partial
from typing import Any

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from tda.config import EncoderConfig
from tda.encoders.formats import carp, cloob_laion, openai
from tda.encoders.formats import open_clip as clip
from tda.encoders.model_cost import ModelCost
from tda.encoders.weights.local_copy import read_config
from tda.errors import UserError


def model_cost(encoder: EncoderConfig) -> ModelCost:
    """Count the model that a preset's configuration tells; its checkpoint is not opened.

    Raises UserError where the configuration does not tell the sizes, as OpenAI's format leaves to the weights.
    """
    if encoder.config is None:
        raise UserError(f"encoder {encoder.name} has no config: its sizes are only in its weights, so that nothing can be planned")
    with torch.device("meta"):
        model, towers, dim, pixels = _built(encoder, _settings(encoder))
    first, second = (counted(tower) for tower in towers)
    return ModelCost(first=first, second=second, parameters=sum(p.numel() for p in model.parameters()), dim=dim, pixels=pixels)


def counted(work: Callable[[], Any]) -> int:
    """FLOPs of what a function does with tensors, wherever they are."""
    with counting() as counter:
        work()
    return int(counter.get_total_flops())


@contextmanager
def counting() -> Iterator[FlopCounterMode]:
    """A counter of the block's products. Fused attention, which it does not know, is switched off inside."""
    before = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        with FlopCounterMode(display=False) as counter:
            yield counter
    finally:
        torch.backends.mha.set_fastpath_enabled(before)


def _settings(encoder: EncoderConfig) -> dict[str, Any]:
    if encoder.format == "open_clip" and encoder.pretrained:
        told: dict[str, Any] = clip.registered(encoder.config, encoder.pretrained)["model_cfg"]
        return told
    read = read_config(encoder.config)
    return read.get("model_cfg", read) if encoder.format == "open_clip" else read


def _built(encoder: EncoderConfig, config: dict[str, Any]) -> tuple[nn.Module, list[Callable[[], Any]], int, int]:
    """The model on no device, one row of work for each of its towers, its dimensions, and the side of its image."""
    name = encoder.config
    model: Any
    if encoder.format == "carp":
        model = carp.build(config, name)
        length = config["roberta"]["max_position_embeddings"] - 2
        tokens = torch.zeros(1, length, dtype=torch.long)
        work: list[Callable[[], Any]] = [partial(model.get_submodule(f"enc{side}.model"), tokens) for side in carp.TOWERS.values()]
        return model, work, int(config["latent_dim"]), 0
    if encoder.format == "cloob_laion":
        model, dim = cloob_laion.build(config, name), config["d_embed"]
        side, length = config["image_encoder"]["image_size"], config["text_encoder"]["text_size"]
    elif encoder.format == "open_clip":
        model, dim = clip.build(config, name), config["embed_dim"]
        side, length = config["vision_cfg"].get("image_size", 224), config["text_cfg"].get("context_length", 77)
    else:
        sizes = openai.Sizes(**{field.name: config[field.name] for field in fields(openai.Sizes)})
        model, dim, side, length = openai.model_of(sizes), sizes.embed_dim, sizes.image_resolution, sizes.context_length
    pixels, tokens = torch.zeros(1, 3, side, side), torch.zeros(1, length, dtype=torch.long)
    return model, [lambda: model.encode_image(pixels), lambda: model.encode_text(tokens)], int(dim), int(side)
