"""Files are fetched once, checked before they are opened, and refused in one line."""

import hashlib
import multiprocessing
import os
from pathlib import Path
from typing import Any

import fsspec
import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from tda.encoders import load
from tda.encoders.weights.local_copy import cache_dir, first_line, fit, local_file, once, read_config, read_state_dict
from tda.errors import UserError


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LACUNA_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_a_local_file_is_itself(tmp_path: Path) -> None:
    (tmp_path / "w.pt").write_bytes(b"x")
    assert local_file(str(tmp_path / "w.pt"), "encoder.checkpoint") == tmp_path / "w.pt"
    assert local_file(f"file://{tmp_path}/w.pt", "encoder.checkpoint") == tmp_path / "w.pt"


def test_a_packaged_file_is_found() -> None:
    assert read_config("pkg://conf/model/clip_vitb16.json")["vision_width"] == 768
    with pytest.raises(UserError, match=r"pkg://conf/model/nope.json is not a file"):
        read_config("pkg://conf/model/nope.json")
    with pytest.raises(UserError, match="names a package that is not installed"):
        read_config("pkg://no_such_package/nope.json")


def test_a_remote_file_is_fetched_once_and_again_when_it_changes(cache: Path) -> None:
    remote, url = fsspec.filesystem("memory"), "memory://models/w.pt"
    remote.pipe_file("/models/w.pt", b"first")
    first = local_file(url, "encoder.checkpoint")
    assert (first.read_bytes(), first.is_relative_to(cache)) == (b"first", True)
    made = first.stat().st_mtime_ns
    assert local_file(url, "encoder.checkpoint") == first
    assert first.stat().st_mtime_ns == made
    remote.pipe_file("/models/w.pt", b"second")
    assert local_file(url, "encoder.checkpoint").read_bytes() == b"second"
    assert not list(cache.rglob("*.tmp"))


def _make(target: Path, log: Path) -> None:
    with once(target) as missing:
        if missing:
            with log.open("a") as file:
                file.write("made\n")
            target.write_text("whole")


