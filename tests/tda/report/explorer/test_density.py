"""Every direction has one cell, cells are of nearly equal size, and all placed rows are counted."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from explored_root import CONFIG, DATASET, P, front, plant_explored

from tda.report.data.load import load_run
from tda.report.explorer.density import S, cells_of, density_of
from tda.report.explorer.models import models_of
from tda.store.datasets.embedding_set import EmbeddingSet
from tda.store.datasets.placed import publish_placed, shard_hash


def _even(n: int) -> Any:
    rows = np.random.default_rng(0).standard_normal((n, 3))
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def test_axes_lie_in_the_middle_of_their_faces() -> None:
    ends = np.concatenate([np.eye(3), -np.eye(3)]) + 1e-9
    cells = cells_of(ends / np.linalg.norm(ends, axis=1, keepdims=True))
    assert (cells // (S * S)).tolist() == [0, 2, 4, 1, 3, 5]
    assert {(cell % (S * S)) // S for cell in cells.tolist()} <= {S // 2 - 1, S // 2}


def test_cells_differ_little_in_size_and_neighbours_in_place() -> None:
    points = _even(2_000_000)
    counts = np.bincount(cells_of(points), minlength=6 * S * S)
    assert len(counts) == 6 * S * S
    assert counts.min() / counts.mean() > 0.5
    assert counts.max() / counts.mean() < 1.5
    inside = points[cells_of(points) == cells_of(points[:1])[0]]
    assert np.arccos(np.clip(inside @ points[0], -1, 1)).max() < np.deg2rad(4)


@pytest.mark.parametrize("turned", [False, True])
def test_all_placed_rows_are_counted_as_they_are_turned(tmp_path: Path, turned: bool) -> None:
    root = plant_explored(tmp_path, models=("clip",), tars=False)
    _place_all(Path(root))
    models, _ = models_of(load_run(root, CONFIG))
    turn_33 = np.diag([1.0, -1.0, -1.0]) if turned else np.eye(3)
    found = density_of(root, models[DATASET][0], turn_33)
    assert found is not None
    assert found["pairs"] == P
    places = np.array([front(pair) for pair in range(P)]) @ turn_33
    assert np.array_equal(found["counts"][0], np.bincount(cells_of(places), minlength=6 * S * S))
    assert np.array_equal(found["counts"][1], np.bincount(cells_of(-places), minlength=6 * S * S))


def test_a_sample_alone_is_not_counted(tmp_path: Path) -> None:
    root = plant_explored(tmp_path, models=("clip",), tars=False)
    models, _ = models_of(load_run(root, CONFIG))
    assert density_of(root, models[DATASET][0], np.eye(3)) is None


def _place_all(root: Path) -> None:
    """The places of every row, as jobs.analyze leaves them with analysis.rows=all."""
    rows, folder = EmbeddingSet(str(root), DATASET, "clip"), root / "analysis" / DATASET / "clip"
    for index, shard in enumerate(rows.shards):
        places = np.array([front(pair) for pair in range(30 * index, 30 * index + 30)])
        columns = {f"{name}_{axis}": sign * places[:, i] for name, sign in (("image", 1), ("text", -1)) for i, axis in enumerate("xyz")}
        publish_placed(str(folder / "rows"), {"shard": shard, "rows_sha256": shard_hash(rows, index), "fit": "f" * 64}, columns)
    metrics = json.loads((folder / "metrics.json").read_text())
    (folder / "metrics.json").write_text(json.dumps(metrics | {"rows": {"scope": "all", "fit": "f" * 64}}))
