"""Models that load without a fault and still give wrong vectors are refused by what they make of fixed inputs.

N rows, D dimensions.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from tda.config.models import EncoderConfig
from tda.encoders import load_configured
from tda.encoders.base import Encoder
from tda.encoders.canary import AGREES, agreement, canary, captions, same_digest, vouch
from tda.errors import UserError

MODELS = {
    "openclip_vit_tiny": ("open_clip", "safetensors"),
    "openai_rn_tiny": ("openai", "pt"),
    "openai_vit_tiny": ("openai", "pt"),
    "cloob_rn_tiny": ("cloob_official", "pt"),
    "cloob_vit_tiny": ("cloob_official", "pt"),
    "cloob_laion_tiny": ("cloob_laion", "pkl"),
}


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LACUNA_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def config_of(golden: Path, name: str, **fields: Any) -> EncoderConfig:
    file_format, end = MODELS.get(name, ("open_clip", "safetensors"))
    return EncoderConfig(name=name, format=file_format, checkpoint=f"{golden}/{name}.{end}", config=f"{golden}/{name}.json", **fields)


@pytest.mark.parametrize("name", sorted(MODELS))
def test_sixteen_bits_agree_with_float32(shared_golden: Path, name: str) -> None:
    """What `precision: auto` chooses on a GPU, in the arithmetic of this CPU: bfloat16 for ViTs, float16 for ResNets."""
    wanted = canary(load_configured(config_of(shared_golden, name), "cpu"))
    half = "fp16" if "_rn_" in name else "bf16"
    found = canary(load_configured(config_of(shared_golden, name, precision=half), "cpu"))
    assert agreement(found, wanted) >= AGREES[half] == 0.999
    assert agreement(wanted, wanted) == pytest.approx(1, abs=1e-6)


def test_the_inputs_are_as_different_as_they_can_be() -> None:
    from tda.encoders.tokens import ClipTokenizer

    tokenize = ClipTokenizer()
    reported = captions(77)
    assert reported[0] == ""
    assert not reported[3].isascii()
    ends = [int(row.argmax()) for row in tokenize(reported)]
    assert ends[:2] == [1, 3]
    assert tokenize(reported[1:2])[0, 1] == 0  # a word, not padding
    assert len(" ".join(reported[4:5]).split()) + 2 == 77 == ends[4] + 1  # exactly full
    assert len(reported[5].split()) > 77 == ends[5] + 1  # cut, with its end


def test_a_wrong_activation_is_reported_by_the_expected_canary(shared_golden: Path) -> None:
    exact, quick = (config_of(shared_golden, f"openclip_vit_tiny{end}") for end in ("", "_quickgelu"))
    reported = vouch(exact, load_configured(exact, "cpu"))
    assert (reported["device"], reported["precision"], reported["cosine"]) == ("cpu", "fp32", 1.0)
    expecting = config_of(shared_golden, "openclip_vit_tiny", canary=reported["digest"])
    assert vouch(expecting, load_configured(expecting, "cpu")) == reported
    expecting.config = quick.config  # the same weights load under it without a fault
    with pytest.raises(
        UserError, match=r"^encoder openclip_vit_tiny is refused: encoder.canary=c1:.* the activation, preprocessing or tokenizer"
    ) as refused:
        vouch(expecting, load_configured(expecting, "cpu"))
    assert "\n" not in str(refused.value)


def test_a_digest_is_no_hash(shared_golden: Path) -> None:
    digest = canary(load_configured(config_of(shared_golden, "openclip_vit_tiny"), "cpu")).digest
    assert same_digest(digest, digest)
    assert len(digest) < 120
    assert not same_digest(digest, digest[:-4])  # of fewer inputs
    for wrong in (digest.replace("c1:", "c0:"), "c1:AAA", "nonsense", ""):
        with pytest.raises(UserError, match="is no canary of this version"):
            same_digest(digest, wrong)


def test_the_reference_is_encoded_once_and_only_where_it_is_another_computation(shared_golden: Path, cache: Path) -> None:
    plain, half = config_of(shared_golden, "openclip_vit_tiny"), config_of(shared_golden, "openclip_vit_tiny", precision="bf16")
    vouch(plain, load_configured(plain, "cpu"))
    assert not cache.exists()
    reported = vouch(half, load_configured(half, "cpu"))
    (kept,) = cache.rglob("*.npz")
    made = kept.stat().st_mtime_ns
    assert reported["precision"] == "bf16"
    assert AGREES["bf16"] <= reported["cosine"] < 1
    assert vouch(half, load_configured(half, "cpu")) == reported
    assert kept.stat().st_mtime_ns == made
    assert reported["digest"] == canary(load_configured(plain, "cpu")).digest


def test_a_precision_that_is_too_coarse_is_blamed(shared_golden: Path) -> None:
    config = config_of(shared_golden, "openai_rn_tiny", precision="bf16")
    encoder = load_configured(config, "cpu")
    with pytest.raises(UserError, match=r"bf16 on cpu gives cosine 0.99\d+ .* right in float32: set encoder.precision=fp32"):
        vouch(config, encoder)
    assert encoder.precision == "bf16"


class OffTowers(torch.nn.Module):
    """A device that computes something else: a right model's features, and then `answer`."""

    def __init__(self, right: Any, answer: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.right, self.answer = right, answer

    def encode_image(self, pixels_B3HW: Tensor) -> Tensor:
        return self.answer(self.right.encode_image(pixels_B3HW))

    def encode_text(self, tokens_BL: Tensor) -> Tensor:
        return self.right.encode_text(tokens_BL)  # type: ignore[no-any-return]  # a tensor


def off(encoder: Encoder, answer: Callable[[Tensor], Tensor]) -> Encoder:
    encoder.model = OffTowers(encoder.model, answer)
    return encoder


@pytest.mark.parametrize(
    ("answer", "reported"),
    [
        (lambda x_BD: x_BD * torch.tensor(float("nan")), "its image vectors hold NaN or infinity"),
        (lambda x_BD: x_BD / 0, "its image vectors hold NaN or infinity"),
        (torch.zeros_like, "its image vectors are zero"),
        (lambda x_BD: x_BD[:1].expand(len(x_BD), -1) + 1e3, "it gives every image the same vector"),
        (lambda x_BD: x_BD.roll(1, dims=1), "bf16 on cpu gives cosine .* this device computes something else"),
    ],
)
def test_each_wrong_answer_is_one_line(shared_golden: Path, answer: Callable[[Tensor], Tensor], reported: str) -> None:
    config = config_of(shared_golden, "openclip_vit_tiny", precision="bf16")
    with pytest.raises(UserError, match=f"^encoder openclip_vit_tiny is refused: {reported}") as refused:
        vouch(config, off(load_configured(config, "cpu"), answer))
    assert "\n" not in str(refused.value)


def test_vectors_are_unit_rows(shared_golden: Path) -> None:
    found = canary(load_configured(config_of(shared_golden, "openclip_vit_tiny"), "cpu"))
    assert (found.image_ND.shape, found.text_ND.shape) == ((4, 32), (6, 32))
    for x_ND in (found.image_ND, found.text_ND):
        np.testing.assert_allclose(np.linalg.norm(x_ND, axis=1), 1, atol=1e-6)
