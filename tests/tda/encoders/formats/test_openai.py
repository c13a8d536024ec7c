"""OpenAI's CLIP files against what OpenAI's own code computed from them."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from tda.config.models import EncoderConfig
from tda.encoders import describe, load
from tda.encoders.formats.openai import sizes_of, weights
from tda.errors import UserError
from tda.store.files import file_sha256

FILES = [("{}.pt", ""), ("{}_jit_fp16.pt", "_fp16w")]


def _relative_error(found: torch.Tensor, expected: np.ndarray) -> float:
    return float(np.abs(found.numpy() - expected).max() / np.abs(expected).max())


@pytest.mark.parametrize(("file", "suffix"), FILES)
@pytest.mark.parametrize("tower", ["openai_rn_tiny", "openai_vit_tiny"])
def test_features_are_upstreams(shared_golden: Path, tower: str, file: str, suffix: str) -> None:
    golden = np.load(shared_golden / f"{tower}_io.npz")
    path = shared_golden / file.format(tower)
    encoder = load("openai", str(path), device="cpu")
    assert _relative_error(encoder.encode_image(torch.from_numpy(golden["images"])), golden[f"image_features{suffix}"]) < 1e-5
    assert _relative_error(encoder.encode_text(torch.from_numpy(golden["tokens"])), golden[f"text_features{suffix}"]) < 1e-5
    assert encoder.dim == golden["image_features"].shape[1]
    assert encoder.weights_sha256 == file_sha256(path)
    reported = describe(EncoderConfig(name="e", format="openai", checkpoint=str(path)))
    assert reported == (encoder.weights_sha256, {**encoder.preprocessing, "precision": "auto"})


@pytest.mark.parametrize("tower", ["openai_rn_tiny", "openai_vit_tiny"])
def test_sizes_come_from_the_weights(shared_golden: Path, tower: str) -> None:
    path = shared_golden / f"{tower}.pt"
    reported = json.loads((shared_golden / f"{tower}.json").read_text())
    assert vars(sizes_of(weights(torch.load(path, weights_only=True)), path)) == reported
    load("openai", str(path), str(shared_golden / f"{tower}.json"), device="cpu")


def test_each_row_alone_gives_the_same_text_features(shared_golden: Path) -> None:
    encoder = load("openai", str(shared_golden / "openai_vit_tiny.pt"), device="cpu")
    golden = np.load(shared_golden / "openai_vit_tiny_io.npz")
    alone = torch.cat([encoder.encode_text(row[None]) for row in torch.from_numpy(golden["tokens"])])  # lengths 2 to 77
    assert _relative_error(alone, golden["text_features"]) < 1e-5


def test_configuration_of_another_model_is_refused(shared_golden: Path) -> None:
    with pytest.raises(UserError, match=r"openai_rn_tiny.json is another model's: it has image_resolution 64, checkpoint .* has 32"):
        load("openai", str(shared_golden / "openai_vit_tiny.pt"), str(shared_golden / "openai_rn_tiny.json"), device="cpu")
    with pytest.raises(UserError, match=r"openclip_vit_tiny.json is not of this CLIP layout: it lacks image_resolution"):
        load("openai", str(shared_golden / "openai_vit_tiny.pt"), str(shared_golden / "openclip_vit_tiny.json"), device="cpu")


@pytest.mark.parametrize(
    ("gone", "new", "reported"),
    [
        ("visual.ln_pre.weight", None, r"1 missing \(visual.ln_pre.weight\)"),
        ("visual.ln_pre.weight", "visual.ln_pré.weight", r"1 missing \(visual.ln_pre.weight\); 1 unexpected \(visual.ln_pré.weight\)"),
        ("text_projection", None, "is not of this CLIP layout: it lacks 'text_projection'"),
    ],
)
def test_a_lost_or_renamed_key_is_named(shared_golden: Path, tmp_path: Path, gone: str, new: str | None, reported: str) -> None:
    state = torch.load(shared_golden / "openai_vit_tiny.pt", weights_only=True)
    value = state.pop(gone)
    torch.save({**state, new: value} if new else state, tmp_path / "w.pt")
    with pytest.raises(UserError, match=reported) as refused:
        load("openai", str(tmp_path / "w.pt"), device="cpu")
    assert "\n" not in str(refused.value)


def test_weights_that_are_not_finite_are_refused(shared_golden: Path, tmp_path: Path) -> None:
    state = torch.load(shared_golden / "openai_vit_tiny.pt", weights_only=True)
    state["visual.proj"][3, 4] = torch.nan
    torch.save(state, tmp_path / "w.pt")
    with pytest.raises(UserError, match=r"1 not finite \(visual.proj\)"):
        load("openai", str(tmp_path / "w.pt"), device="cpu")
