"""ml-jku/cloob's files against what its own code computed from them."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from tda.config.models import EncoderConfig
from tda.encoders import describe, load
from tda.encoders.formats.cloob_official import LossyTokenizer, own_names
from tda.encoders.tokens import CLIP_VOCABULARY
from tda.errors import UserError

TOWERS = ["cloob_rn_tiny", "cloob_vit_tiny"]


@pytest.mark.parametrize("tower", TOWERS)
def test_features_are_upstreams(shared_golden: Path, tower: str) -> None:
    golden = np.load(shared_golden / f"{tower}_io.npz")
    encoder = load("cloob_official", str(shared_golden / f"{tower}.pt"), str(shared_golden / f"{tower}.json"), device="cpu")
    for part, given in (("image", "images"), ("text", "tokens")):
        found = getattr(encoder, f"encode_{part}")(torch.from_numpy(golden[given])).numpy()
        expected = golden[f"{part}_features"]
        assert np.abs(found - expected).max() < 1e-5 * np.abs(expected).max()
        np.testing.assert_allclose(found / np.linalg.norm(found, axis=1, keepdims=True), golden[f"{part}_features_norm"], atol=1e-5)
    reported = describe(EncoderConfig(name="e", format="cloob_official", checkpoint=str(shared_golden / f"{tower}.pt")))
    assert reported == (encoder.weights_sha256, {**encoder.preprocessing, "precision": "auto"})


@pytest.mark.parametrize("tower", TOWERS)
def test_backbone_architecture_decides_nothing(shared_golden: Path, tmp_path: Path, tower: str) -> None:
    reported = json.loads((shared_golden / f"{tower}.json").read_text())
    reported.pop("backbone_architecture", None)  # as in upstream's own ViT configurations
    (tmp_path / "model.json").write_text(json.dumps(reported))
    load("cloob_official", str(shared_golden / f"{tower}.pt"), str(tmp_path / "model.json"), device="cpu")


def test_text_heads_are_the_configurations(shared_golden: Path, tmp_path: Path) -> None:
    reported = json.loads((shared_golden / "cloob_vit_tiny.json").read_text())
    (tmp_path / "model.json").write_text(json.dumps({**reported, "transformer_heads": 2}))
    tokens = torch.from_numpy(np.load(shared_golden / "cloob_vit_tiny_io.npz")["tokens"])
    path = str(shared_golden / "cloob_vit_tiny.pt")
    two, four = (load("cloob_official", path, config, device="cpu") for config in (str(tmp_path / "model.json"), None))
    assert not torch.allclose(two.encode_text(tokens), four.encode_text(tokens), rtol=1e-2)
    assert two.preprocessing != four.preprocessing  # so that the two are not taken for one another


def test_a_checkpoint_alone_does_not_tell_its_heads(shared_golden: Path, tmp_path: Path) -> None:
    shutil.copy(shared_golden / "cloob_rn_tiny.pt", tmp_path / "epoch_128.pt")
    with pytest.raises(UserError, match=r"does not contain its text heads: set encoder.config to the model's JSON \(cloob_rn_tiny.json\)"):
        load("cloob_official", str(tmp_path / "epoch_128.pt"), device="cpu")


def test_configuration_of_another_model_is_refused(shared_golden: Path) -> None:
    with pytest.raises(UserError, match=r"cloob_vit_tiny.json is another model's: it has image_resolution 32"):
        load("cloob_official", str(shared_golden / "cloob_rn_tiny.pt"), str(shared_golden / "cloob_vit_tiny.json"), device="cpu")


def test_a_renamed_key_is_named(shared_golden: Path, tmp_path: Path) -> None:
    loaded = torch.load(shared_golden / "cloob_rn_tiny.pt", weights_only=True)
    loaded["state_dict"]["module.visual.bn9.weight"] = loaded["state_dict"].pop("module.visual.bn1.weight")
    torch.save(loaded, tmp_path / "w.pt")
    with pytest.raises(UserError, match=r"1 missing \(visual.bn1.weight\); 1 unexpected \(visual.bn9.weight\)"):
        load("cloob_official", str(tmp_path / "w.pt"), str(shared_golden / "cloob_rn_tiny.json"), device="cpu")


def test_names_lose_one_nesting_and_the_losss_scale() -> None:
    text = ["transformer.transformer.resblocks.0.ln_1.bias", "transformer.ln_final.bias", "transformer.text_projection"]
    image = ["visual.transformer.resblocks.0.ln_1.bias", "visual.proj"]
    upstream = dict.fromkeys([*text, *image, "logit_inv_tau", "logit_scale_hopfield"], torch.zeros(()))
    assert set(own_names(upstream)) == {"transformer.resblocks.0.ln_1.bias", "ln_final.bias", "text_projection", *image, "logit_scale"}


def test_a_text_that_is_cut_loses_its_end() -> None:
    tokenize = LossyTokenizer(CLIP_VOCABULARY, 77)
    short, full, over = tokenize(["a dog", "dog " * 75, "dog " * 76])
    assert short.tolist()[:5] == [49406, 320, 1929, 49407, 0]
    assert full[76] == 49407
    assert over.shape == (77,)
    assert 49407 not in over
    assert over.argmax() == 0  # so it is pooled at its start, as upstream does
