"""CLOOB-LAION's pickles against what the published PyTorch port computed from them."""

import json
import os
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tda.encoders import load
from tda.encoders.base import Encoder
from tda.errors import UserError

PICKLES = ["cloob_laion_tiny.pkl", "cloob_laion_tiny_haiku.pkl"]


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LACUNA_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def _load(checkpoint: Path, config: Path) -> Encoder:
    return load("cloob_laion", str(checkpoint), str(config), device="cpu")


def _parameters(golden: Path) -> dict[str, Any]:
    """The golden pickle as plain containers, which it is, to be changed and written again."""
    value: dict[str, Any] = pickle.loads((golden / "cloob_laion_tiny.pkl").read_bytes())  # noqa: S301 (our own file)
    return value


@pytest.mark.parametrize("name", PICKLES)
def test_features_are_the_ports(shared_golden: Path, name: str) -> None:
    golden = np.load(shared_golden / "cloob_laion_tiny_io.npz")
    encoder = _load(shared_golden / name, shared_golden / "cloob_laion_tiny.json")
    images, tokens = torch.from_numpy(golden["images"]), torch.from_numpy(golden["tokens"])
    np.testing.assert_allclose(encoder.encode_image(images).numpy(), golden["image_features_norm"], atol=1e-6)
    np.testing.assert_allclose(encoder.encode_text(tokens).numpy(), golden["text_features_norm"], atol=1e-6)
    for found, expected in ((encoder.model.image(images), "image_features"), (encoder.model.text(tokens), "text_features")):
        assert np.abs(found.numpy() - golden[expected]).max() < 1e-5 * np.abs(golden[expected]).max()


def test_bfloat16_keeps_the_direction(shared_golden: Path) -> None:
    golden = np.load(shared_golden / "cloob_laion_tiny_io.npz")
    encoder = load("cloob_laion", str(shared_golden / PICKLES[0]), str(shared_golden / "cloob_laion_tiny.json"), "cpu", "bf16")
    found = encoder.encode_text(torch.from_numpy(golden["tokens"])).numpy()
    assert ((found * golden["text_features_norm"]).sum(1) > 0.999).all()


class _Command:
    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, (f"touch {self.marker}",)


def test_a_pickle_that_would_run_a_command_runs_nothing(shared_golden: Path, tmp_path: Path, cache: Path) -> None:
    value = _parameters(shared_golden)
    (tmp_path / "evil.pkl").write_bytes(pickle.dumps({**value, "epoch": _Command(tmp_path / "ran")}, protocol=4))
    with pytest.raises(UserError, match=r"it names posix.system, which was not imported"):
        _load(tmp_path / "evil.pkl", shared_golden / "cloob_laion_tiny.json")
    assert not (tmp_path / "ran").exists()
    assert not list(cache.rglob("*.safetensors"))


def test_configurations_of_other_models_are_refused(shared_golden: Path, tmp_path: Path) -> None:
    settings = json.loads((shared_golden / "cloob_laion_tiny.json").read_text())
    (tmp_path / "wide.json").write_text(json.dumps({**settings, "d_embed": 64}))
    (tmp_path / "kind.json").write_text(json.dumps({**settings, "image_encoder": {**settings["image_encoder"], "type": "ResNet"}}))
    path = shared_golden / PICKLES[0]
    with pytest.raises(UserError, match="does not fit the configured model: keys 4 of another shape"):
        _load(path, tmp_path / "wide.json")
    with pytest.raises(UserError, match=r"asks for towers \('ResNet', 'transformer'\)"):
        _load(path, tmp_path / "kind.json")
    with pytest.raises(UserError, match=r"cloob_rn_tiny.json is not a CLOOB-LAION model: 'image_encoder' is missing"):
        _load(path, shared_golden / "cloob_rn_tiny.json")