def test_of_many_processes_one_makes_the_file(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    racers = [context.Process(target=_make, args=(tmp_path / "kept" / "w", tmp_path / "log")) for _ in range(8)]
    for racer in racers:
        racer.start()
    for racer in racers:
        racer.join()
    assert (tmp_path / "log").read_text() == "made\n"


def test_the_sha256_is_checked_before_the_file_is_opened(tmp_path: Path, shared_golden: Path) -> None:
    path = shared_golden / "openai_vit_tiny.pt"
    right = hashlib.sha256(path.read_bytes()).hexdigest()
    for digits in (right, right[:8], right.upper()):
        assert load("openai", str(path), device="cpu", sha256=digits).weights_sha256 == right
    (tmp_path / "w.pt").write_bytes(b"would fail differently if it were opened")
    with pytest.raises(UserError, match=rf"w.pt has sha256 .*, not {right[:16]}...: it is damaged or another file; it was not opened"):
        load("openai", str(tmp_path / "w.pt"), device="cpu", sha256=right)
    with pytest.raises(UserError, match="too short: give at least the first 8 digits"):
        load("openai", str(path), device="cpu", sha256=right[:7])


def test_a_missing_file_names_where_the_original_is_published() -> None:
    source = "w.pt by github.com/someone/model"
    reported = "the original is published as w.pt by github.com/someone/model: fetch it and set encoder.checkpoint to its path"
    for url, missing in (("/no/w.pt", "is not a file"), (None, "is not set"), ("???", "is not set"), ("memory://no/w.pt", "is not there")):
        with pytest.raises(UserError, match=rf"{missing}; {reported}") as refused:
            load("openai", url, source=source, device="cpu")
        assert "\n" not in str(refused.value)
    with pytest.raises(UserError, match=r"'nope://w.pt' cannot be opened here"):
        load("openai", "nope://w.pt", device="cpu")


def test_cut_and_foreign_files_are_refused(shared_golden: Path, tmp_path: Path) -> None:
    for name, keep in (("openclip_vit_tiny.safetensors", 5000), ("openai_vit_tiny.pt", 100_000), ("openai_vit_tiny_jit_fp16.pt", 90_000)):
        cut = tmp_path / name
        for size in (keep, 4, 0):
            cut.write_bytes((shared_golden / name).read_bytes()[:size])
            with pytest.raises(UserError, match=rf"checkpoint .*{name} (cannot be read|holds no state dict)") as refused:
                read_state_dict(cut)
            assert "\n" not in str(refused.value)
    np.savez(tmp_path / "w.pt", a=np.ones(2))
    with pytest.raises(UserError, match=r"w.pt cannot be read"):
        read_state_dict(tmp_path / "w.pt")


def test_a_file_that_would_run_something_is_refused_by_its_name(tmp_path: Path) -> None:
    for call, named in ((Call(os.system, f"touch {tmp_path}/ran"), "posix.system"), (Call(np.sum, 1), "numpy.sum")):
        torch.save({"state_dict": call}, tmp_path / "w.pt")
        with pytest.raises(UserError, match=rf"w.pt cannot be read: .* it names {named}, which was not imported$"):
            read_state_dict(tmp_path / "w.pt")
    assert not (tmp_path / "ran").exists()


class Call:
    """Unpickled without a guard, it is the call of a function."""

    def __init__(self, function: Any, argument: Any) -> None:
        self.call = function, (argument,)

    def __reduce__(self) -> Any:
        return self.call


def test_a_state_dict_is_found_nested_and_under_module(tmp_path: Path) -> None:
    torch.save({"epoch": 3, "state_dict": {"module.a": torch.ones(2), "module.b": torch.ones(1)}}, tmp_path / "w.pt")
    save_file({"module.a": torch.ones(2), "b": torch.ones(1)}, tmp_path / "w.safetensors")
    assert list(read_state_dict(tmp_path / "w.pt")) == ["a", "b"]
    torch.save({"step": 3, "model": {"a": torch.ones(2)}, "optimizer": {"state": {}}}, tmp_path / "step.pt")
    assert list(read_state_dict(tmp_path / "step.pt")) == ["a"]
    assert sorted(read_state_dict(tmp_path / "w.safetensors")) == ["b", "module.a"]


def test_faults_are_counted_and_named(tmp_path: Path) -> None:
    model = torch.nn.Linear(2, 3)
    before = model.weight.clone()
    state = {"weight": torch.full((2, 2), torch.inf), "bais": torch.ones(3)}
    with pytest.raises(
        UserError, match=r"1 missing \(bias\); 1 unexpected \(bais\); 1 of another shape \(weight \(2, 2\) for \(3, 2\)\); 1 not finite"
    ):
        fit(model, state, tmp_path / "w.pt")
    assert torch.equal(model.weight, before)  # nothing half-loaded


def test_options_and_formats_are_checked(shared_golden: Path) -> None:
    with pytest.raises(UserError, match=r"encoder.tokenizer=x: models of this format have CLIP's vocabulary, or crc32-words"):
        load("openai", str(shared_golden / "openai_vit_tiny.pt"), tokenizer="x")
    with pytest.raises(
        UserError, match=r"encoder.format='onnx' is unknown; choose one of: open_clip, openai, cloob_official, cloob_laion, carp"
    ):
        load("onnx", "w.onnx")


def test_the_cache_is_where_it_is_wanted(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("LACUNA_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_dir() == tmp_path / "lacuna"


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("a fault\nand its trace", "a fault"),
        ("  \n a fault ", "a fault"),
        ("it failed because:\n  size 3, not 4\nmore", "it failed because: size 3, not 4"),
        ("x" * 300, "x" * 300),
        ("y" * 301, "y" * 297 + "..."),
        ("", "ValueError"),
    ],
)
def test_an_errors_line_is_whole_or_says_that_it_is_cut(text: str, line: str) -> None:
    assert first_line(ValueError(text)) == line
