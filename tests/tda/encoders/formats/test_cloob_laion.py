"""CLOOB-LAION's pickles against what the published PyTorch port computed from them."""

import json
import os
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors import safe_open

from tda.config import EncoderConfig
from tda.encoders import describe, load
from tda.encoders.base import Encoder
from tda.errors import UserError
from tda.store.files import file_sha256

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


def test_the_pickle_is_converted_once_and_its_sha256_kept(shared_golden: Path, cache: Path) -> None:
    source, config = shared_golden / PICKLES[1], shared_golden / "cloob_laion_tiny.json"
    first = _load(source, config)
    (kept,) = (cache / "converted").glob("*.safetensors")
    made = kept.stat().st_mtime_ns
    assert _load(source, config).weights_sha256 == first.weights_sha256 == file_sha256(source)
    assert kept.stat().st_mtime_ns == made
    with safe_open(kept, "pt") as file:
        assert file.metadata()["source_sha256"] == file_sha256(source)
    again = _load(kept, config)
    assert again.weights_sha256 == first.weights_sha256
    told = describe(EncoderConfig(name="e", format="cloob_laion", checkpoint=str(kept), config=str(config)))
    assert told == (first.weights_sha256, {**first.preprocessing, "precision": "auto"})
    assert all(torch.equal(one, other) for one, other in zip(first.model.parameters(), again.model.parameters(), strict=True))


def test_texts_are_padded_to_the_context_and_must_not_be_cut(shared_golden: Path) -> None:
    encoder = _load(shared_golden / PICKLES[0], shared_golden / "cloob_laion_tiny.json")
    tokens = encoder.tokenize(["a dog", "a dog on a mat"])
    assert tokens.shape == (2, 77)
    with pytest.raises(UserError, match="exactly 77 tokens, padding included, not 76: its attention sees the padding"):
        encoder.encode_text(tokens[:, :76])


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


@pytest.mark.parametrize(
    ("module", "new", "told"),
    [
        ("vi_t_image_encoder/proj", None, r"2 missing \(image.tower.proj.weight, ...\)"),
        ("vi_t_image_encoder/proj", "vi_t_image_encoder/prj", "a parameter that CLOOB-LAION does not: vi_t_image_encoder/prj/w"),
        (
            "vi_t_image_encoder/layer_1/self_attention/layer_norm",
            "vi_t_image_encoder/layer_2/self_attention/layer_norm",
            r"2 missing \(image.tower.attention.1.norm.weight, ...\); 2 unexpected \(image.tower.attention.2.norm.bias, ...\)",
        ),
    ],
)
def test_a_lost_or_renamed_parameter_is_named(shared_golden: Path, tmp_path: Path, module: str, new: str | None, told: str) -> None:
    value = _parameters(shared_golden)
    taken = value["params"][0].pop(module)
    if new:
        value["params"][0][new] = taken
    (tmp_path / "w.pkl").write_bytes(pickle.dumps(value, protocol=4))
    with pytest.raises(UserError, match=told):
        _load(tmp_path / "w.pkl", shared_golden / "cloob_laion_tiny.json")


@pytest.mark.parametrize("value", [{"epoch": 3}, {"params": {"a": 1}}, [1, 2], {"params": ({"vi_t_image_encoder": {"w": "x"}}, {})}])
def test_other_pickles_are_refused(shared_golden: Path, tmp_path: Path, value: object) -> None:
    (tmp_path / "w.pkl").write_bytes(pickle.dumps(value, protocol=4))
    with pytest.raises(UserError, match=r"is no CLOOB-LAION checkpoint|not an array"):
        _load(tmp_path / "w.pkl", shared_golden / "cloob_laion_tiny.json")


def test_configurations_of_other_models_are_refused(shared_golden: Path, tmp_path: Path) -> None:
    told = json.loads((shared_golden / "cloob_laion_tiny.json").read_text())
    (tmp_path / "wide.json").write_text(json.dumps({**told, "d_embed": 64}))
    (tmp_path / "kind.json").write_text(json.dumps({**told, "image_encoder": {**told["image_encoder"], "type": "ResNet"}}))
    path = shared_golden / PICKLES[0]
    with pytest.raises(UserError, match="does not fit the configured model: keys 4 of another shape"):
        _load(path, tmp_path / "wide.json")
    with pytest.raises(UserError, match=r"asks for towers \('ResNet', 'transformer'\)"):
        _load(path, tmp_path / "kind.json")
    with pytest.raises(UserError, match=r"cloob_rn_tiny.json is not a CLOOB-LAION model: 'image_encoder' is missing"):
        _load(path, shared_golden / "cloob_rn_tiny.json")
