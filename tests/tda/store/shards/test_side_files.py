"""The JSON beside each image of a tar: objects by key, everything else passed over, damage named."""

from pathlib import Path

import pytest
from planted_generated import write_tar

from tda.errors import ShardError
from tda.store.shards.side_files import side_files
from tda.store.shards.tar import MAX_META_BYTES


def test_objects_by_key_and_nothing_else(tmp_path: Path) -> None:
    large = b'{"prompt": "' + b"x" * MAX_META_BYTES + b'"}'
    write_tar(tmp_path / "a.tar", [{"prompt": "p", "seed": 1}, b"[1, 2]", b"not json", b"[" * 5000, large, {"seed": None}])
    assert side_files(str(tmp_path / "a.tar")) == {"000000": {"prompt": "p", "seed": 1}, "000005": {"seed": None}}


def test_a_cut_tar_is_refused(tmp_path: Path) -> None:
    write_tar(tmp_path / "a.tar", [{"seed": 1}] * 30)
    data = (tmp_path / "a.tar").read_bytes()
    (tmp_path / "cut.tar").write_bytes(data[: len(data) // 2 // 512 * 512])
    with pytest.raises(ShardError, match="truncated"):
        side_files(str(tmp_path / "cut.tar"))
    with pytest.raises(ShardError, match="missing"):
        side_files(str(tmp_path / "none.tar"))
