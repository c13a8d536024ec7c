"""Only regular files are opened: what would wait for a writer, or never end, is refused before it is opened."""

import os
import socket
from pathlib import Path

import pytest

from tda.errors import ShardError, UserError
from tda.store.files import filesystem, read_bytes
from tda.store.ingest.sources import open_source
from tda.store.remote.local import require_plain
from tda.store.shards import check_shard
from tda.store.shards.expand import expand_shards


def _pipe(path: Path) -> Path:
    os.mkfifo(path)
    return path


def _socket(path: Path) -> Path:
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(str(path))
    return path


def _link(path: Path) -> Path:
    path.symlink_to(_pipe(path.with_suffix(".real")))
    return path


KINDS = {"a named pipe": _pipe, "a socket": _socket}


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_no_file_is_named(tmp_path: Path, kind: str) -> None:
    path = KINDS[kind](tmp_path / "x")
    with pytest.raises(OSError, match=f"it is {kind}, not a file"):
        require_plain(path)
    with pytest.raises(OSError, match=kind):
        read_bytes(str(path))
    fs, inside = filesystem(str(path))
    with pytest.raises(OSError, match=kind):
        fs.open(inside, "rb")


def test_devices_and_folders_and_nothing(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="it is a device"):
        read_bytes("/dev/zero")
    with pytest.raises(IsADirectoryError, match="it is a folder"):
        require_plain(tmp_path)
    with pytest.raises(FileNotFoundError):
        require_plain(tmp_path / "none")


def test_a_link_is_what_it_leads_to(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="a named pipe"):
        read_bytes(str(_link(tmp_path / "x")))
    (tmp_path / "file").write_bytes(b"12")
    (tmp_path / "to_file").symlink_to(tmp_path / "file")
    assert read_bytes(str(tmp_path / "to_file")) == b"12"


def test_shards_lists_and_sources_of_such_kinds_are_refused(tmp_path: Path) -> None:
    for ending, modalities in ((".tar", ("image", "text")), (".jsonl", ("a", "b")), (".parquet", ("a", "b"))):
        with pytest.raises(ShardError, match=r"not_a_tar|unreadable"):
            check_shard(str(_pipe(tmp_path / f"s{ending}")), modalities)
    with pytest.raises(UserError, match=r"cannot be read: it is a named pipe, not a file"):
        expand_shards(f"@{_pipe(tmp_path / 'list')}")
    for name in ("x.npz", "x.parquet"):
        with pytest.raises(UserError, match=r"named pipe|not a file|no Parquet"):
            open_source(str(_pipe(tmp_path / name)))
