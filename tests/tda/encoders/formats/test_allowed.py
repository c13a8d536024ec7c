"""A model's folder is not trusted: no keyword that runs or fetches reaches a library, no code in it runs, no connection is made."""

import copy
import json
import socket
from pathlib import Path
from typing import Any

import pytest

from tda.encoders import load, load_configured
from tda.encoders.formats import carp, open_clip
from tda.encoders.formats.allowed import require_open_clip_fields, require_roberta_fields, require_tokenizer_options
from tda.encoders.tokens import FolderTokenizer
from tda.encoders.weights.offline import offline
from tda.errors import UserError

SMALL: dict[str, Any] = {
    "embed_dim": 8,
    "vision_cfg": {"image_size": 32, "patch_size": 16, "width": 64, "layers": 1, "head_width": 32},
    "text_cfg": {"context_length": 8, "vocab_size": 49408, "width": 16, "heads": 2, "layers": 1},
}
ROBERTA = {"vocab_size": 20, "hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 8}


@pytest.fixture
def connections(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Every host that anything here connects to or looks up."""
    asked: list[Any] = []

    def refuse(*address: Any, **_: Any) -> Any:
        asked.append(address)
        raise OSError("there is no network in this test")

    for name in ("connect", "connect_ex"):
        monkeypatch.setattr(socket.socket, name, lambda _, address: refuse(address))
    for name in ("getaddrinfo", "create_connection"):
        monkeypatch.setattr(socket, name, refuse)
    return asked


def changed(where: str, value: Any) -> dict[str, Any]:
    """SMALL with one field set; `where` is its path."""
    config = copy.deepcopy(SMALL)
    *path, last = where.split(".")
    inner = config
    for part in path:
        inner = inner.setdefault(part, {})
    inner[last] = value
    return config


@pytest.mark.parametrize(
    ("where", "value"),
    [
        ("colour", "blue"),
        ("cast_dtype", "float16"),
        ("multimodal_cfg", {}),
        ("pretrained_hf", True),
        ("embed_dim", {"a": 1}),
        ("vision_cfg", []),
        ("text_cfg", "x"),
        ("vision_cfg.checkpoint_path", "/x.pt"),
        ("vision_cfg.pretrained_cfg", {"url": "http://x"}),
        ("vision_cfg.timm_model_name", "hf-hub:timm/test_vit"),
        ("vision_cfg.timm_model_name", "hf_hub:timm/test_vit"),
        ("vision_cfg.timm_model_name", "HF-HUB:timm/test_vit"),
        ("vision_cfg.timm_model_name", "local-dir:folder"),
        ("vision_cfg.timm_model_name", "timm/test_vit"),
        ("vision_cfg.timm_model_name", "https://example.org/x"),
        ("vision_cfg.timm_model_name", "no_such_model"),
        ("vision_cfg.timm_model_name", ["test_vit"]),
        ("vision_cfg.act_kwargs", {"inplace": True}),
        ("vision_cfg.image_size", [{"a": 1}]),
        ("text_cfg.norm_kwargs", {"device": "meta"}),
        ("text_cfg.hf_model_name", "roberta-base"),
        ("text_cfg.tokenizer_kwargs", {"trust_remote_code": True}),
        ("text_cfg.tokenizer_kwargs", {"trust_remote_code": "no"}),
        ("text_cfg.tokenizer_kwargs", {"cache_dir": "cache"}),
        ("text_cfg.tokenizer_kwargs", {"code_revision": "main"}),
        ("text_cfg.tokenizer_kwargs", {"tokenizer_type": "bert"}),
        ("text_cfg.tokenizer_kwargs", {"local_files_only": False}),
        ("text_cfg.tokenizer_kwargs", {"clean": {"a": 1}}),
    ],
)
def test_a_field_that_could_run_or_fetch_is_refused_by_name(where: str, value: Any, connections: list[Any]) -> None:
    with pytest.raises(UserError, match=r"encoder\.config=w\.json") as refused:
        open_clip.build(changed(where, value), "w.json")
    of_it = isinstance(value, dict) and where not in ("embed_dim", "multimodal_cfg")
    inner = next(iter(value)) if of_it else where.rsplit(".", maxsplit=1)[-1]
    assert (inner if value != "no_such_model" else value) in str(refused.value)
    assert "\n" not in str(refused.value)
    assert not connections


def test_every_field_of_every_model_of_the_registry_passes() -> None:
    from open_clip import get_model_config, list_models

    passed = 0
    for name in list_models():
        config = get_model_config(name)
        if "multimodal_cfg" in config:  # CoCa, which has another class
            continue
        require_open_clip_fields(config, name)
        require_tokenizer_options(config["text_cfg"].get("tokenizer_kwargs") or {}, name)
        passed += 1
    assert passed > 100


def test_a_model_of_timms_registry_is_built_without_a_connection(connections: list[Any]) -> None:
    vision = {"image_size": 160, "timm_model_name": "test_vit", "timm_model_pretrained": True, "timm_pool": "map", "timm_proj": "none"}
    open_clip.build({**changed("custom_text", value=True), "embed_dim": 64, "vision_cfg": vision}, "w.json")
    carp.build({"latent_dim": 4, "roberta": ROBERTA}, "w.json")
    assert not connections


@pytest.mark.parametrize(
    ("field", "value"), [("attn_implementation", "kernels-community/flash-attn"), ("auto_map", {"AutoModel": "x.Y"}), ("torch_dtype", "x")]
)
def test_a_roberta_takes_sizes_alone(field: str, value: Any) -> None:
    require_roberta_fields({**ROBERTA, "model_type": "roberta", "architectures": ["RobertaForMaskedLM"]}, "w.json")
    with pytest.raises(UserError, match=rf"encoder.config=w.json has the field roberta.{field}="):
        carp.build({"latent_dim": 4, "roberta": {**ROBERTA, field: value}}, "w.json")


@pytest.mark.parametrize("url", ["hf-hub:timm/ViT-B-16-SigLIP", "hf_hub:a/b", "HF-hub:a/b", "local-dir:folder"])
@pytest.mark.parametrize("field", ["checkpoint", "config"])
def test_a_hubs_name_is_refused_without_a_connection(url: str, field: str, tmp_path: Path, connections: list[Any]) -> None:
    (tmp_path / "w.pt").write_bytes(b"")
    with pytest.raises(UserError, match=rf"encoder.{field}={url} names a model of a hub") as refused:
        load(**{"format": "open_clip", "checkpoint": str(tmp_path / "w.pt"), "device": "cpu", field: url})
    assert "\n" not in str(refused.value)
    assert not connections


def planted(folder: Path, marker: Path) -> Path:
    """A tokenizer's folder that asks for a class of its own module, by every file that may ask."""
    folder.mkdir()
    harm = f"open({str(marker)!r}, 'w')\nclass Mine: pass\n"
    for module in ("mine.py", "tokenization_mine.py", "__init__.py", "hubconf.py", "conftest.py", "sitecustomize.py"):
        (folder / module).write_text(harm)
    mapped = {"AutoTokenizer": ["mine.Mine", "mine.Mine"], "AutoConfig": "mine.Mine"}
    (folder / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "Mine", "auto_map": mapped}))
    (folder / "config.json").write_text(json.dumps({"model_type": "mine", "auto_map": mapped}))
    return folder


