"""CLIPModel checkpoints against what transformers itself computes from them, weights drawn at random."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from transformers import CLIPConfig, CLIPImageProcessor, CLIPModel

from tda.config.models import EncoderConfig
from tda.encoders import describe, load
from tda.encoders.formats.hf_clip import meta_model
from tda.errors import UserError

SIDE, LENGTH, VOCABULARY = 32, 12, 49408
TEXT = {
    "vocab_size": VOCABULARY, "hidden_size": 24, "intermediate_size": 60, "num_hidden_layers": 2, "num_attention_heads": 3,
    "max_position_embeddings": LENGTH, "eos_token_id": VOCABULARY - 1, "bos_token_id": VOCABULARY - 2, "pad_token_id": 0,
}  # fmt: skip
VISION = {
    "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2, "image_size": SIDE, "patch_size": 8,
}  # fmt: skip


def saved(folder: Path, *, activation: str = "quick_gelu", processor: dict[str, Any] | None = None, **text: Any) -> CLIPModel:
    """A model with random weights, kept as the library keeps it."""
    torch.manual_seed(0)
    act = {"hidden_act": activation}
    config = CLIPConfig(text_config={**TEXT, **act, **text}, vision_config={**VISION, **act}, projection_dim=20)
    model = CLIPModel(config).eval()
    for weight in model.parameters():  # the library's own drawing leaves every bias at zero
        weight.data += 0.05 * torch.randn_like(weight)
    model.save_pretrained(folder)
    if processor is not None:
        CLIPImageProcessor(**processor).save_pretrained(folder)
    return model


def features(found: Any) -> torch.Tensor:
    """The library gives a tensor, from version 5 on the tower's whole output."""
    return found if isinstance(found, torch.Tensor) else found.pooler_output


@pytest.mark.parametrize("activation", ["quick_gelu", "gelu"])
@pytest.mark.parametrize("file", ["model.safetensors", "pytorch_model.bin"])
def test_features_are_the_librarys(tmp_path: Path, activation: str, file: str) -> None:
    model = saved(tmp_path, activation=activation)
    if file.endswith(".bin"):
        torch.save(model.state_dict(), tmp_path / file)
    encoder = load("hf_clip", str(tmp_path / file), device="cpu")
    pixels = torch.randn(3, 3, SIDE, SIDE)
    tokens = encoder.tokenize(["a red circle", "two words", "a caption that is longer than the context of this model can hold by far"])
    with torch.no_grad():
        image, text = features(model.get_image_features(pixel_values=pixels)), features(model.get_text_features(input_ids=tokens))
    torch.testing.assert_close(encoder.encode_image(pixels), image, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(encoder.encode_text(tokens), text, atol=1e-5, rtol=1e-5)
    assert encoder.dim == 20
    found = describe(EncoderConfig(name="e", format="hf_clip", checkpoint=str(tmp_path / file)))
    assert found == (encoder.weights_sha256, {**encoder.preprocessing, "precision": "auto"})


def test_images_are_prepared_as_the_processor_says(tmp_path: Path) -> None:
    own = {
        "size": {"shortest_edge": SIDE},
        "crop_size": {"height": SIDE, "width": SIDE},
        "image_mean": [0.1, 0.2, 0.3],
        "image_std": [0.5] * 3,
    }
    saved(tmp_path, processor=own)
    encoder = load("hf_clip", str(tmp_path / "model.safetensors"), device="cpu")
    image = Image.fromarray(np.random.default_rng(0).integers(0, 256, (40, 60, 3), dtype=np.uint8))
    processor = CLIPImageProcessor(**own)
    theirs = torch.as_tensor(np.asarray(processor(image, return_tensors="pt")["pixel_values"][0]))
    assert (
        encoder.preprocess(image) - theirs
    ).abs().max() < 2.5 / 255 / 0.5  # two grey levels: the library resizes tensors, we Pillow's way
    plain = tmp_path / "plain"
    saved(plain)
    assert load("hf_clip", str(plain / "model.safetensors"), device="cpu").preprocessing["image"]["mean"][0] == pytest.approx(0.48145466)
    assert encoder.preprocessing["image"]["mean"] == [0.1, 0.2, 0.3]


def test_the_configuration_may_stand_elsewhere_with_its_processor(tmp_path: Path) -> None:
    saved(tmp_path / "run", processor={"size": {"shortest_edge": SIDE}, "crop_size": SIDE, "image_mean": [0.0] * 3, "image_std": [1.0] * 3})
    for name in ("config.json", "preprocessor_config.json"):
        (tmp_path / "run" / name).rename(tmp_path / f"abc.{name}")
    config = str(tmp_path / "abc.config.json")
    encoder = load("hf_clip", str(tmp_path / "run" / "model.safetensors"), config, device="cpu")
    assert encoder.preprocessing["image"]["std"] == [1.0] * 3
    assert meta_model(EncoderConfig(name="e", format="hf_clip", config=config)).dim == 20


def test_clips_own_sizes_and_early_end_tokens_are_known(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "clip", "text_config": {"eos_token_id": 2}, "vision_config": {}}))
    (tmp_path / "model.safetensors").write_bytes(b"")
    _, preprocessing = describe(EncoderConfig(name="e", format="hf_clip", checkpoint=str(tmp_path / "model.safetensors")))
    assert preprocessing["model"]["vision_cfg"] == {
        "image_size": 224, "patch_size": 32, "width": 768, "layers": 12, "head_width": 64, "mlp_ratio": 4.0,
    }  # fmt: skip
    assert preprocessing["text"] == {"tokenizer": "clip-bpe", "vocab_size": 49408, "context_length": 77}


