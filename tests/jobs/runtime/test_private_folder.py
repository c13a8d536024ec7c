"""The folder of our own Ray: private, removed with its owner, and by the next start where nobody has removed it."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from jobs.runtime import private_folder
from jobs.runtime.private_folder import MARK, PREFIX, PrivateFolder, sweep
from tda.errors import UserError

OWNER = """
import subprocess, sys, time
from jobs.runtime.private_folder import PrivateFolder
folder = PrivateFolder()
with folder.marked():
    child = subprocess.Popen(["sleep", "600"], start_new_session=True)
print(child.pid, folder.path, flush=True)
time.sleep(600)
"""


@pytest.fixture(autouse=True)
def _temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr(private_folder, "SOCKET_BYTES", 4096)


def test_only_its_owner_may_look_and_it_is_removed(tmp_path: Path) -> None:
    folder = PrivateFolder()
    (found,) = tmp_path.iterdir()
    assert (str(found), found.stat().st_mode & 0o777) == (folder.path, 0o700)
    (found / "session").mkdir()
    with folder.marked():
        assert os.environ[MARK] == folder.path
    assert MARK not in os.environ
    folder.remove()
    assert not list(tmp_path.iterdir())


def test_an_owner_with_an_open_log_outlives_the_removal() -> None:
    folder = PrivateFolder()
    with (Path(folder.path) / "driver.log").open("w"):
        child = subprocess.Popen(["sleep", "600"], env={**os.environ, MARK: folder.path})
        folder.remove()
    assert child.wait(15) == -9
    assert not Path(folder.path).exists()


def test_those_of_dead_owners_are_removed_and_no_others(tmp_path: Path) -> None:
    alive = PrivateFolder()
    (tmp_path / f"{PREFIX}dead" / "session").mkdir(parents=True)
    (tmp_path / "target").mkdir()
    (tmp_path / f"{PREFIX}link").symlink_to(tmp_path / "target")
    (tmp_path / f"{PREFIX}file").touch()
    sweep(str(tmp_path))
    left = {path.name for path in tmp_path.iterdir()}
    assert left == {Path(alive.path).name, "target", f"{PREFIX}link", f"{PREFIX}file"}
    alive.remove()


def test_what_a_killed_owner_started_ends_with_it(tmp_path: Path) -> None:
    paths = str(Path(__file__).resolve().parents[3])
    environment = {**os.environ, "PYTHONPATH": paths, "TMPDIR": "/tmp"}  # noqa: S108 (short)
    owner = subprocess.Popen([sys.executable, "-c", OWNER], stdout=subprocess.PIPE, text=True, env=environment, cwd=tmp_path)
    assert owner.stdout is not None
    child, path = owner.stdout.readline().split()
    assert Path(path).is_dir()
    owner.kill()
    owner.communicate()
    end = time.monotonic() + 15
    while Path(path).exists() or _runs(child):
        assert time.monotonic() < end
        time.sleep(0.05)


def _runs(process: str) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_a_temporary_folder_of_a_long_name_is_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(private_folder, "SOCKET_BYTES", 107)
    (long := tmp_path / ("x" * 90)).mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(long))
    monkeypatch.setenv("XDG_RUNTIME_DIR", "")
    folder = PrivateFolder()
    assert Path(folder.path).parent == Path("/tmp")  # noqa: S108 (the last choice)
    folder.remove()
    monkeypatch.setattr(private_folder, "SOCKET_BYTES", 80)
    with pytest.raises(UserError, match=r"^TMPDIR=.*x is longer than -?\d+ bytes or cannot be written"):
        PrivateFolder()
