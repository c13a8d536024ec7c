"""The public door to every format: who reads it, with which options, and by what an encoder is known again."""

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tda import encoders
from tda.config.models import FORMATS, EncoderConfig
from tda.errors import UserError


@pytest.fixture
def weights(tmp_path: Path) -> str:
    (tmp_path / "weights.pt").write_bytes(b"weights")
    return str(tmp_path / "weights.pt")


@pytest.fixture
def reader(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """A format's module that keeps what it is given."""
    given: list[Any] = []

    def load(*arguments: Any, **options: Any) -> str:
        given.append((arguments, options))
        return "an encoder"

    def describe(*arguments: Any, **options: Any) -> tuple[str, dict[str, Any]]:
        given.append((arguments, options))
        return "ab" * 32, found.preprocessing

    found = SimpleNamespace(load=load, describe=describe, given=given, preprocessing={"image": {"size": 32}, "text": {"tokenizer": "own"}})
    monkeypatch.setitem(sys.modules, "reader_of_a_test", found)
    monkeypatch.setitem(encoders.FORMATS, "open_clip", "reader_of_a_test")
    return found


def test_every_format_of_the_settings_has_a_module_with_the_three_functions() -> None:
    assert tuple(encoders.FORMATS) == FORMATS
    for name in FORMATS:
        module = encoders.reader_of(name)
        assert all(callable(getattr(module, one)) for one in ("load", "describe", "meta_model")), name


def test_an_unknown_format_lists_the_choices() -> None:
    with pytest.raises(UserError, match=r"^encoder\.format='siglop' is unknown; choose one of: open_clip, openai, .*hf_clip$"):
        encoders.load("siglop", None)


def test_only_given_options_reach_the_module(reader: SimpleNamespace, weights: str) -> None:
    loaded = encoders.load("open_clip", weights, "model.json", "cpu", "bf16", pretrained=None, tokenizer="crc32-words")
    assert loaded == "an encoder"
    assert reader.given == [((weights, "model.json", "cpu", "bf16"), {"tokenizer": "crc32-words"})]


def test_an_option_of_another_format_is_refused_before_anything_is_read() -> None:
    with pytest.raises(UserError, match=r"^encoder\.pretrained='openai' is no option of the format carp$"):
        encoders.load("carp", "/nowhere.pt", pretrained="openai")
    with pytest.raises(UserError, match="is no option of the format hf_clip"):
        encoders.load("hf_clip", "/nowhere.pt", tokenizer="folder")


def test_a_file_of_another_digest_is_refused(reader: SimpleNamespace, weights: str) -> None:
    with pytest.raises(UserError, match=r"encoder\.checkpoint"):
        encoders.load("open_clip", weights, sha256="0" * 64)
    assert reader.given == []


def test_a_configured_encoder_is_loaded_with_its_settings(reader: SimpleNamespace, weights: str) -> None:
    config = EncoderConfig(name="e", format="open_clip", checkpoint=weights, config="m.json", precision="fp16", tokenizer="t")
    encoders.load_configured(config, "cpu")
    assert reader.given == [((weights, "m.json", "cpu", "fp16"), {"tokenizer": "t"})]


def test_the_identity_has_all_that_changes_a_vector(reader: SimpleNamespace, weights: str) -> None:
    config = EncoderConfig(name="e", format="open_clip", checkpoint=weights, precision="bf16")
    digest, settings = encoders.describe(config, resize="exact")
    assert digest == "ab" * 32
    assert settings == {"image": {"size": 32}, "text": {"tokenizer": "own"}, "precision": "bf16", "resize": "exact"}
    assert "resize" not in encoders.describe(config)[1]
    reader.preprocessing = {"passage": {}, "review": {}}
    assert encoders.describe(config, resize="exact")[1] == {"passage": {}, "review": {}, "precision": "bf16"}, "texts are not resized"


def test_a_vocabulary_that_nobody_names_is_refused_with_the_encoder(reader: SimpleNamespace, weights: str) -> None:
    reader.preprocessing = {"image": {}, "text": {"tokenizer": "unknown-77", "vocab_size": 77}}
    with pytest.raises(UserError, match=r"^encoder\.name=e: .*77"):
        encoders.describe(EncoderConfig(name="e", format="open_clip", checkpoint=weights))


def test_modalities_of_the_formats() -> None:
    assert encoders.modalities_of("carp") == ("passage", "review")
    assert {encoders.modalities_of(name) for name in FORMATS if name != "carp"} == {("image", "text")}
