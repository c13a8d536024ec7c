"""Documents, the files that they name, and tables that none names: each problem is one line with the file's name."""

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tda.store.documents import sealed
from tda.store.files import file_sha256
from tda.store.verify.contents import Contents, brief, different, walk


def table(path: Path, rows: int = 2000) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    values = np.random.default_rng(0).standard_normal(rows)
    pq.write_table(pa.table({"value": values}), path, write_page_checksum=True, compression="none")
    return path


def entry(path: Path) -> dict[str, object]:
    return {"sha256": file_sha256(str(path)), "bytes": path.stat().st_size}


def document(root: Path, *tables: Path) -> Path:
    """A metrics.json, with its seal, that names these tables beside it."""
    path = root / "analysis/d/e/metrics.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(sealed({"gap": 0.5, "files": {one.name: entry(one) for one in tables}})))
    return path


def problems(root: Path, *, deep: bool = True) -> list[str]:
    return [line.replace(f"{root}/", "") for line in Contents(deep=deep).check(str(root))]


def test_a_sound_root_has_none(tmp_path: Path) -> None:
    document(tmp_path, table(tmp_path / "analysis/d/e/cosine.parquet"))
    table(tmp_path / "nearest/d/e/r/0.parquet")
    contents = Contents()
    assert list(contents.check(str(tmp_path))) == []
    assert (contents.damaged, contents.unsealed) == (set(), 0)
    assert contents.named == {str(tmp_path / "analysis/d/e/cosine.parquet")}


def test_a_document_that_was_changed_or_cut_is_named(tmp_path: Path) -> None:
    path = document(tmp_path)
    path.write_text(path.read_text().replace("0.5", "0.6"))
    assert problems(tmp_path) == ["analysis/d/e/metrics.json: was changed after it was written: its content is not of its own sha256"]
    path.write_text("{")
    (line,) = problems(tmp_path)
    assert line.startswith("analysis/d/e/metrics.json: cannot be read: ")
    path.write_text(json.dumps({"gap": 0.5}))
    contents = Contents()
    assert (list(contents.check(str(tmp_path))), contents.unsealed) == ([], 1)


def test_a_file_that_differs_from_what_names_it(tmp_path: Path) -> None:
    named = table(tmp_path / "analysis/d/e/cosine.parquet")
    document(tmp_path, named)
    whole = named.read_bytes()
    named.write_bytes(whole[:-1])
    size = len(whole)
    assert problems(tmp_path) == [f"analysis/d/e/cosine.parquet: {size - 1} bytes, not the {size} in metrics.json"]
    named.write_bytes(bytes([whole[0] ^ 1]) + whole[1:])
    assert problems(tmp_path) == ["analysis/d/e/cosine.parquet: its sha256 is not the one in metrics.json"]
    assert problems(tmp_path, deep=False) == [], "a look at sizes alone reads no byte"
    named.unlink()
    assert problems(tmp_path) == ["analysis/d/e/cosine.parquet: is not there, but named by metrics.json"]


def test_a_table_that_no_document_names_is_read_to_its_last_page(tmp_path: Path) -> None:
    path = table(tmp_path / "dedupe/d/e/r/kept.parquet")
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(bytes(data))
    (line,) = problems(tmp_path)
    assert line.startswith("dedupe/d/e/r/kept.parquet: cannot be read: ")
    assert problems(tmp_path, deep=False) == []
    path.write_bytes(b"no parquet")
    assert problems(tmp_path, deep=False)[0].startswith("dedupe/d/e/r/kept.parquet: cannot be read: ")


def test_folders_of_rows_are_left_to_their_records(tmp_path: Path) -> None:
    (tmp_path / "embeddings/d/e").mkdir(parents=True)
    (tmp_path / "embeddings/d/e/0.parquet").write_bytes(b"cut")
    assert problems(tmp_path) == []


@pytest.mark.parametrize(("name", "problem"), [("../x.parquet", True), ("x.parquet", False)])
def test_a_name_out_of_the_folder_is_refused(tmp_path: Path, name: str, *, problem: bool) -> None:
    table(tmp_path / "analysis/d/e/x.parquet")
    path = document(tmp_path)
    path.write_text(json.dumps(sealed({"files": {name: entry(tmp_path / "analysis/d/e/x.parquet")}})))
    expected = [f"analysis/d/e/metrics.json: it names '{name}', which is no file of its folder"] if problem else []
    assert problems(tmp_path) == expected


def test_a_missing_document_is_named(tmp_path: Path) -> None:
    assert Contents().check_document(str(tmp_path / "no.json")) == ({}, [f"{tmp_path}/no.json: recorded, but not there"])


def test_a_walk_enters_each_folder_once_and_leaves_temporary_files_out(tmp_path: Path) -> None:
    for name in ("a/x", "a/.y.tmp", "b/c/z"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("")
    (tmp_path / "a/again").symlink_to(tmp_path)
    (tmp_path / "linked").symlink_to(tmp_path / "b/c")
    found = sorted(Path(file).name for file in walk(str(tmp_path)))
    assert found == ["x", "z"]
    assert list(walk(str(tmp_path / "none"))) == []


def test_differences_and_errors_are_short(tmp_path: Path) -> None:
    path = table(tmp_path / "x.parquet")
    assert different(str(path), entry(path), deep=True) == ""
    assert different(str(path), {"bytes": "9" * 50}, deep=True) == f"{path.stat().st_size} bytes, not the {'9' * 20} in"
    assert brief(ValueError("a\n  b")) == "a b"
    assert brief(ValueError()) == "ValueError"
    assert len(brief(ValueError("x" * 999))) == 200
