"""The reference grouped by cell: every row stands once, beside rows of its cell, and what is done is not done again."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from jobs.join import build_cells
from jobs.join.build_cells import STAGES, Builder, Coarse, Entire, Part, lay_out
from jobs.join.reference_actor import JoinPlan
from tda.config.cluster import ClusterConfig
from tda.config.stages import NearestConfig
from tda.store.datasets.cells import CellPlan, Group, read_columns, read_layout


def read(cells: CellPlan, group: Group, kind: str = "") -> dict[str, Any]:
    return dict(read_columns(cells.url(f"{group.url}{kind}.parquet")))


def outputs(cells: CellPlan) -> dict[str, bytes]:
    folder = Path(cells.folder)
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for modality in ("image", "text")
        for path in folder.glob(f"{modality}/*.parquet")
    }


def test_every_row_stands_once_and_its_repeats_name_it(plan: JoinPlan, drawn: dict[str, Any]) -> None:
    for modality, rows_MD in (("image", drawn["ri"]), ("text", drawn["rt"])):
        seen = []
        for group in (group for group in plan.groups if group.modality == modality):
            columns, repeats = read(plan.cells, group), read(plan.cells, group, ".repeats")
            np.testing.assert_array_equal(columns["vector"], rows_MD[columns["position"]])
            np.testing.assert_array_equal(columns["vector"][repeats["first"]], rows_MD[repeats["position"]])
            assert (columns["position"][repeats["first"]] < repeats["position"]).all(), "the first of equal rows stands for them"
            assert (len(columns["position"]), len(repeats["position"])) == (group.rows, group.repeats)
            np.testing.assert_array_equal(columns["ordinal"], columns["position"] % 250)
            seen += [*columns["position"], *repeats["position"]]
        assert sorted(seen) == list(range(len(rows_MD)))
        distinct = len(np.unique(rows_MD, axis=0))
        assert sum(group.rows for group in plan.groups if group.modality == modality) == distinct


def test_rows_are_of_the_cell_whose_centroid_is_closest(plan: JoinPlan) -> None:
    groups = [group for group in plan.groups if group.modality == "image"]
    coarse = read_columns(plan.cells.url("image", "coarse.parquet"))
    assert len(coarse["centroid"]) == plan.cells.cells
    assert np.all(np.diff(coarse["group"]) >= 0)
    assert len(groups) == coarse["group"].max() + 1 > 1
    for group in groups:
        vectors = read(plan.cells, group)["vector"].astype(np.float64)
        closest = np.argmax(vectors @ coarse["centroid"].astype(np.float64).T, axis=1)
        assert (coarse["group"][closest] == int(group.name)).mean() > 0.99, "all but ties within rounding"
        cells = read(plan.cells, group, ".cells")
        assert (cells["rows"].sum(), len(cells["rows"])) == (group.rows, group.cells)


def test_heavy_cells_are_cut_to_the_bound(cells: CellPlan) -> None:
    tight = dataclasses.replace(cells, bound=40)
    Builder(tight, 1, "cpu").build(Entire(), 1)
    found = [read_columns(str(path))["rows"] for path in Path(tight.folder).glob("*/*.cells.parquet")]
    assert max(rows.max() for rows in found) <= 40
    assert sum(map(len, found)) > 2 * tight.cells


def test_bundles_hold_consecutive_shards_up_to_the_bound_or_one_larger_one(cells: CellPlan, monkeypatch: pytest.MonkeyPatch) -> None:
    assert list(build_cells._parts(cells)) == [Part("000000000000", 0, ("r-00000", "r-00001", "r-00002"))]
    monkeypatch.setattr(build_cells, "BUNDLE_ROWS", 400)
    assert [(part.first, part.shards) for part in build_cells._parts(cells)] == [(0, ("r-00000",)), (250, ("r-00001", "r-00002"))]
    monkeypatch.setattr(build_cells, "BUNDLE_ROWS", 10)
    assert [part.first for part in build_cells._parts(cells)] == [0, 250, 500]


def test_parts_of_any_size_give_the_same_layout_stage_by_stage(plan: JoinPlan, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = outputs(plan.cells)
    for path in Path(plan.cells.folder).rglob("*.*"):
        path.unlink()
    monkeypatch.setattr(build_cells, "BUNDLE_ROWS", 10)
    builder, parts = Builder(plan.cells, 1, "cpu"), list(build_cells._parts(plan.cells))
    for stage in STAGES:
        tasks = stage(plan.cells, parts)
        assert tasks
        assert builder.build(tasks[0], 1) > 0
        assert len(stage(plan.cells, parts)) == len(tasks) - 1, "what is published is not done again"
        for task in tasks[1:]:
            builder.build(task, 1)
        assert stage(plan.cells, parts) == []
    assert outputs(plan.cells) == expected


def test_a_sample_smaller_than_the_reference_is_drawn_without_repetition(cells: CellPlan, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(build_cells, "sampled_rows", lambda _rows, cells, _dim: 10 * cells)
    builder = Builder(cells, 1, "cpu")
    sample_SD = builder._sample("text")
    assert sample_SD.shape == (10 * cells.cells, cells.dim)
    np.testing.assert_array_equal(builder._sample("text"), sample_SD)
    assert builder.build(Coarse("text"), 1) == 10 * cells.cells


@pytest.mark.usefixtures("ray_cluster")
def test_the_layout_is_committed_once(cells: CellPlan) -> None:
    groups = lay_out(cells, NearestConfig(), ClusterConfig(actors=1, cpus_per_actor=0.1))
    assert groups == read_layout(cells)
    assert all(sum(g.rows + g.repeats for g in groups if g.modality == modality) == cells.rows for modality in ("image", "text"))
    assert not Path(cells.url("_parts")).exists()
    stamp = Path(cells.url("layout.json")).stat().st_mtime_ns
    assert lay_out(cells, NearestConfig(), ClusterConfig(actors=1)) == groups
    assert Path(cells.url("layout.json")).stat().st_mtime_ns == stamp
