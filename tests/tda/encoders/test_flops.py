"""Models counted on their graphs: published figures, and what a real run of the toy model does."""

from pathlib import Path

import pytest
import torch

from jobs.runtime.presets import load_choice
from tda.config.models import EncoderConfig
from tda.encoders import FORMATS, reader_of
from tda.encoders.flops import counted, counting, model_cost
from tda.encoders.formats import open_clip as clip
from tda.encoders.weights.local_copy import read_config
from tda.errors import UserError

VIT_B16 = (35.13e9, 5.96e9)  # open_clip's own profile of ViT-B-16: 41.09 GFLOPs in all, 149.62 million parameters


@pytest.mark.parametrize("name", ["clip_vitb16_laion400m", "clip_vitb16_openai", "cloob_vitb16_laion400m"])
def test_published_figures(name: str) -> None:
    cost = model_cost(load_choice("encoder", name, "r"))
    assert (cost.first, cost.second) == pytest.approx(VIT_B16, rel=1e-3)
    assert cost.parameters == pytest.approx(149.62e6, rel=1e-4)
    assert (cost.dim, cost.pixels) == (512, 224)
    assert cost.pair == cost.first + cost.second


def test_a_resnet_and_two_texts() -> None:
    resnet = model_cost(load_choice("encoder", "rn50_infoloob", "r"))
    assert resnet.first == pytest.approx(12.2e9, rel=0.01)
    assert resnet.dim == 1024
    texts = model_cost(load_choice("encoder", "carp_l", "r"))
    assert texts.first == texts.second > 2 * 300e6 * 512  # 2 FLOPs a weight and token, and attention
    assert texts.pixels == 0


def test_the_count_is_that_of_a_real_pass_of_a_batch() -> None:
    encoder = load_choice("encoder", "toy_cloob", "r")
    cost, config = model_cost(encoder), read_config(encoder.config)
    model = clip.build(config).eval()
    with torch.no_grad():
        images = counted(lambda: model.encode_image(torch.zeros(6, 3, 32, 32)))
        texts = counted(lambda: model.encode_text(torch.zeros(6, config["text_cfg"]["context_length"], dtype=torch.long)))
    assert images == 6 * cost.first
    assert texts == 6 * cost.second


def test_counting_leaves_fused_attention_as_it_was() -> None:
    before = torch.backends.mha.get_fastpath_enabled()
    with counting():
        assert not torch.backends.mha.get_fastpath_enabled()
    assert torch.backends.mha.get_fastpath_enabled() == before


def test_every_format_gives_its_own_model() -> None:
    assert all(callable(reader_of(format_).meta_model) for format_ in FORMATS)


def test_an_unknown_format_is_refused_and_not_taken_for_another() -> None:
    encoder = load_choice("encoder", "clip_vitb16_openai", "r")
    encoder.format = "siglip3"  # as if a configuration knew more formats than there are readers
    with pytest.raises(UserError, match=r"^encoder\.format='siglip3' is unknown; choose one of: open_clip, openai, [\w, ]+$"):
        model_cost(encoder)


def test_a_format_that_cannot_be_counted_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr("tda.encoders.formats.carp.meta_model")
    line = r"^encoder carp_l: the cost of format carp is not known: tda\.encoders\.formats\.carp has no meta_model$"
    with pytest.raises(UserError, match=line):
        model_cost(load_choice("encoder", "carp_l", "r"))


def test_a_configuration_without_sizes_is_refused(tmp_path: Path) -> None:
    (tmp_path / "model.json").write_text('{"embed_dim": 512}')
    with pytest.raises(UserError, match=r"model\.json is not of this CLIP layout: it lacks image_resolution, "):
        model_cost(EncoderConfig(name="mine", format="openai", config=str(tmp_path / "model.json")))


def test_sizes_that_only_weights_know_cannot_be_planned() -> None:
    with pytest.raises(UserError, match=r"encoder mine has no config"):
        model_cost(EncoderConfig(name="mine", format="openai"))
