"""An encoder whose towers torch.compile has made: the same vectors up to rounding, whatever came before."""

import shutil
from pathlib import Path

import pytest
import torch

from tda.config.models import EncoderConfig
from tda.encoders import load_configured
from tda.encoders.base import Encoder
from tda.encoders.canary import vouch

pytestmark = pytest.mark.skipif(shutil.which("c++") is None, reason="torch.compile makes CPU kernels with a C++ compiler; none is here")


def config_of(golden: Path) -> EncoderConfig:
    path = golden / "openclip_vit_tiny"
    return EncoderConfig(name="tiny", format="open_clip", checkpoint=f"{path}.safetensors", config=f"{path}.json")


def inputs(encoder: Encoder, count: int) -> dict[str, torch.Tensor]:
    pixels_B3HW = torch.randn(count, 3, 32, 32, generator=torch.Generator().manual_seed(count))
    return {"image": pixels_B3HW, "text": encoder.tokenize([" ".join(["a dog"] * (row + 1)) for row in range(count)])}


@pytest.mark.long
def test_compiled_towers(shared_golden: Path) -> None:
    config = config_of(shared_golden)
    plain, compiled, again = (load_configured(config, "cpu") for _ in range(3))
    compiled.compile()
    again.compile()
    for count in (5, 3):
        for modality, batch in inputs(plain, count).items():
            wanted_BD, found_BD = plain.encode(modality, batch), compiled.encode(modality, batch)
            torch.testing.assert_close(found_BD, wanted_BD, rtol=1e-5, atol=1e-5 * float(wanted_BD.abs().max()))
    for modality, batch in inputs(plain, 3).items():
        assert torch.equal(again.encode(modality, batch), compiled.encode(modality, batch)), "it depends on what went before"
    reported, reference = vouch(config, compiled), vouch(config, plain)
    assert 0.9999 < reported["cosine"] <= 1
    assert reported["digest"] == reference["digest"]
