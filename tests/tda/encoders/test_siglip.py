"""A model of another family by open_clip's own classes: a timm vision tower, a text tower without a mask, a tokenizer from a folder."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from tda.config.models import EncoderConfig
from tda.encoders import describe, load_configured
from tda.encoders.canary import vouch
from tda.encoders.formats import open_clip as clip
from tda.errors import UserError

SMALL = {  # SigLIP's configuration in open_clip's registry, with other sizes
    "embed_dim": 64,
    "init_logit_bias": -10,
    "custom_text": True,
    "vision_cfg": {
        "image_size": 160,
        "timm_model_name": "test_vit",
        "timm_model_pretrained": True,  # is not believed: weights come from the checkpoint
        "timm_pool": "map",
        "timm_proj": "none",
    },
    "text_cfg": {
        "context_length": 16,
        "vocab_size": 40,
        "hf_tokenizer_name": "timm/ViT-B-16-SigLIP",
        "tokenizer_kwargs": {"clean": "canonicalize"},
        "width": 64,
        "heads": 2,
        "layers": 2,
        "no_causal_mask": True,
        "proj_bias": True,
        "pool_type": "last",
        "norm_kwargs": {"eps": 1e-6},
    },
}
PREPROCESS = {"mean": [0.5] * 3, "std": [0.5] * 3, "interpolation": "bicubic", "resize_mode": "squash"}
SPECIAL = {"pad_token": "<pad>", "eos_token": "</s>", "unk_token": "<unk>"}
WORDS = [*SPECIAL.values(), "a", "red", "square", "blue", "circle", "above", "the", "dog"]


def tokenizer_folder(folder: Path, words: list[str] = WORDS) -> Path:
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.WordLevel({word: i for i, word in enumerate(words)}, SPECIAL["unk_token"]))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 1)])
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, **SPECIAL).save_pretrained(folder)
    return folder


@pytest.fixture
def siglip(tmp_path: Path) -> EncoderConfig:
    torch.manual_seed(0)
    (tmp_path / "siglip.json").write_text(json.dumps({"model_cfg": SMALL, "preprocess_cfg": PREPROCESS}))
    model = clip.build(SMALL)
    for parameter in model.parameters():  # timm's own start is so small that every image looks alike
        torch.nn.init.normal_(parameter, std=0.1) if parameter.ndim > 1 else None
    save_file(model.state_dict(), tmp_path / "siglip.safetensors")
    folder = tokenizer_folder(tmp_path / "tokenizer")
    return EncoderConfig(
        name="siglip", config=f"{tmp_path}/siglip.json", checkpoint=f"{tmp_path}/siglip.safetensors", tokenizer=str(folder)
    )


def test_features_are_open_clips_own(siglip: EncoderConfig) -> None:
    from open_clip.model import CustomTextCLIP
    from safetensors.torch import load_file

    encoder = load_configured(siglip, "cpu")
    plain: dict[str, Any] = {key: value for key, value in SMALL.items() if key != "custom_text"}
    theirs = CustomTextCLIP(**{**plain, "vision_cfg": {**plain["vision_cfg"], "timm_model_pretrained": False}}).eval()
    theirs.load_state_dict(load_file(str(siglip.checkpoint)))
    pixels_B3HW = torch.randn(2, 3, 160, 160, generator=torch.Generator().manual_seed(1))
    tokens_BL = encoder.tokenize(["A red square.", "", "the dog " * 40])
    assert tokens_BL.tolist()[:2] == [[3, 4, 5, 1] + [0] * 12, [1] + [0] * 15]
    assert tokens_BL[2].tolist() == [9, 10] * 7 + [9, 1]  # cut, with its end
    with torch.no_grad():
        torch.testing.assert_close(encoder.encode_image(pixels_B3HW), theirs.encode_image(pixels_B3HW))
        torch.testing.assert_close(encoder.encode_text(tokens_BL), theirs.encode_text(tokens_BL))
    assert vouch(siglip, encoder)["cosine"] == 1.0


def test_images_are_squashed_and_centred_on_a_half(siglip: EncoderConfig) -> None:
    encoder = load_configured(siglip, "cpu")
    wide = Image.new("RGB", (320, 80), "white")
    wide.paste("black", (160, 0, 320, 80))
    pixels_3HW = encoder.preprocess(wide)
    assert pixels_3HW.shape == (3, 160, 160)
    assert (float(pixels_3HW[0, 80, 4]), float(pixels_3HW[0, 80, -4])) == (1.0, -1.0)  # both ends are there


def test_the_description_holds_the_tokenizers_content(siglip: EncoderConfig, tmp_path: Path) -> None:
    encoder = load_configured(siglip, "cpu")
    assert describe(siglip) == (encoder.weights_sha256, {**encoder.preprocessing, "precision": "auto"})
    assert encoder.preprocessing["text"]["options"] == {"clean": "canonicalize"}
    siglip.tokenizer = str(tokenizer_folder(tmp_path / "other", [*WORDS, "cat"]))
    assert describe(siglip)[1]["text"]["sha256"] != encoder.preprocessing["text"]["sha256"]


def test_a_tokenizer_is_asked_for_in_one_line(siglip: EncoderConfig, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for folder, reported in (
        (None, "asks for the tokenizer timm/ViT-B-16-SigLIP: fetch it and set encoder.tokenizer to its folder"),
        (str(tmp_path / "absent"), "absent is not a folder with the model's tokenizer"),
        (str(tmp_path / "empty"), "empty holds no tokenizer"),
        (str(tokenizer_folder(tmp_path / "large", [*WORDS, *map(str, range(30)), "a1"])), "is another model's: it gives id"),
    ):
        siglip.tokenizer = folder
        with pytest.raises(UserError, match=reported) as refused:
            load_configured(siglip, "cpu").tokenize(["29"])
        assert "\n" not in str(refused.value)


def test_the_registrys_siglip_has_its_size(tmp_path: Path) -> None:
    reported = clip.registered("ViT-B-16-SigLIP", "webli")
    with torch.device("meta"):
        model = clip.build(reported["model_cfg"])
    assert sum(parameter.numel() for parameter in model.parameters()) == 203_155_970
    assert clip.preprocessing_of(reported, "ViT-B-16-SigLIP", str(tmp_path))["image"]["resize_mode"] == "squash"
