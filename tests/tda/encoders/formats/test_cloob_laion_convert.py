"""Haiku parameters under this project's names and layouts, converted once and kept with the sha256 of their pickle."""

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from haiku_parameters import CONFIG, haiku_parameters
from safetensors import safe_open

from tda.config.models import EncoderConfig
from tda.encoders import describe, load
from tda.encoders.base import Encoder
from tda.encoders.formats import cloob_laion_convert as module
from tda.encoders.formats.cloob_laion_convert import converted, state_dict
from tda.encoders.formats.cloob_laion_model import CloobLaion
from tda.errors import UserError
from tda.store.files import file_sha256

PATH = Path("w.pkl")


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


def test_the_pickle_is_converted_once_and_its_sha256_kept(shared_golden: Path, cache: Path) -> None:
    source, config = shared_golden / "cloob_laion_tiny_haiku.pkl", shared_golden / "cloob_laion_tiny.json"
    first = _load(source, config)
    (kept,) = (cache / "converted").glob("*.safetensors")
    made = kept.stat().st_mtime_ns
    assert _load(source, config).weights_sha256 == first.weights_sha256 == file_sha256(source)
    assert kept.stat().st_mtime_ns == made
    with safe_open(kept, "pt") as file:
        assert file.metadata()["source_sha256"] == file_sha256(source)
    again = _load(kept, config)
    assert again.weights_sha256 == first.weights_sha256
    found = describe(EncoderConfig(name="e", format="cloob_laion", checkpoint=str(kept), config=str(config)))
    assert found == (first.weights_sha256, {**first.preprocessing, "precision": "auto"})
    assert all(torch.equal(one, other) for one, other in zip(first.model.parameters(), again.model.parameters(), strict=True))