@pytest.mark.parametrize(
    ("file", "change", "message"),
    [
        ("config.json", {"model_type": "siglip"}, r"is no CLIPModel of transformers: its model_type is 'siglip'"),
        ("config.json", {"text_config": {"hidden_act": "relu"}}, r"has activation 'relu', which is not supported"),
        ("config.json", {"text_config": {"vocab_size": 600}}, r"has a vocabulary of 600, which is not supported"),
        ("config.json", {"text_config": {"eos_token_id": 5}}, r"has end token 5, which is not supported"),
        ("config.json", {"vision_config": {"layer_norm_eps": 1e-6}}, r"has layer_norm_eps 1e-06"),
        ("config.json", {"projection_dim": 21}, r"does not fit the configured model: keys .* of another shape"),
        ("preprocessor_config.json", {"do_center_crop": False}, r"has do_center_crop=false"),
        ("preprocessor_config.json", {"size": {"height": 32, "width": 40}}, r"only squares are supported"),
        ("preprocessor_config.json", {"crop_size": 16}, r"resizes to 32 and crops to 16 pixels, the model takes 32"),
        ("preprocessor_config.json", {"resample": 0}, r"has resample=0; supported are 2"),
    ],
)
def test_what_is_another_model_is_refused_in_one_line(tmp_path: Path, file: str, change: dict[str, Any], message: str) -> None:
    saved(tmp_path)
    path = tmp_path / file
    found = json.loads(path.read_text()) if path.exists() else {}
    for key, value in change.items():
        found[key] = {**found[key], **value} if key in found and isinstance(value, dict) else value
    path.write_text(json.dumps(found))
    with pytest.raises(UserError, match=message):
        load("hf_clip", str(tmp_path / "model.safetensors"), device="cpu")


def test_damaged_and_foreign_weights_are_refused(tmp_path: Path) -> None:
    model = saved(tmp_path)
    state = model.state_dict()
    torch.save({**state, "more": torch.ones(1)}, tmp_path / "more.bin")
    with pytest.raises(UserError, match=r"1 unexpected \(more\)"):
        load("hf_clip", str(tmp_path / "more.bin"), device="cpu")
    lacking = {key: value for key, value in state.items() if not key.endswith("0.self_attn.k_proj.bias")}
    torch.save(lacking, tmp_path / "less.bin")
    with pytest.raises(UserError, match=r"is no CLIPModel of transformers: .*k_proj.bias"):
        load("hf_clip", str(tmp_path / "less.bin"), device="cpu")
    torch.save({"a": [model]}, tmp_path / "code.bin")
    with pytest.raises(UserError, match=r"which was not imported"):
        load("hf_clip", str(tmp_path / "code.bin"), device="cpu")
