"""open_clip models from files: the golden features, and one line for every file that is not what it should be."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

from tda.encoders import HASHED_WORDS, NO_TOKENIZER, load
from tda.encoders.formats.open_clip import (
    build,
    describe,
    image_settings,
    image_transform,
    model_config_of,
    preprocessing_of,
    with_tokenizer,
)
from tda.errors import UserError

NAMES = ["openclip_vit_tiny", "openclip_vit_tiny_quickgelu"]


@pytest.fixture
def model(shared_golden: Path, tmp_path: Path) -> tuple[Path, Path]:
    """A checkpoint and its configuration that a test may damage."""
    files = [shared_golden / f"openclip_vit_tiny{end}" for end in (".safetensors", ".json")]
    return tuple(Path(shutil.copyfile(file, tmp_path / file.name)) for file in files)  # type: ignore[return-value]  # two of two


def write_config(path: Path, **changes: Any) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


@pytest.mark.parametrize("name", NAMES)
def test_golden_features(shared_golden: Path, name: str) -> None:
    encoder = load("open_clip", str(shared_golden / f"{name}.safetensors"), str(shared_golden / f"{name}.json"), device="cpu")
    golden = np.load(shared_golden / f"{name}_io.npz")
    image_BD = encoder.encode_image(torch.from_numpy(golden["images"]))
    text_BD = encoder.encode_text(torch.from_numpy(golden["tokens"]))
    for found, wanted in ((image_BD, golden["image_features"]), (text_BD, golden["text_features"])):
        assert found.dtype == torch.float32
        np.testing.assert_allclose(found.numpy(), wanted, rtol=1e-5, atol=1e-5 * np.abs(wanted).max())
    assert image_BD.shape == (8, encoder.dim)


def test_preprocessing_and_tokens_are_open_clips(model: tuple[Path, Path]) -> None:
    from open_clip.transform import image_transform

    encoder = load("open_clip", str(model[0]), str(model[1]), device="cpu")
    image = Image.fromarray(np.random.default_rng(0).integers(0, 256, (70, 41, 3), dtype=np.uint8))
    assert torch.equal(encoder.preprocess(image), image_transform(32, is_train=False)(image))
    assert encoder.tokenize(["a dog", "two"]).shape == (2, 77)
    assert encoder.preprocessing["text"] == {"tokenizer": "crc32-words", "vocab_size": 512, "context_length": 77}


def test_description_is_that_of_the_loaded_model(model: tuple[Path, Path]) -> None:
    encoder = load("open_clip", str(model[0]), str(model[1]), device="cpu")
    assert describe(str(model[0]), str(model[1])) == (encoder.weights_sha256, encoder.preprocessing)


def test_own_mean_and_size_of_a_preprocess_config(model: tuple[Path, Path]) -> None:
    settings = {"model_cfg": json.loads(model[1].read_text()), "preprocess_cfg": {"mean": [0.5] * 3, "std": [0.5] * 3}}
    model[1].write_text(json.dumps(settings))
    encoder = load("open_clip", str(model[0]), str(model[1]), device="cpu")
    assert encoder.preprocess(Image.new("RGB", (8, 8), "white")).unique().tolist() == [1.0]


@pytest.mark.parametrize("wrap", [lambda s: s, lambda s: {"state_dict": {f"module.{k}": v for k, v in s.items()}, "epoch": 3}])
def test_pt_files_plain_and_from_training(model: tuple[Path, Path], tmp_path: Path, wrap: Any) -> None:
    state = load_file(model[0])
    torch.save(wrap(state), tmp_path / "model.pt")
    first = load("open_clip", str(model[0]), str(model[1]), device="cpu")
    second = load("open_clip", str(tmp_path / "model.pt"), str(model[1]), device="cpu")
    pixels_B3HW = torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    assert torch.equal(first.encode_image(pixels_B3HW), second.encode_image(pixels_B3HW))


def cut(checkpoint: Path, _: Path) -> None:
    checkpoint.write_bytes(checkpoint.read_bytes()[:-1000])


def key_missing(checkpoint: Path, _: Path) -> None:
    state = load_file(checkpoint)
    del state["visual.proj"]
    save_file(state, checkpoint)


def key_renamed(checkpoint: Path, _: Path) -> None:
    state = load_file(checkpoint)
    state["visual.projection"] = state.pop("visual.proj")
    save_file(state, checkpoint)


def other_shape(_: Path, config: Path) -> None:
    write_config(config, embed_dim=64)


def more_layers(_: Path, config: Path) -> None:
    write_config(config, text_cfg={**json.loads(config.read_text())["text_cfg"], "layers": 3})


def no_json(_: Path, config: Path) -> None:
    config.write_text("{")


def no_towers(_: Path, config: Path) -> None:
    config.write_text('{"embed_dim": 32}')


def unknown_word(_: Path, config: Path) -> None:
    write_config(config, colour="blue")


def hugging_face(_: Path, config: Path) -> None:
    write_config(config, text_cfg={"hf_model_name": "roberta-base"})


def no_checkpoint(checkpoint: Path, _: Path) -> None:
    checkpoint.unlink()


def no_config(_: Path, config: Path) -> None:
    config.unlink()


@pytest.mark.parametrize(
    ("damage", "expected"),
    [
        (cut, "openclip_vit_tiny.safetensors"),
        (key_missing, "visual.proj"),
        (key_renamed, "visual.projection"),
        (other_shape, "text_projection (32, 32) for (32, 64)"),
        (more_layers, "resblocks.2"),
        (no_json, "is not JSON"),
        (no_towers, "vision_cfg"),
        (unknown_word, "colour"),
        (hugging_face, "roberta-base"),
        (no_checkpoint, "encoder.checkpoint="),
        (no_config, "encoder.config="),
    ],
)
def test_each_wrong_file_is_one_line(model: tuple[Path, Path], damage: Any, expected: str) -> None:
    damage(*model)
    with pytest.raises(UserError) as caught:
        load("open_clip", str(model[0]), str(model[1]), device="cpu")
    assert expected in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_pickle_that_runs_code_is_refused_and_runs_nothing(model: tuple[Path, Path], tmp_path: Path) -> None:
    ran = tmp_path / "ran"

    class Runs:
        def __reduce__(self) -> tuple[Any, ...]:
            return Path.touch, (ran,)

    torch.save({"state_dict": Runs()}, tmp_path / "evil.pt")
    with pytest.raises(UserError, match=r"evil\.pt"):
        load("open_clip", str(tmp_path / "evil.pt"), str(model[1]), device="cpu")
    assert not ran.exists()


@pytest.mark.parametrize(("field", "value"), [("format", "jpeg"), ("device", "abacus"), ("precision", "fp7")])
def test_unknown_words_name_the_choices(model: tuple[Path, Path], field: str, value: str) -> None:
    with pytest.raises(UserError, match=value):
        load(**{"format": "open_clip", "checkpoint": str(model[0]), "config": str(model[1]), "device": "cpu", field: value})


@pytest.mark.gpu
def test_gpu_agrees_with_the_cpu(model: tuple[Path, Path]) -> None:
    cpu, gpu = (load("open_clip", str(model[0]), str(model[1]), device=device, precision="auto") for device in ("cpu", "cuda"))
    assert gpu.precision == "bf16"
    pixels_B3HW = torch.randn(16, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    assert torch.cosine_similarity(cpu.encode_image(pixels_B3HW), gpu.encode_image(pixels_B3HW).cpu()).min() > 0.999


SIZES = {"vision_cfg": {"image_size": 32, "patch_size": 16, "width": 64, "layers": 1, "head_width": 32}, "embed_dim": 32}


def _settings(vocab_size: int = 49_408, **more: Any) -> dict[str, Any]:
    text = {"context_length": 77, "vocab_size": vocab_size, "width": 64, "heads": 2, "layers": 1}
    return {"model_cfg": {**SIZES, "text_cfg": text}, **more}


@pytest.mark.parametrize(
    "preprocess",
    [
        {},
        {"resize_mode": "longest", "fill_color": 255},
        {"resize_mode": "longest", "fill_color": 255, "mean": [0.5, 0.5, 0.5], "std": [0.5, 0.5, 0.5]},
        {"resize_mode": "squash", "interpolation": "bilinear"},
        {"resize_mode": "shortest", "fill_color": 7, "size": [24, 40]},
        {"mean": 0.5, "std": 0.25, "interpolation": "random"},
        {"mode": "RGB", "size": 48},
    ],
)
@pytest.mark.parametrize("size", [(61, 33), (33, 61), (32, 32), (7, 90)])
def test_every_field_of_the_preprocessing_is_open_clips(preprocess: dict[str, Any], size: tuple[int, int]) -> None:
    from open_clip.transform import PreprocessCfg, image_transform_v2

    given = {name: tuple(value) if isinstance(value, list) else value for name, value in preprocess.items()}
    theirs = image_transform_v2(PreprocessCfg(**{"size": 32, **given}), is_train=False)
    picture = Image.fromarray(np.random.default_rng(0).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8))
    ours = image_transform(image_settings(_settings()["model_cfg"], preprocess))
    assert torch.equal(ours(picture), theirs(picture))


@pytest.mark.parametrize(
    ("preprocess", "message"),
    [
        ({"crop": 1}, "preprocess_cfg.crop is unknown; choose one of: size, mode, mean, std, interpolation, resize_mode, fill_color"),
        ({"resize_mode": "pad"}, "preprocess_cfg.resize_mode='pad' is unknown; choose one of: shortest, longest, squash"),
        ({"interpolation": "nearest"}, "preprocess_cfg.interpolation='nearest' is unknown; choose one of: bicubic, bilinear, random"),
        ({"mode": "L"}, "preprocess_cfg.mode='L' is unknown; choose one of: RGB"),
    ],
)
def test_a_preprocessing_that_open_clip_does_not_have_is_refused(preprocess: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError) as refused:
        preprocessing_of(_settings(preprocess_cfg=preprocess), "m.json")
    assert str(refused.value) == f"encoder.config=m.json: {message}"


def test_a_colour_of_the_border_is_part_of_the_identity_and_its_default_is_not() -> None:
    plain, black, white = (
        preprocessing_of(_settings(preprocess_cfg=cfg))["image"] for cfg in (None, {"fill_color": 0}, {"fill_color": 255})
    )
    assert plain == black == {"size": 32, "resize_mode": "shortest", "interpolation": "bicubic", "mean": plain["mean"], "std": plain["std"]}
    assert white == {**plain, "fill_color": 255}


def test_a_configuration_names_its_tokenizer_beside_the_model() -> None:
    named = _settings(30_522, tokenizer=HASHED_WORDS)
    assert preprocessing_of(named)["text"] == {"tokenizer": HASHED_WORDS, "vocab_size": 30_522, "context_length": 77}
    assert "tokenizer" not in model_config_of({**named["model_cfg"], "tokenizer": HASHED_WORDS})
    assert preprocessing_of(_settings(30_522))["text"]["tokenizer"] == NO_TOKENIZER
    assert preprocessing_of(_settings(30_522), tokenizer=HASHED_WORDS)["text"]["tokenizer"] == HASHED_WORDS
    assert with_tokenizer(_settings(30_522), HASHED_WORDS) == named
    for known in (_settings(), _settings(2240), named):
        assert with_tokenizer(known, HASHED_WORDS) == known
        assert with_tokenizer(known, None) == known


def test_a_folder_is_the_tokenizer_wherever_it_is_given(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"encoder\.tokenizer=.*none is not a folder with the model's tokenizer"):
        preprocessing_of(_settings(30_522), tokenizer=str(tmp_path / "none"))
    (tmp_path / "tokenizer.json").write_text("{}")
    text = preprocessing_of(_settings(30_522), tokenizer=str(tmp_path))["text"]
    assert (text["tokenizer"], len(text["sha256"]), text["options"]) == ("folder", 64, {})


@pytest.mark.parametrize(
    ("part", "change", "reported"),
    [
        ("vision_cfg", {"width": 32, "head_width": 64}, r"vision_cfg\.width=32 has no room for a head of vision_cfg\.head_width=64"),
        ("vision_cfg", {"head_width": 0}, r"vision_cfg\.head_width=0"),
        ("text_cfg", {"heads": 0}, r"cannot be divided among text_cfg\.heads=0"),
        ("text_cfg", {"width": 30, "heads": 4}, r"text_cfg\.width=30 cannot be divided among text_cfg\.heads=4"),
    ],
)
def test_heads_that_do_not_fit_are_named_as_the_configuration_has_them(
    shared_golden: Path, part: str, change: dict[str, int], reported: str
) -> None:
    config = json.loads((shared_golden / "openclip_vit_tiny.json").read_text())
    config = config.get("model_cfg", config)
    with pytest.raises(UserError, match=reported) as error:
        build({**config, part: {**config[part], **change}}, "m.json")
    assert "\n" not in str(error.value)
