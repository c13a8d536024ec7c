"""FLOP of a model by hand, and a device's rate."""

from pathlib import Path
from typing import Any

import pytest
import torch

from tda.encoders import load
from tda.encoders.pipeline.roofline import flops_of, gemm_rate


class Towers(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.image = torch.nn.Linear(12, 4)

    def encode_image(self, pixels_B3HW: Any) -> Any:
        return self.image(pixels_B3HW.flatten(1))


def test_a_matrix_counts_twice_its_size(shared_golden: Path) -> None:
    encoder = load("open_clip", str(shared_golden / "openclip_vit_tiny.safetensors"), str(shared_golden / "openclip_vit_tiny.json"), "cpu")
    encoder.model = Towers()
    assert flops_of(encoder, "image", torch.zeros(3, 3, 2, 2)) == 2 * 12 * 4


def test_attention_is_counted_and_a_short_text_costs_less(shared_golden: Path) -> None:
    encoder = load("open_clip", str(shared_golden / "openclip_vit_tiny.safetensors"), str(shared_golden / "openclip_vit_tiny.json"), "cpu")
    fast = torch.backends.mha.get_fastpath_enabled()
    blocks = [
        block
        for name, block in encoder.model.named_modules()
        if name.endswith(tuple(f"visual.transformer.resblocks.{i}" for i in range(9)))
    ]
    width = blocks[0].attn.embed_dim
    tokens = len(encoder.model.clip.visual.positional_embedding)
    image = flops_of(encoder, "image", torch.zeros(1, 3, 32, 32))
    assert image > len(blocks) * 2 * tokens * 12 * width**2  # four matrices of attention and two of the MLP, without their products
    short, long = (flops_of(encoder, "text", encoder.tokenize([words])) for words in ("cat", "cat " * 60))
    assert short < long / 5
    both = flops_of(encoder, "text", encoder.tokenize(["cat", "cat " * 60]))
    assert both == pytest.approx((short + long) / 2)
    assert torch.backends.mha.get_fastpath_enabled() == fast


def test_a_device_has_a_rate() -> None:
    assert gemm_rate(torch.device("cpu"), "fp32") > 1e6
