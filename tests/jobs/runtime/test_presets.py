"""Presets that are loaded by name, without a command: as Hydra composes them in one."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hydra._internal.hydra import Hydra
from hydra._internal.utils import create_config_search_path
from hydra.core.global_hydra import GlobalHydra

from jobs.runtime.presets import choices, composed, load_choice, preset_file
from tda.config.datasets import DatasetConfig, ToyConfig
from tda.errors import UserError


@contextmanager
def searching(folder: Path) -> Iterator[None]:
    """As inside a command with --config-dir."""
    searched = create_config_search_path("pkg://conf")
    searched.prepend("command-line", f"file://{folder}")
    Hydra.create_main_hydra2("embed", searched)
    try:
        yield
    finally:
        GlobalHydra.instance().clear()


def test_preset_resolves_root_and_takes_values() -> None:
    dataset = load_choice("dataset", "toy_train", "s3://bucket/run")
    assert dataset.name == "toy_train"
    assert str(dataset.shards).startswith("s3://bucket/run/")
    assert load_choice("dataset", "files", "r", name="mine", shards=["a.tar"]).shards == ["a.tar"]


def test_unknown_preset_names_the_choices() -> None:
    with pytest.raises(UserError, match=r"encoder=open_klip is unknown; choose one of: .*open_clip"):
        load_choice("encoder", "open_klip", "r")
    with pytest.raises(UserError, match=r"conf/dataset/files.yaml: dataset.nmae is unknown \(did you mean name\?\)"):
        load_choice("dataset", "files", "r", nmae="mine")
    assert "files" in choices("dataset")


def test_a_preset_of_the_user_may_build_on_presets(tmp_path: Path) -> None:
    (tmp_path / "dataset").mkdir()
    (tmp_path / "dataset" / "mine.yaml").write_text("defaults: [toy_heldout, _self_]\nname: mine\ntoy: {seed: 9}\n")
    (tmp_path / "dataset" / "lost.yaml").write_text("defaults: [nowhere]\n")
    with searching(tmp_path):
        mine = load_choice("dataset", "mine", "r")
        with pytest.raises(UserError, match=r"^conf/dataset/lost.yaml: .*dataset/nowhere") as caught:
            load_choice("dataset", "lost", "r")
    assert (mine.name, mine.toy.seed, mine.toy.duplicates_of["pairs"]) == ("mine", 9, 16000)
    assert "\n" not in str(caught.value)


def test_a_preset_of_the_user_comes_first(tmp_path: Path) -> None:
    (tmp_path / "dataset").mkdir()
    (tmp_path / "dataset" / "coco.yaml").write_text("name: my_coco\npairs: 5\n")
    with searching(tmp_path):
        assert preset_file("dataset", "coco") == tmp_path / "dataset" / "coco.yaml"
        assert load_choice("dataset", "coco", "r").name == "my_coco"
        assert load_choice("dataset", "toy_heldout", "r").toy.duplicates_of["pairs"] == 16000
        assert set(choices("dataset")) > {"coco", "toy_train"}
    assert load_choice("dataset", "coco", "r").name == "coco"


def test_a_preset_may_come_from_a_list_in_any_package(tmp_path: Path) -> None:
    (tmp_path / "dataset").mkdir()
    (tmp_path / "dataset" / "planted.yaml").write_text("defaults: [/toy@toy: train, _self_]\nname: planted\ntoy: {duplicates: 3}\n")
    with searching(tmp_path):
        planted: DatasetConfig = load_choice("dataset", "planted", "r", shards="x/*.tar")
    assert planted == DatasetConfig(name="planted", shards="x/*.tar", toy=ToyConfig(pairs=16000, duplicates=3))


def test_loading_leaves_no_hydra_behind() -> None:
    load_choice("dataset", "toy_heldout", "r")
    assert not GlobalHydra.instance().is_initialized()
    assert composed("experiment/toy").arms.toy_cloob == {"loss": "infoloob", "hopfield": True}


@pytest.mark.parametrize("text", ["nmae: x\n", "toy: {sise: 1}\n", "pairs: many\n"])
def test_a_file_that_does_not_fit_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "dataset").mkdir()
    (tmp_path / "dataset" / "off.yaml").write_text(text)
    with searching(tmp_path), pytest.raises(UserError, match=r"^conf/dataset/off.yaml: dataset\.") as caught:
        load_choice("dataset", "off", "r")
    assert "\n" not in str(caught.value)
