"""What a look at a folder finds."""

from pathlib import Path
from typing import Any

import fsspec
import pytest

from jobs.watching.copies import Copies
from jobs.watching.naming import naming_of
from jobs.watching.place import Place, version_now
from tda.config.watch import WatchConfig


def place(url: Path | str, **values: Any) -> Place:
    return Place(str(url), naming_of(WatchConfig(**values)))


def filled(folder: Path, *files: str) -> None:
    for name in files:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(name.encode())


def test_files_are_found_in_order_of_step_with_their_sentinels(tmp_path: Path) -> None:
    assert place(tmp_path / "nothing").look() == []
    filled(tmp_path, "step_00000010.pt", "step_00000009.pt", "step_00000009.json", "model.pt", "step_00000001.pt/not_a_file")
    found = place(tmp_path).look()
    assert [(one.label, one.step, one.whole) for one in found] == [("step_00000009.pt", 9, True), ("step_00000010.pt", 10, False)]
    assert [one.whole for one in place(tmp_path, pattern="step_{step}.pt").look()] == [None, None]


def test_a_folder_is_whole_with_its_sentinel_and_brings_small_files(tmp_path: Path) -> None:
    filled(tmp_path, "checkpoint-5/model.safetensors", "checkpoint-5/config.json", "checkpoint-5/optimizer.pt")
    (one,) = place(tmp_path, naming="hf_trainer").look()
    assert (one.step, one.whole, one.url) == (5, False, f"{tmp_path}/checkpoint-5/model.safetensors")
    assert one.beside == (f"{tmp_path}/checkpoint-5/config.json",)
    filled(tmp_path, "checkpoint-5/trainer_state.json")
    assert place(tmp_path, naming="hf_trainer").look()[0].whole


@pytest.mark.parametrize(
    ("naming", "files", "fault"),
    [
        ("olmo_core", ["step7/.metadata.json", "step7/model/x"], "it is a folder: export its weights as one file"),
        ("hf_trainer", ["checkpoint-7/__0_0.distcp", "checkpoint-7/__1_0.distcp"], "it is in shards (__0_0.distcp, ...)"),
        ("prime_rl", ["step_7/model-00001-of-00002.safetensors", "step_7/STABLE"], "it is in shards (model-00001-of-00002.safetensors"),
        ("prime_rl", ["step_7/other.pt"], "it holds no model.safetensors or pytorch_model.bin: watch.file names"),
    ],
)
def test_folders_without_one_file_of_weights_are_named(tmp_path: Path, naming: str, files: list[str], fault: str) -> None:
    filled(tmp_path, *files)
    (one,) = place(tmp_path, naming=naming).look()
    assert one.fault.startswith(fault)


def test_a_name_that_stores_do_not_allow_is_named(tmp_path: Path) -> None:
    filled(tmp_path, "a b 7.pt")
    (one,) = place(tmp_path, pattern="a b {step}.pt").look()
    assert "'a b 7.pt'" in one.fault


def test_a_replaced_file_has_another_version(tmp_path: Path) -> None:
    filled(tmp_path, "epoch_1.pt")
    (first,) = place(tmp_path, naming="open_clip").look()
    assert version_now(first.url) == first.version == place(tmp_path, naming="open_clip").look()[0].version
    (tmp_path / "new").write_bytes(b"epoch_1.pX")
    (tmp_path / "new").replace(tmp_path / "epoch_1.pt")
    assert version_now(first.url) != first.version
    (tmp_path / "epoch_1.pt").unlink()
    with pytest.raises(FileNotFoundError):
        version_now(first.url)


def test_a_place_may_be_on_any_store(tmp_path: Path) -> None:
    fs = fsspec.filesystem("memory")
    fs.pipe_file(f"/{tmp_path.name}/epoch_2.pt", b"two")
    (one,) = place(f"memory://{tmp_path.name}", naming="open_clip").look()
    assert one.url == f"memory://{tmp_path.name}/epoch_2.pt"
    copied = Copies(str(tmp_path / "ledger"), "w", copy=True).take(one)
    assert Path(copied.url).read_bytes() == b"two"