@pytest.mark.parametrize("options", [{}, {"trust_remote_code": True}, {"trust_remote_code": True, "local_files_only": False}])
def test_no_code_of_a_tokenizers_folder_runs(tmp_path: Path, options: dict[str, Any], connections: list[Any]) -> None:
    folder, marker = planted(tmp_path / "tokenizer", tmp_path / "ran"), tmp_path / "ran"
    with pytest.raises(UserError, match="holds no tokenizer"):
        FolderTokenizer(str(folder), 100, 8, options)(["a"])  # even with options that the configuration could not have given
    with pytest.raises(UserError):
        carp.CarpTokenizer(str(folder), 20, 1, 8)(["a"])
    assert not marker.exists()
    assert not connections


def test_a_configuration_that_trusts_its_folder_is_refused_before_the_folder_is_read(tmp_path: Path, connections: list[Any]) -> None:
    from tda.config.models import EncoderConfig

    folder, marker = planted(tmp_path / "tokenizer", tmp_path / "ran"), tmp_path / "ran"
    config = changed("text_cfg.tokenizer_kwargs", {"trust_remote_code": True})
    config["text_cfg"]["hf_tokenizer_name"] = str(folder)
    (tmp_path / "w.json").write_text(json.dumps({"model_cfg": config}))
    (tmp_path / "w.pt").write_bytes(b"")
    encoder = EncoderConfig(config=f"{tmp_path}/w.json", checkpoint=f"{tmp_path}/w.pt", tokenizer=str(folder))
    with pytest.raises(UserError, match="no code of a model's folder is run"):
        load_configured(encoder, "cpu")
    assert not marker.exists()
    assert not connections


@pytest.mark.parametrize("before", [None, "0", "1"])
def test_the_libraries_are_offline_and_then_as_they_were(before: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    import os

    from huggingface_hub import constants

    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    monkeypatch.setenv("TRANSFORMERS_OFFLINE", "0")
    if before is not None:
        monkeypatch.setenv("HF_HUB_OFFLINE", before)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", before == "1")

    def fail() -> None:
        with offline(), offline():
            assert constants.HF_HUB_OFFLINE is True
            assert os.environ["TRANSFORMERS_OFFLINE"] == "1"
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert (os.environ.get("HF_HUB_OFFLINE"), os.environ["TRANSFORMERS_OFFLINE"]) == (before, "0")
    assert constants.HF_HUB_OFFLINE is (before == "1")


def test_a_hub_that_is_asked_while_offline_is_not_reached(connections: list[Any]) -> None:
    import timm
    from transformers import AutoTokenizer

    def ask(call: Any, *names: Any, **options: Any) -> None:
        with offline(), pytest.raises(Exception, match=r"."):
            call(*names, **options)

    ask(timm.create_model, "hf-hub:timm/test_vit", pretrained=False)
    ask(AutoTokenizer.from_pretrained, "nobody/nothing-at-all")
    assert not connections
