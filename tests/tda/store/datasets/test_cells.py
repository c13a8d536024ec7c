"""A reference by cell on disk: columns as they were written, groups and layouts that exist once they are recorded.

M rows, D dimensions, C cells.
"""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tda.errors import LacunaError
from tda.store.datasets import cells as module
from tda.store.datasets.cells import (
    CellPlan,
    Group,
    publish_group,
    publish_layout,
    read_columns,
    read_group_record,
    read_layout,
    write_columns,
)

ROOTS = ["local", "memory"]


@pytest.fixture(params=ROOTS)
def root(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return str(tmp_path / "root") if request.param == "local" else f"memory://{tmp_path.name}-cells"


def plan(root: str, **fields: Any) -> CellPlan:
    given: dict[str, Any] = {
        "root": root,
        "reference": "r",
        "encoder": "e",
        "reference_hash": "ab" * 32,
        "shards": (("00000", 7), ("00001", 5)),
        "dim": 4,
        "dtype": "float16",
        "cells": 3,
        "bound": 6,
        "group_rows": 8,
        "seed": 0,
    }
    return CellPlan(**{**given, **fields})


def vectors(rows: int, dtype: str = "float16", dim: int = 4) -> np.ndarray:
    return np.random.default_rng(rows).standard_normal((rows, dim)).astype(dtype)


def equal(found: dict[str, Any], columns: dict[str, Any]) -> bool:
    return found.keys() == columns.keys() and all(
        np.array_equal(found[name], x) and found[name].shape == np.shape(x) for name, x in columns.items()
    )


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=st.integers(0, 9), dim=st.integers(1, 5), dtype=st.sampled_from(["float16", "float32"]), cuts=st.data())
def test_columns_are_read_as_they_were_written(tmp_path: Path, rows: int, dim: int, dtype: str, cuts: st.DataObject) -> None:
    columns = {
        "vector": vectors(rows, dtype, dim),
        "position": np.arange(rows) * 2**40,
        "key": np.array([f"k{i}\u2603" for i in range(rows)], dtype=object),
        "cosine": np.linspace(-1, 1, rows).astype(np.float32),
    }
    inner = sorted(cuts.draw(st.sets(st.integers(1, rows - 1)))) if rows > 1 else []
    groups = np.diff([0, *inner, rows]).tolist() if rows else []
    url = str(tmp_path / "x.parquet")
    Path(url).unlink(missing_ok=True)
    write_columns(url, columns, groups or None)
    found = read_columns(url)
    assert equal(found, columns)
    assert found["vector"].dtype == dtype
    for group, (start, stop) in enumerate(zip([0, *inner], [*inner, rows], strict=True) if groups else []):
        assert equal(read_columns(url, group), {name: x[start:stop] for name, x in columns.items()})


def test_vectors_are_bytes_of_fixed_size_that_are_not_compressed(tmp_path: Path) -> None:
    write_columns(str(tmp_path / "x.parquet"), {"vector": vectors(50), "key": ["k"] * 50})
    file = pq.ParquetFile(tmp_path / "x.parquet")
    assert str(file.schema_arrow.field("vector").type) == "fixed_size_binary[8]"
    codecs = {chunk.path_in_schema: chunk.compression for chunk in (file.metadata.row_group(0).column(i) for i in range(2))}
    assert codecs == {"vector": "UNCOMPRESSED", "key": "ZSTD"}


def test_a_file_that_is_missing_names_the_folder_to_remove(root: str) -> None:
    url = plan(root).url("image", "000000.parquet")
    with pytest.raises(LacunaError) as caught:
        read_columns(url)
    assert str(caught.value) == f"{url} is missing: remove {root}/nearest/_layouts and run again"


