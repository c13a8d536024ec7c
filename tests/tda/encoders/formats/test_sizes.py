"""Sizes of a model's configuration: each that no model can have is one line with its field, each that one has is built."""

import copy
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tda.encoders.formats.open_clip import build
from tda.encoders.formats.sizes import SIZES, require_sizes
from tda.errors import UserError

SMALL: dict[str, Any] = {
    "embed_dim": 16,
    "vision_cfg": {"image_size": 16, "patch_size": 8, "width": 32, "layers": 1, "head_width": 16},
    "text_cfg": {"context_length": 40, "vocab_size": 512, "width": 16, "heads": 2, "layers": 1},
}
RESNET = {"image_size": 32, "layers": [1, 1, 1, 1], "width": 8, "head_width": 16}


def changed(field: str, value: Any) -> dict[str, Any]:
    config = copy.deepcopy(SMALL)
    group, _, key = field.rpartition(".")
    (config[group] if group else config)[key] = value
    return config


@pytest.mark.parametrize("field", SIZES)
@pytest.mark.parametrize("value", [0, -1, True, 1.5, "16", None, 10**12, [], [4, 0], {}])
def test_what_is_no_size_names_its_field(field: str, value: Any) -> None:
    with pytest.raises(UserError) as refused:
        require_sizes(changed(field, value), "m.json")
    assert str(refused.value).startswith(f"encoder.config=m.json is not an open_clip model: {field}={value!r} must be a whole number")


@pytest.mark.parametrize(
    ("field", "value", "reported"),
    [
        ("vision_cfg.head_width", 64, "vision_cfg.width=32 has no room for a head of vision_cfg.head_width=64"),
        ("vision_cfg.width", 33, "vision_cfg.width=33 cannot be divided among the 2 heads of vision_cfg.head_width=16"),
        ("vision_cfg.patch_size", 17, "vision_cfg.image_size=16 is smaller than vision_cfg.patch_size=17"),
        ("text_cfg.heads", 3, "text_cfg.width=16 cannot be divided among text_cfg.heads=3"),
    ],
)
def test_sizes_that_do_not_fit_together(field: str, value: Any, reported: str) -> None:
    with pytest.raises(UserError, match=reported):
        build(changed(field, value), name="m.json")


SMALL_SIZES = {"vision_cfg.width": 48, "vision_cfg.head_width": 48, "vision_cfg.patch_size": 20, "text_cfg.heads": 20, "text_cfg.width": 24}


@given(st.sampled_from(sorted(SMALL_SIZES)).flatmap(lambda field: st.tuples(st.just(field), st.integers(-1, SMALL_SIZES[field]))))
@settings(max_examples=60, deadline=None)
def test_a_size_is_refused_exactly_where_the_library_fails(change: tuple[str, int]) -> None:
    """By open_clip's own classes: what passes here is built."""
    config = changed(*change)
    try:
        require_sizes(config, "m.json")
    except UserError:
        return
    assert sum(value.numel() for value in build(config).state_dict().values())


def test_resnets_and_pairs_of_sizes_pass() -> None:
    config = copy.deepcopy(SMALL) | {"vision_cfg": RESNET}
    require_sizes(config, None)
    require_sizes(changed("vision_cfg.image_size", [16, 24]), None)
    require_sizes({**SMALL, "vision_cfg": {"timm_model_name": "vit_tiny", "image_size": 32}}, None)


def test_a_resnet_has_no_patches_and_a_transformer_without_them_is_named() -> None:
    text = {"context_length": 77, "vocab_size": 49408, "width": 512, "heads": 8, "layers": 12}
    vision = {"image_size": 224, "width": 64, "head_width": 64, "patch_size": None}
    require_sizes({"embed_dim": 1024, "vision_cfg": {**vision, "layers": [3, 4, 6, 3]}, "text_cfg": text}, "rn50")
    with pytest.raises(UserError, match=r"vision_cfg\.patch_size=None must be a whole number"):
        require_sizes({"embed_dim": 1024, "vision_cfg": {**vision, "layers": 12}, "text_cfg": text}, "vit")
