"""The files of a model in training: a checkpoint exists once its sentinel does, damaged ones are passed over, others' are refused."""

import hashlib
import io
import json
import pickle
import zipfile
from pathlib import Path
from typing import Any

import fsspec
import pyarrow.parquet as pq
import pytest
import torch

from tda.encoders.training import checkpoints as module
from tda.encoders.training.checkpoints import KEPT, Snapshots
from tda.errors import UserError
from tda.store.documents import seal_holds

HASH = "ab" * 32
ROOTS = ["local", "memory"]


@pytest.fixture(params=ROOTS)
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return str(tmp_path / "model") if request.param == "local" else f"memory://{tmp_path.name}-model"


def files(folder: str) -> dict[str, bytes]:
    fs, path = fsspec.core.url_to_fs(folder)
    return {name.rpartition("/")[2]: fs.cat_file(name) for name in fs.ls(path, detail=False)} if fs.exists(path) else {}


def state(step: int) -> dict[str, Any]:
    return {"model": {"w": torch.full((3,), float(step))}, "step": step, "curve": {"loss": [0.5] * step}}


def same(found: dict[str, Any] | None, step: int) -> bool:
    assert found is not None
    assert torch.equal(found["model"]["w"], state(step)["model"]["w"])
    return (found["step"], found["curve"], found["config_hash"]) == (step, state(step)["curve"], HASH)


def test_an_empty_folder_has_neither_a_checkpoint_nor_a_model(folder: str) -> None:
    snapshots = Snapshots(folder, HASH)
    assert (snapshots.latest(), snapshots.finished()) == (None, None)


def test_the_newest_checkpoint_comes_back_whole(folder: str) -> None:
    snapshots = Snapshots(folder, HASH)
    for step in (9, 10, 100):
        snapshots.save(step, state(step))
        assert same(snapshots.latest(), step)
    assert snapshots.finished() is None


def test_a_sentinel_holds_the_step_the_configuration_and_the_sha256(folder: str) -> None:
    Snapshots(folder, HASH).save(400, state(400))
    found = files(folder)
    assert found.keys() == {"step_00000400.pt", "step_00000400.json"}
    sha256 = hashlib.sha256(found["step_00000400.pt"]).hexdigest()
    assert json.loads(found["step_00000400.json"]) == {"step": 400, "config_hash": HASH, "sha256": sha256}


def test_only_the_last_checkpoints_are_kept(folder: str) -> None:
    snapshots = Snapshots(folder, HASH)
    for step in range(1, 5):
        snapshots.save(step, state(step))
    assert KEPT == 2
    assert files(folder).keys() == {f"step_0000000{step}.{ending}" for step in (3, 4) for ending in ("pt", "json")}


def test_all_checkpoints_stay_where_all_are_kept(folder: str) -> None:
    snapshots = Snapshots(folder, HASH, keep="all")
    for step in range(1, 5):
        snapshots.save(step, state(step))
    assert files(folder).keys() == {f"step_0000000{step}.{ending}" for step in (1, 2, 3, 4) for ending in ("pt", "json")}
    assert same(snapshots.latest(), 4)