@pytest.mark.parametrize(
    ("module", "new", "message"),
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
def test_a_lost_or_renamed_parameter_is_named(shared_golden: Path, tmp_path: Path, module: str, new: str | None, message: str) -> None:
    value = _parameters(shared_golden)
    taken = value["params"][0].pop(module)
    if new:
        value["params"][0][new] = taken
    (tmp_path / "w.pkl").write_bytes(pickle.dumps(value, protocol=4))
    with pytest.raises(UserError, match=message):
        _load(tmp_path / "w.pkl", shared_golden / "cloob_laion_tiny.json")


@pytest.mark.parametrize("value", [{"epoch": 3}, {"params": {"a": 1}}, [1, 2], {"params": ({"vi_t_image_encoder": {"w": "x"}}, {})}])
def test_other_pickles_are_refused(shared_golden: Path, tmp_path: Path, value: object) -> None:
    (tmp_path / "w.pkl").write_bytes(pickle.dumps(value, protocol=4))
    with pytest.raises(UserError, match=r"is no CLOOB-LAION checkpoint|not an array"):
        _load(tmp_path / "w.pkl", shared_golden / "cloob_laion_tiny.json")


def test_every_parameter_of_the_model_is_given_once_and_in_its_shape() -> None:
    found, model = state_dict(haiku_parameters(), PATH), CloobLaion(CONFIG).state_dict()
    assert {name: tuple(x.shape) for name, x in found.items()} == {name: tuple(x.shape) for name, x in model.items()}
    assert {x.dtype for x in found.values()} == {torch.float32}
    assert all(x.is_contiguous() for x in found.values())


def test_linear_weights_are_transposed_convolutions_reordered_and_tables_kept() -> None:
    parameters = haiku_parameters()
    image, text = parameters["params"]
    found = state_dict(parameters, PATH)
    kernel_HWIO = image["vi_t_image_encoder/embed"]["w"]
    assert found["image.patches.weight"][3, 2, 1, 0] == kernel_HWIO[1, 0, 2, 3]
    query = image["vi_t_image_encoder/layer_1/self_attention/multi_head_attention/query"]
    assert np.array_equal(found["image.tower.attention.1.query.weight"], query["w"].T)
    assert np.array_equal(found["image.tower.attention.1.query.bias"], query["b"])
    out = text["text_encoder/layer_0/self_attention/multi_head_attention/linear"]["w"]
    assert np.array_equal(found["text.tower.attention.0.out.weight"], out.T)
    assert np.array_equal(found["text.tower.feed_forward.0.linear_1.weight"], text["text_encoder/layer_0/feed_forward/linear_1"]["w"].T)
    norm = text["text_encoder/layer_0/feed_forward/layer_norm"]
    assert np.array_equal(found["text.tower.feed_forward.0.norm.weight"], norm["scale"])
    assert np.array_equal(found["text.tower.feed_forward.0.norm.bias"], norm["offset"])
    assert np.array_equal(found["text.tokens.weight"], text["text_encoder/embed"]["embeddings"])
    assert np.array_equal(found["text.tower.positions"], text["text_encoder/pos_embed"]["w"])
    assert np.array_equal(found["image.class_embed"], image["vi_t_image_encoder"]["class_embed"])
    assert np.array_equal(found["text.tower.proj.weight"], text["text_encoder/proj"]["w"].T)


@pytest.mark.parametrize(
    ("tower", "name", "leaf"),
    [
        (0, "text_encoder/proj", "w"),
        (0, "vi_t_image_encoder/embed", "embeddings"),
        (0, "vi_t_image_encoder/layer_x/feed_forward/linear_0", "w"),
        (0, "vi_t_image_encoder/layer_0/feed_forward/linear_2", "w"),
        (0, "vi_t_image_encoder/layer_0/feed_forward/query", "w"),
        (1, "text_encoder/layer_0/self_attention/layer_norm", "mean"),
        (1, "text_encoder/final_layer_norm", "scale"),
        (1, "text_encoder/class_embed", "w"),
    ],
)
def test_a_parameter_without_a_place_in_the_model_is_named(tower: int, name: str, leaf: str) -> None:
    parameters = haiku_parameters()
    parameters["params"][tower][name] = {leaf: np.zeros(3, np.float32)}
    with pytest.raises(UserError, match=rf"^checkpoint w\.pkl has a parameter that CLOOB-LAION does not: {name}/{leaf}$"):
        state_dict(parameters, PATH)


@pytest.mark.parametrize(
    "content", [None, 3, [1, 2], {}, {"params": None}, {"params": ({}, {}, {})}, {"params": ({}, 1)}, {"params": {"a": {}, "b": {}}}]
)
def test_other_content_is_not_taken_for_a_checkpoint(content: Any) -> None:
    with pytest.raises(UserError, match=r"^checkpoint w\.pkl is no CLOOB-LAION checkpoint: it holds no 'params' of two towers$"):
        state_dict(content, PATH)


@pytest.mark.parametrize("leaf", [3, "x", None, [1.0], {"deep": np.zeros(2)}])
def test_a_leaf_that_is_no_array_is_named(leaf: Any) -> None:
    parameters = haiku_parameters()
    parameters["params"][1]["text_encoder/proj"]["w"] = leaf
    with pytest.raises(UserError, match=rf"holds a {type(leaf).__name__} at text_encoder/proj/w, not an array"):
        state_dict(parameters, PATH)


def test_half_precision_is_kept_as_float32() -> None:
    parameters = haiku_parameters()
    parameters["params"][0]["vi_t_image_encoder/proj"]["b"] = np.array([0.5] * 6, np.float16)
    assert state_dict(parameters, PATH)["image.tower.proj.bias"].dtype == torch.float32


def test_the_kept_file_names_its_source_and_its_layout(tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "w.pkl"
    path.write_bytes(pickle.dumps(haiku_parameters(), protocol=4))
    first = converted(path, "ab" * 32)
    kept = cache / "converted" / f"{'ab' * 32}-1.safetensors"
    with safe_open(kept, "pt") as file:
        assert file.metadata() == {"source_sha256": "ab" * 32, "source": "w.pkl", "layout": "1"}
    path.unlink()
    again = converted(path, "ab" * 32)
    assert first.keys() == again.keys()
    assert all(torch.equal(x, again[name]) for name, x in first.items()), "the pickle is not read again"
    monkeypatch.setattr(module, "_LAYOUT", "2")
    with pytest.raises(FileNotFoundError):
        converted(path, "ab" * 32)


def test_a_conversion_that_fails_keeps_nothing(tmp_path: Path, cache: Path) -> None:
    (tmp_path / "w.pkl").write_bytes(b"\x80\x04damaged")
    for _ in range(2):
        with pytest.raises(UserError, match="is no pickle of arrays"):
            converted(tmp_path / "w.pkl", "cd" * 32)
    assert not list(cache.rglob("*.safetensors"))
