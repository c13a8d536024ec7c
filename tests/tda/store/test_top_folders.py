"""What is a root, and what is not."""

from pathlib import Path

import pytest

from tda.errors import UserError
from tda.store.top_folders import top_folders


def test_the_folders_of_a_root(tmp_path: Path) -> None:
    assert top_folders(str(tmp_path)) == frozenset()  # a root to be
    for name in ("embeddings", "sweeps", "notes"):
        (tmp_path / name).mkdir()
    assert top_folders(str(tmp_path)) == {"embeddings", "sweeps"}


def test_what_is_no_root_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"^root=.*/absent is not there$"):
        top_folders(str(tmp_path / "absent"))
    (tmp_path / "holiday.jpg").write_bytes(b"")
    with pytest.raises(UserError, match=r"^root=.* is no root: it holds holiday.jpg, but none of embeddings, .*watch$"):
        top_folders(str(tmp_path))
    with pytest.raises(UserError, match="is no root"):
        top_folders(str(tmp_path / "holiday.jpg"))
