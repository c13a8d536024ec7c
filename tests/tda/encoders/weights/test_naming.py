"""Checkpoints as trainers wrap them: the same vectors from every wrapping, and no weight from a guess."""

import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file
from torch import Tensor, nn

from tda.encoders import load
from tda.encoders.weights.local_copy import fit, read_state_dict
from tda.encoders.weights.naming import HOLDERS, adapted, held_state, named_for, plain_names
from tda.errors import UserError

State = dict[str, Tensor]
PLAIN = {"visual.w": torch.ones(2), "logit_scale": torch.tensor(1.0)}
WRAPPED: dict[str, Callable[[State], Any]] = {
    "plain": lambda state: state,
    "state_dict": lambda state: {"epoch": 3, "state_dict": state},
    "model": lambda state: {"model": state, "optimizer": {"lr": 0.1}},
    "model_state_dict": lambda state: {"step": 7, "model_state_dict": state},
    "module": lambda state: {"module": state, "ds_version": "0.14"},
    "nested": lambda state: {"state": None, "state_dict": {"model": {"model_state_dict": state, "more": 1}}},
    "data parallel": lambda state: {f"module.{name}": value for name, value in state.items()},
    "compiled": lambda state: {f"_orig_mod.{name}": value for name, value in state.items()},
    "a compiled tower": lambda state: {name.replace("visual.", "visual._orig_mod."): value for name, value in state.items()},
    "both": lambda state: {"model": {f"module._orig_mod.{name}": value for name, value in state.items()}},
    "the other way round": lambda state: {f"_orig_mod.module.{name}": value for name, value in state.items()},
    "a trainer's class": lambda state: {"state_dict": {f"model.{name}": value for name, value in state.items()}},
    "FSDP": lambda state: {name.replace("visual.", "visual._fsdp_wrapped_module."): value for name, value in state.items()},
    "NumPy's numbers": lambda state: {"epoch": np.int64(3), "best": np.float32(0.5), "done": np.bool_(True), "state_dict": state},
}


@pytest.fixture(scope="module")
def tiny(shared_golden: Path) -> tuple[State, str]:
    """A model's state dict, and its configuration."""
    return load_file(shared_golden / "openclip_vit_tiny.safetensors"), str(shared_golden / "openclip_vit_tiny.json")


def vectors(path: Path, config: str) -> Tensor:
    encoder = load("open_clip", str(path), config, device="cpu")
    pixels = torch.linspace(-1, 1, 3 * 32 * 32).reshape(1, 3, 32, 32)
    size = encoder.preprocessing["image"]["size"]
    pixels = nn.functional.interpolate(pixels, size=(size, size) if isinstance(size, int) else tuple(size))
    return torch.cat([encoder.encode_image(pixels), encoder.encode_text(encoder.tokenize(["a dog"]))])


@pytest.mark.parametrize("wrapping", WRAPPED)
def test_every_wrapping_gives_the_same_vectors(tmp_path: Path, tiny: tuple[State, str], wrapping: str) -> None:
    state, config = tiny
    for name, content in (("plain.pt", state), ("wrapped.pt", WRAPPED[wrapping](state))):
        torch.save(content, tmp_path / name)
    assert torch.equal(vectors(tmp_path / "wrapped.pt", config), vectors(tmp_path / "plain.pt", config))


@pytest.mark.parametrize(
    "change",
    [
        lambda state: {**state, "logit_bias": torch.tensor(-10.0)},
        lambda state: {**state, "logit_scale": state["logit_scale"].reshape(1)},
        lambda state: {**state, "text.position_ids": torch.arange(4)[None]},
    ],
    ids=["logit_bias", "logit_scale of one row", "position_ids"],
)
def test_what_no_vector_needs_may_be_there(tmp_path: Path, tiny: tuple[State, str], change: Callable[[State], State]) -> None:
    state, config = tiny
    torch.save(state, tmp_path / "plain.pt")
    torch.save(change(state), tmp_path / "more.pt")
    assert torch.equal(vectors(tmp_path / "more.pt", config), vectors(tmp_path / "plain.pt", config))


@pytest.mark.parametrize("missing", ["logit_scale", "ln_final.weight"])
def test_anything_else_that_is_missing_is_named(tmp_path: Path, tiny: tuple[State, str], missing: str) -> None:
    state, config = tiny
    torch.save({name: value for name, value in state.items() if name != missing}, tmp_path / "w.pt")
    with pytest.raises(UserError, match=rf"1 missing \({missing}\)"):
        load("open_clip", str(tmp_path / "w.pt"), config, device="cpu")


