"""A checkpoint is hashed and copied whole before anything reads it; a copy belongs to one checkpoint, one content and one work."""

import errno
import hashlib
from pathlib import Path
from typing import Any

import pytest

from jobs.watching import copies as copies_module
from jobs.watching.copies import MOST_BESIDE, ChangedError, Copies
from jobs.watching.naming import naming_of
from jobs.watching.place import Checkpoint, Place
from tda.config.watch import WatchConfig


def place(url: Path | str, **values: Any) -> Place:
    return Place(str(url), naming_of(WatchConfig(**values)))


def filled(folder: Path, *files: str) -> None:
    for name in files:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(name.encode())


def test_a_copy_has_its_small_files_with_it_and_is_released(tmp_path: Path) -> None:
    filled(tmp_path, "checkpoint-5/model.safetensors", "checkpoint-5/config.json", "checkpoint-5/preprocessor_config.json")
    (one,) = place(tmp_path, naming="hf_trainer").look()
    copies = Copies(str(tmp_path / "ledger"), "w", copy=True)
    copied = copies.take(one)
    digest = hashlib.sha256(b"checkpoint-5/model.safetensors").hexdigest()
    assert copied.digest == digest
    names = {f"checkpoint-5.{digest[:16]}-w.{name}" for name in ("model.safetensors", "config.json", "preprocessor_config.json")}
    assert {path.name for path in (tmp_path / "ledger/_pins").iterdir()} == names
    assert Path(str(copied.config)).read_bytes() == b"checkpoint-5/config.json"
    copies.release("checkpoint-5", digest, [*names, f"checkpoint-6.{digest[:16]}-w.model.safetensors"])
    assert list((tmp_path / "ledger/_pins").iterdir()) == []


@pytest.mark.parametrize("copy", [True, False])
def test_what_changed_or_went_since_the_look_is_not_copied(tmp_path: Path, *, copy: bool) -> None:
    filled(tmp_path, "epoch_1.pt")
    (one,) = place(tmp_path, naming="open_clip").look()
    copies = Copies(str(tmp_path / "ledger"), "w", copy=copy)
    assert copies.take(one).url == one.url or copy
    (tmp_path / "epoch_1.pt").write_bytes(b"longer than before")
    with pytest.raises(ChangedError):
        copies.take(one)
    (tmp_path / "epoch_1.pt").unlink()
    with pytest.raises(FileNotFoundError):
        copies.take(one)
    assert isinstance(one, Checkpoint)


def test_without_copies_the_checkpoint_itself_is_named_with_its_whole_digest(tmp_path: Path) -> None:
    filled(tmp_path, "checkpoint-5/model.safetensors", "checkpoint-5/config.json")
    (one,) = place(tmp_path, naming="hf_trainer").look()
    found = Copies(str(tmp_path / "ledger"), "w", copy=False).take(one)
    assert (found.url, found.digest) == (one.url, hashlib.sha256(b"checkpoint-5/model.safetensors").hexdigest())
    assert found.config == str(tmp_path / "checkpoint-5/config.json")
    assert not (tmp_path / "ledger").exists()


def test_a_copy_that_was_made_is_found_again_as_it_was(tmp_path: Path) -> None:
    filled(tmp_path, "checkpoint-5/model.safetensors", "checkpoint-5/config.json", "checkpoint-5/preprocessor_config.json")
    (one,) = place(tmp_path, naming="hf_trainer").look()
    copies = Copies(str(tmp_path / "ledger"), "w", copy=True)
    taken = copies.take(one)
    names = sorted(path.name for path in (tmp_path / "ledger/_pins").iterdir())
    name = next(one for one in names if one.endswith("model.safetensors"))
    assert copies.held(taken.digest, name, [other for other in names if other != name]) == taken


def test_works_do_not_share_copies(tmp_path: Path) -> None:
    filled(tmp_path, "epoch_1.pt")
    (one,) = place(tmp_path, naming="open_clip").look()
    first, second = (Copies(str(tmp_path / "ledger"), work, copy=True) for work in ("v", "w"))
    digest = first.take(one).digest
    second.take(one)
    names = [path.name for path in (tmp_path / "ledger/_pins").iterdir()]
    first.release("epoch_1.pt", digest, names)
    assert [path.name for path in (tmp_path / "ledger/_pins").iterdir()] == [f"epoch_1.pt.{digest[:16]}-w.epoch_1.pt"]
    second.release("epoch_1.pt", "0" * 64, names)
    assert len(list((tmp_path / "ledger/_pins").iterdir())) == 1, "another content of the same name"


def test_a_small_file_that_is_large_or_gone_is_left_out(tmp_path: Path) -> None:
    filled(tmp_path, "checkpoint-5/model.safetensors", "checkpoint-5/config.json", "checkpoint-5/preprocessor_config.json")
    (one,) = place(tmp_path, naming="hf_trainer").look()
    (tmp_path / "checkpoint-5/config.json").write_bytes(b"x" * (MOST_BESIDE + 1))
    (tmp_path / "checkpoint-5/preprocessor_config.json").unlink()
    assert Copies(str(tmp_path / "ledger"), "w", copy=True).take(one).config is None
    assert len(list((tmp_path / "ledger/_pins").iterdir())) == 1


def test_a_file_larger_than_a_block_is_copied_to_the_last_byte(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(copies_module, "BLOCK", 5)
    (tmp_path / "epoch_1.pt").write_bytes(bytes(range(23)))
    (one,) = place(tmp_path, naming="open_clip").look()
    taken = Copies(str(tmp_path / "ledger"), "w", copy=True).take(one)
    assert Path(taken.url).read_bytes() == bytes(range(23))
    assert taken.digest == hashlib.sha256(bytes(range(23))).hexdigest()


def test_an_error_of_the_checkpoint_is_not_taken_for_one_of_the_copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    filled(tmp_path, "epoch_1.pt")
    (one,) = place(tmp_path, naming="open_clip").look()

    class Failing:
        def open(self, *_: Any) -> Any:
            raise OSError(errno.EIO, "a bad sector")

    monkeypatch.setattr(copies_module, "filesystem", lambda url: (Failing(), url))
    with pytest.raises(OSError, match="a bad sector"):
        Copies(str(tmp_path / "ledger"), "w", copy=True).take(one)
    assert [path.name for path in (tmp_path / "ledger").rglob("*.pt")] == []