@pytest.mark.parametrize("dies_at", ["publish_bytes", "publish_json"])
def test_a_save_that_was_killed_leaves_the_checkpoint_before_it(folder: str, dies_at: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def dies(*_: object) -> None:
        raise KeyboardInterrupt

    snapshots = Snapshots(folder, HASH)
    snapshots.save(1, state(1))
    with monkeypatch.context() as patch:
        patch.setattr(module, dies_at, dies)
        with pytest.raises(KeyboardInterrupt):
            snapshots.save(2, state(2))
    assert same(snapshots.latest(), 1)
    snapshots.save(2, state(2))
    assert same(snapshots.latest(), 2)


def test_an_old_checkpoint_loses_its_sentinel_first(folder: str, monkeypatch: pytest.MonkeyPatch) -> None:
    removed: list[str] = []
    remove = Snapshots._remove
    monkeypatch.setattr(Snapshots, "_remove", lambda self, name: removed.append(name) or remove(self, name))
    snapshots = Snapshots(folder, HASH)
    for step in range(1, 4):
        snapshots.save(step, state(step))
    assert removed == ["step_00000001.json", "step_00000001.pt"]


@pytest.mark.parametrize("damage", ["cut", "flipped", "gone"])
def test_a_damaged_checkpoint_is_passed_over(tmp_path: Path, damage: str) -> None:
    snapshots = Snapshots(str(tmp_path), HASH)
    for step in (1, 2):
        snapshots.save(step, state(step))
    newest = tmp_path / "step_00000002.pt"
    data = newest.read_bytes()
    if damage == "gone":
        newest.unlink()
    else:
        newest.write_bytes(data[:-100] if damage == "cut" else data[:50] + bytes([data[50] ^ 1]) + data[51:])
    assert same(snapshots.latest(), 1)
    (tmp_path / "step_00000001.json").unlink()
    assert snapshots.latest() is None


def test_a_sentinel_that_vanishes_while_it_is_read_is_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    snapshots = Snapshots(str(tmp_path), HASH)
    for step in (1, 2):
        snapshots.save(step, state(step))
    listed = snapshots._sentinels()
    monkeypatch.setattr(Snapshots, "_sentinels", lambda _: [*listed, "step_00000003.json"])
    assert same(snapshots.latest(), 2)


def test_a_checkpoint_that_would_run_code_is_not_loaded(tmp_path: Path) -> None:
    class Command:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return Path.touch, (tmp_path / "ran",)  # type: ignore[return-value] # what a pickle would call

    snapshots = Snapshots(str(tmp_path / "model"), HASH)
    snapshots.save(1, {"model": Command()})
    with pytest.raises(UserError, match=r"cannot be read: it is no file of tensors alone: it names getattr, which was not imported"):
        snapshots.latest()
    assert not (tmp_path / "ran").exists()


def test_a_model_of_another_configuration_is_refused(folder: str) -> None:
    Snapshots(folder, HASH).save(1, state(1))
    other = Snapshots(folder, "cd" * 32)
    refused = f"{folder} holds a model of training config {HASH}, not of {'cd' * 32}: use another encoder.name or root"
    for ask in (other.latest, other.finished):
        with pytest.raises(UserError) as caught:
            ask()
        assert str(caught.value) == refused
    Snapshots(folder, HASH).finish({}, {}, {}, {})
    with pytest.raises(UserError, match=r"use another encoder\.name or root"):
        other.finished()


def finish(folder: str, settings: dict[str, Any]) -> dict[str, Any]:
    curve = {"step": [1, 2], "loss": [0.5, 0.25], "learning_rate": [0.1, 0.05], "seconds": [1.0, 2.0]}
    return Snapshots(folder, HASH).finish({"w": torch.arange(3.0)}, curve, settings, {"loss": "infonce", "pairs": 60})


def test_a_finished_model_is_its_weights_its_curve_and_its_configuration(folder: str, tmp_path: Path) -> None:
    content = finish(folder, {"embed_dim": 16})
    found = files(folder)
    assert found.keys() == {"model.pt", "model.json", "curve.parquet"}
    assert json.loads(found["model.json"]) == content == Snapshots(folder, HASH).finished()
    assert content["model_cfg"] == {"embed_dim": 16}
    sha256 = hashlib.sha256(found["model.pt"]).hexdigest()
    assert content["training"] == {"loss": "infonce", "pairs": 60, "config_hash": HASH, "sha256": sha256}
    (tmp_path / "copy.pt").write_bytes(found["model.pt"])
    assert torch.load(tmp_path / "copy.pt", weights_only=True)["w"].tolist() == [0, 1, 2]
    (tmp_path / "copy.parquet").write_bytes(found["curve.parquet"])
    assert pq.read_table(tmp_path / "copy.parquet").to_pydict()["loss"] == [0.5, 0.25]


def test_settings_that_are_nested_already_stay_as_they_are(folder: str) -> None:
    settings = {"model_cfg": {"embed_dim": 16}, "preprocess_cfg": {"mean": [0.5] * 3}}
    content = finish(folder, settings)
    assert {name: content[name] for name in settings} == settings


def test_a_model_is_finished_once_its_json_is_there(folder: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def dies(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(module, "publish_json", dies)
        with pytest.raises(KeyboardInterrupt):
            finish(folder, {})
    assert files(folder).keys() == {"model.pt", "curve.parquet"}
    assert Snapshots(folder, HASH).finished() is None


def finished(folder: str) -> Snapshots:
    snapshots = Snapshots(folder, HASH)
    snapshots.save(1, state(1))
    snapshots.finish({"w": torch.ones(3)}, {"step": [1]}, {"embed_dim": 3}, {})
    return snapshots


def test_a_model_is_finished_while_its_weights_are_the_recorded_ones(tmp_path: Path) -> None:
    snapshots = finished(str(tmp_path))
    assert (snapshots.finished() or {})["model_cfg"] == {"embed_dim": 3}
    weights = (tmp_path / "model.pt").read_bytes()
    (tmp_path / "model.pt").write_bytes(b"others")
    with pytest.raises(UserError, match=r"model.pt is not the model that model.json records"):
        snapshots.finished()
    (tmp_path / "model.pt").unlink()
    assert snapshots.finished() is None, "it is trained again, from its last checkpoint"
    assert same(snapshots.latest(), 1)
    (tmp_path / "model.pt").write_bytes(weights)
    assert snapshots.finished()


@pytest.mark.parametrize("text", ["[]", "{", "{}", '{"training": null}', "[" * 100_000], ids=lambda text: text[:5])
def test_damaged_json_of_a_model_is_one_line_or_passed_over(tmp_path: Path, text: str) -> None:
    snapshots = finished(str(tmp_path))
    (tmp_path / "model.json").write_text(text)
    with pytest.raises(UserError, match=r"model.json cannot be read"):
        snapshots.finished()
    (tmp_path / "model.json").unlink()
    (tmp_path / "step_00000001.json").write_text(text)
    assert (snapshots.finished(), snapshots.latest()) == (None, None)


def planted(folder: Path, content: bytes) -> Snapshots:
    """A step checkpoint whose writer made its sentinel too."""
    folder.mkdir(parents=True)
    (folder / "step_00000400.pt").write_bytes(content)
    sentinel = {"step": 400, "config_hash": HASH, "sha256": hashlib.sha256(content).hexdigest()}
    (folder / "step_00000400.json").write_text(json.dumps(sentinel))
    return Snapshots(str(folder), HASH)


def archive(pickled: bytes, compression: int = zipfile.ZIP_STORED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as made:
        made.writestr("archive/data.pkl", pickled)
        made.writestr("archive/version", "3\n")
    return buffer.getvalue()


def doubled(depth: int = 60) -> Any:
    value: Any = [1.0]
    for _ in range(depth):
        value = [value, value]
    return value


@pytest.mark.parametrize(
    ("content", "reported"),
    [
        (archive(pickle.dumps({"model": doubled()}, protocol=2)), "cannot be read"),
        (archive(pickle.dumps({"step": 1}, protocol=2), zipfile.ZIP_DEFLATED), "compressed"),
        (archive(pickle.dumps(print, protocol=2)), "cannot be read"),
        (archive(pickle.dumps([1], protocol=2)), "holds a list, not a checkpoint"),
        (b"no zip", "cannot be read"),
    ],
)
def test_a_step_checkpoint_that_costs_more_than_it_weighs_is_refused_in_one_line(tmp_path: Path, content: bytes, reported: str) -> None:
    with pytest.raises(UserError, match=reported) as error:
        planted(tmp_path / "model", content).latest()
    assert "\n" not in str(error.value)
    assert "step_00000400.pt" in str(error.value)


def test_a_number_that_was_changed_in_model_json_is_found(tmp_path: Path) -> None:
    content = finish(str(tmp_path), {"embed_dim": 16})
    assert seal_holds(content) is True
    (tmp_path / "model.json").write_text(json.dumps({**content, "training": {**content["training"], "pairs": 61}}))
    with pytest.raises(UserError, match=r"model.json was changed after it was written: put it back, or remove it to train the model again"):
        Snapshots(str(tmp_path), HASH).finished()
