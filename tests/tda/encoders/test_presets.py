"""The paper's models: every preset names files that exist, and builds the architecture of the original."""

import json
from pathlib import Path

import open_clip
import pytest
import torch
from omegaconf import OmegaConf
from torch import nn

import conf
from tda.config.models import FORMATS, EncoderConfig
from tda.encoders import FORMATS as READERS
from tda.encoders import load_configured
from tda.encoders.formats import carp, cloob_laion, openai
from tda.encoders.formats import open_clip as clip
from tda.encoders.weights.local_copy import read_config
from tda.errors import UserError

FOLDER = Path(conf.__path__[0])
PAPER = {
    "clip_vitb16_laion400m",
    "clip_vitb16_openai",
    "clip_rn50_openai",
    "cloob_vitb16_laion400m",
    "rn50_infonce",
    "rn50_infoloob",
    "rn50_infonce_hopfield",
    "rn50_infoloob_hopfield",
    "carp_l",
}


def _preset(name: str) -> EncoderConfig:
    reported = OmegaConf.merge(
        OmegaConf.structured(EncoderConfig), {"name": "unnamed"}, OmegaConf.load(FOLDER / "encoder" / f"{name}.yaml")
    )
    loaded = OmegaConf.to_object(reported)
    assert isinstance(loaded, EncoderConfig)
    return loaded


def _built(preset: EncoderConfig) -> nn.Module:
    """The preset's architecture without memory: shapes alone."""
    with torch.device("meta"):
        if preset.pretrained:
            return clip.build(clip.registered(preset.config, preset.pretrained)["model_cfg"])
        config = read_config(preset.config)
        if preset.format == "cloob_laion":
            return cloob_laion.build(config)
        return carp.build(config) if preset.format == "carp" else openai.model_of(openai.Sizes(**config))


def _count(model: nn.Module) -> int:
    return sum(parameter.numel() for parameter in model.parameters())


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("clip_vitb16_laion400m", 149_620_737),
        ("clip_vitb16_openai", 149_620_737),
        ("clip_rn50_openai", 102_007_137),
        ("rn50_infoloob_hopfield", 102_007_137),
        ("cloob_vitb16_laion400m", 86_190_080 + 63_427_584),
        ("carp_l", 2 * (354_310_144 + 1024 + 2048 * 1024) + 1),  # roberta-large without pooler, one more token, the projection
    ],
)
def test_parameter_counts_are_the_originals(name: str, parameters: int) -> None:
    assert _count(_built(_preset(name))) == parameters


def test_each_tower_of_cloob_laion_has_the_originals_count() -> None:
    model = _built(_preset("cloob_vitb16_laion400m"))
    assert (_count(model.get_submodule("image")), _count(model.get_submodule("text"))) == (86_190_080, 63_427_584)


@pytest.mark.parametrize("name", sorted(PAPER))
def test_a_preset_without_its_file_says_where_the_original_is(name: str) -> None:
    preset = _preset(name)
    assert preset.name == name
    assert preset.source
    with pytest.raises(
        UserError, match=r"encoder.checkpoint is not set; the original is published as .*: fetch it and set encoder.checkpoint"
    ):
        load_configured(preset, "cpu")


def test_there_is_a_preset_for_every_format() -> None:
    assert {_preset(name).format for name in FORMATS} == set(FORMATS) == set(READERS)


@pytest.mark.parametrize(
    ("name", "model", "tag"),
    [
        ("clip_vitb16_laion400m", "ViT-B-16", "laion400m_e32"),
        ("clip_vitb16_openai", "ViT-B-16", "openai"),
        ("clip_rn50_openai", "RN50", "openai"),
    ],
)
def test_published_names_and_sha256_are_open_clips(name: str, model: str, tag: str) -> None:
    preset, address = _preset(name), open_clip.get_pretrained_cfg(model, tag)["url"]
    assert preset.source
    assert preset.source.split()[0] == address.rsplit("/", 1)[1]
    assert preset.sha256
    assert preset.sha256 in address


def test_the_published_cloob_file_carries_its_sha256() -> None:
    preset = _preset("cloob_vitb16_laion400m")
    assert preset.source
    assert preset.sha256
    assert preset.source.split()[0].endswith(f"-{preset.sha256}.pkl")


def test_a_tag_brings_its_activation_and_statistics(shared_golden: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert clip.registered("ViT-B-32", "laion400m_e32")["model_cfg"]["quick_gelu"] is True
    assert clip.registered("ViT-B-16", "laion400m_e32")["model_cfg"]["quick_gelu"] is False
    assert clip.registered("EVA02-B-16", "merged2b_s8b_b131k")["preprocess_cfg"]["mean"] == open_clip.OPENAI_DATASET_MEAN
    assert clip.registered("ViT-B-16-SigLIP", "webli")["preprocess_cfg"] == {
        "mean": (0.5, 0.5, 0.5),
        "std": (0.5, 0.5, 0.5),
        "interpolation": "bicubic",
        "resize_mode": "squash",
    }
    reported = json.loads((shared_golden / "openclip_vit_tiny.json").read_text())
    monkeypatch.setitem(open_clip.factory._MODEL_CONFIGS, "tiny", reported)  # open_clip's own way to add a model is a folder of JSONs
    monkeypatch.setitem(open_clip.pretrained._PRETRAINED, "tiny", {"toy": {"mean": (0.1,) * 3, "std": (0.2,) * 3, "quick_gelu": True}})
    encoder = load_configured(
        EncoderConfig(name="t", config="tiny", pretrained="toy", checkpoint=str(shared_golden / "openclip_vit_tiny.safetensors")), "cpu"
    )
    assert encoder.preprocessing["image"]["mean"] == [0.1, 0.1, 0.1]
    assert encoder.preprocessing["model"]["quick_gelu"] is True


def test_unknown_models_and_tags_name_the_choices() -> None:
    with pytest.raises(UserError, match=r"encoder.pretrained=nope is no tag of ViT-B-16; choose one of: .*laion400m_e32"):
        clip.registered("ViT-B-16", "nope")
    with pytest.raises(UserError, match=r"encoder.config=hf-hub:a/b is no model of open_clip's registry"):
        clip.registered("hf-hub:a/b", "x")