def test_a_model_with_a_bias_takes_weights_without_one(tmp_path: Path, tiny: tuple[State, str]) -> None:
    state, config = tiny
    settings = json.loads(Path(config).read_text())
    inner = settings.get("model_cfg", settings)
    inner["init_logit_bias"] = -10
    (tmp_path / "bias.json").write_text(json.dumps(settings))
    torch.save(state, tmp_path / "w.pt")
    assert torch.equal(vectors(tmp_path / "w.pt", str(tmp_path / "bias.json")), vectors(tmp_path / "w.pt", config))


def test_clips_names_fit_a_model_with_its_text_apart_and_the_other_way_round(tmp_path: Path, tiny: tuple[State, str]) -> None:
    state, config = tiny
    settings = json.loads(Path(config).read_text())
    settings.get("model_cfg", settings)["custom_text"] = True
    (tmp_path / "custom.json").write_text(json.dumps(settings))
    torch.save(state, tmp_path / "w.pt")
    custom = {name if name.startswith(("visual.", "logit_")) else f"text.{name}": value for name, value in state.items()}
    torch.save(custom, tmp_path / "custom.pt")
    expected = vectors(tmp_path / "w.pt", config)
    for weights in ("w.pt", "custom.pt"):
        for model in (config, str(tmp_path / "custom.json")):
            # a text tower apart runs on the whole context, the other on a cut one: sums of another order
            torch.testing.assert_close(vectors(tmp_path / weights, model), expected, rtol=1e-5, atol=1e-5)


def test_names_of_other_models_stay_as_they_are() -> None:
    assert named_for(PLAIN, ["visual.w"]).keys() == PLAIN.keys()


def test_two_names_that_become_one_are_refused() -> None:
    with pytest.raises(UserError, match=r"the weight visual\.w twice, as visual\.w and as visual\._orig_mod\.w"):
        plain_names({**PLAIN, "visual._orig_mod.w": torch.zeros(2)})


@given(st.lists(st.sampled_from(["module.", "model.", "_orig_mod.", "_fsdp_wrapped_module."]), max_size=5))
def test_any_order_of_prefixes_is_removed(prefixes: list[str]) -> None:
    assert plain_names({"".join(prefixes) + name: value for name, value in PLAIN.items()}).keys() == PLAIN.keys()


def test_a_prefix_of_some_names_alone_is_part_of_them() -> None:
    assert plain_names({**PLAIN, "module.w": torch.ones(1)}).keys() == {*PLAIN, "module.w"}


@given(st.lists(st.sampled_from(HOLDERS), max_size=6))
def test_any_nesting_is_opened(holders: list[str]) -> None:
    content: Any = PLAIN
    for holder in holders:
        content = {holder: content, "step": 3}
    assert held_state(content) == PLAIN


@pytest.mark.parametrize("content", [None, [], {}, {"a": 1}, {"weights": {"a": torch.ones(1)}}, {1: torch.ones(1)}, {"model": [1]}])
def test_what_holds_no_weights_holds_none(content: Any) -> None:
    assert held_state(content) is None


def test_a_checkpoint_without_weights_says_what_it_has(tmp_path: Path) -> None:
    torch.save({"weights": {"a": torch.ones(1)}, "epoch": 3}, tmp_path / "w.pt")
    with pytest.raises(UserError, match=r"under state_dict, model_state_dict, model, module; it has: weights, epoch"):
        read_state_dict(tmp_path / "w.pt")


def test_a_scale_of_another_size_is_named(tmp_path: Path) -> None:
    model = nn.Module()
    model.logit_scale = nn.Parameter(torch.tensor(1.0))
    assert adapted(model, {"logit_scale": torch.ones(1)})["logit_scale"].shape == ()
    with pytest.raises(UserError, match=r"logit_scale \(2,\) for \(\)"):
        fit(model, {"logit_scale": torch.ones(2)}, tmp_path)


class _Array:
    """Pickles as NumPy's scalar of another kind."""

    def __init__(self, *parts: Any) -> None:
        self.parts = parts

    def __reduce__(self) -> tuple[Any, ...]:
        return self.parts


@pytest.mark.parametrize(
    "hostile",
    [
        _Array(np._core.multiarray._reconstruct, (np.ndarray, (0,), b"b")),
        _Array(np.load, ("x.npy",)),
        _Array(np.frompyfunc, (len, 1, 1)),
        _Array(eval, ("1",)),
    ],
)
def test_nothing_else_of_numpy_is_let_in(tmp_path: Path, hostile: Any) -> None:
    torch.save({"epoch": hostile, "state_dict": PLAIN}, tmp_path / "w.pt", pickle_module=pickle)
    with pytest.raises(UserError, match="cannot be read"):
        read_state_dict(tmp_path / "w.pt")