@pytest.mark.parametrize("damage", [b"", b"PAR1", b"<html>404</html>", "cut", "hole", "foreign"])
def test_a_damaged_file_is_named_in_one_line(tmp_path: Path, damage: bytes | str) -> None:
    path = tmp_path / "x.parquet"
    write_columns(str(path), {"vector": vectors(50)})
    whole = path.read_bytes()
    if damage == "foreign":
        pq.write_table(pq.read_table(path).replace_schema_metadata(None), path)
    else:
        path.write_bytes({"cut": whole[:-20], "hole": whole[:-60] + bytes(40) + whole[-20:]}[damage] if isinstance(damage, str) else damage)
    with pytest.raises(LacunaError, match=r"x\.parquet is damaged \(.+\): remove its layout and run again$") as caught:
        read_columns(str(path))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("field", "value"), [("reference_hash", "cd" * 32), ("cells", 4), ("bound", 7), ("group_rows", 9), ("seed", 1)])
def test_what_decides_a_layout_gives_it_a_folder_of_its_own(field: str, value: Any) -> None:
    one = plan("/root")
    other = replace(one, **{field: value})
    assert other.content != one.content
    assert other.folder != one.folder


def test_a_layout_is_the_same_in_a_root_that_was_moved() -> None:
    one, moved = plan("/root"), plan("s3://bucket/root")
    assert one.content == moved.content
    assert one.rows == 12
    assert one.folder == f"/root/nearest/_layouts/r/e/{one.content[:32]}"
    assert moved.folder == f"s3://bucket/root/nearest/_layouts/r/e/{one.content[:32]}"


def group(name: str = "000000", modality: str = "image") -> Group:
    return Group(modality=modality, name=name, rows=7, repeats=1, cells=2)


def publish(cells: CellPlan, one: Group) -> dict[str, Any]:
    rows = {"position": np.arange(7), "ordinal": np.arange(7), "key": [f"k{i}" for i in range(7)], "vector": vectors(7)}
    repeats = {"position": np.array([7]), "ordinal": np.array([7]), "key": ["k7"], "first": np.array([2])}
    publish_group(cells, one, rows=rows, repeats=repeats, bounds=np.array([0, 3, 7]), centroids_CD=vectors(2, "float32"))
    return {"": rows, ".repeats": repeats, ".cells": {"rows": np.array([3, 4]), "centroid": vectors(2, "float32")}}


def test_a_group_is_its_files_and_exists_once_it_is_recorded(root: str) -> None:
    cells = plan(root)
    assert read_group_record(cells, "image", "000000") is None
    files = publish(cells, group())
    assert read_group_record(cells, "image", "000000") == group()
    assert read_group_record(cells, "text", "000000") is None
    for ending, columns in files.items():
        assert equal(read_columns(cells.url(f"image/000000{ending}.parquet")), columns)


@pytest.mark.parametrize("step", [1, 2, 3])
def test_a_group_whose_writer_died_on_the_way_does_not_exist(root: str, step: int, monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[str] = []

    def dies(url: str, columns: Any) -> None:
        written.append(url)
        if len(written) == step:
            raise KeyboardInterrupt
        write_columns(url, columns)

    with monkeypatch.context() as patch:
        patch.setattr(module, "write_columns", dies)
        with pytest.raises(KeyboardInterrupt):
            publish(plan(root), group())
    assert read_group_record(plan(root), "image", "000000") is None
    publish(plan(root), group())
    assert read_group_record(plan(root), "image", "000000") == group()


def test_a_layout_is_whole_or_not_there(root: str, tmp_path: Path) -> None:
    cells = plan(root)
    assert read_layout(cells) is None
    groups = [group("000001"), group("000000"), group("000000", "text")]
    publish_layout(cells, groups)
    assert read_layout(cells) == groups, "in the order that was given"
    assert read_layout(replace(cells, seed=1)) is None
    if root == str(tmp_path / "root"):
        Path(cells.url("layout.json")).write_text('{"groups": [')
        assert read_layout(cells) is None


def test_a_layout_does_not_name_the_root_that_it_is_in(tmp_path: Path) -> None:
    publish_layout(plan(str(tmp_path / "root")), [group()])
    text = Path(plan(str(tmp_path / "root")).url("layout.json")).read_text()
    assert str(tmp_path) not in text
    (tmp_path / "root").rename(tmp_path / "moved")
    assert read_layout(plan(str(tmp_path / "moved"))) == [group()]
