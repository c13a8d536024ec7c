"""Figs 16 and 17: one map for each setting, at its place in the grid."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from drawn_axes import SPECS, cell_of, drawn, offsets, run_of, texts
from planted_report import CONFIG, plant

from tda.config.stages import ReportConfig
from tda.report.data.load import Cell, load_run
from tda.report.drawing.style import MODALITIES

FIG16, FIG17 = SPECS["fig16"], SPECS["fig17"]
N = 6
SETTINGS = [(5, 0.0), (5, 0.1), (50, 0.1)]  # (50, 0.0) was not measured
SHARES = [0.4, 0.1, 0.25]
CORNERS = np.array([[-1, -1], [1, 1], [0, 0], [0.5, 0], [0, -0.5], [1, -1]])  # fill a square of side 2


def _cell(encoder: str = "e", precision: str = "float64", *, sphere: bool = False) -> Cell:
    rows = len(SETTINGS) * 2 * N
    modality, row = np.tile(np.repeat(["image", "text"], N), len(SETTINGS)), np.tile(np.arange(N), 2 * len(SETTINGS))
    settings = np.repeat(np.array(SETTINGS), 2 * N, axis=0)
    where = np.tile(CORNERS, (2 * len(SETTINGS), 1))
    columns: dict[str, Any] = {"modality": modality, "row": row, "x": where[:, 0], "y": where[:, 1]}
    if sphere:
        unit = np.random.default_rng(0).normal(size=(rows, 3))
        columns |= dict(zip("xyz", (unit / np.linalg.norm(unit, axis=1, keepdims=True)).T, strict=True))
    columns |= {"n_neighbors": settings[:, 0].astype(int), "min_dist": settings[:, 1].astype(precision)}
    cells = [{"n_neighbors": k, "min_dist": d, "mixing": share} for (k, d), share in zip(SETTINGS, SHARES, strict=True)]
    return replace(cell_of(encoder, parquet={"sweep": columns}), sweep={"cells": cells})


def _axes(cell: Cell) -> Any:
    return drawn(FIG16.panels(run_of(cell))[0])


def test_each_setting_is_drawn_at_its_place() -> None:
    axes = _axes(_cell())
    centres = [[0, 0], [0, -2.45], [2.45, -2.45]]  # n_neighbors to the right, min_dist downwards
    expected = np.concatenate([CORNERS + centre for centre in centres])
    for style in MODALITIES.values():
        found = offsets(axes, style.color)
        np.testing.assert_allclose(found[np.lexsort(found.T.round(6))], expected[np.lexsort(expected.T.round(6))], atol=1e-12)
    squares = [line.get_xydata() for line in axes.lines]
    np.testing.assert_allclose([square[:4].mean(axis=0) for square in squares], centres, atol=1e-12)


def test_settings_and_shares_are_written_at_their_maps() -> None:
    axes = _axes(_cell())
    places = {note.get_text(): note.get_position() for note in axes.texts}
    assert places["5"] == (0, 1.2)
    assert places["50"] == (2.45, 1.2)
    assert places["0.1"][1] == -2.45
    assert [places[share] for share in ("40.0%", "10.0%", "25.0%")] == [
        pytest.approx((1, -1.12)), pytest.approx((1, -3.57)), pytest.approx((3.45, -3.57)),
    ]  # fmt: skip
    assert {"n_neighbors", "min_dist", "0"} <= places.keys()
    assert not axes.axison


def test_settings_of_single_precision_find_their_shares() -> None:
    assert {"40.0%", "10.0%", "25.0%"} <= set(texts(_axes(_cell(precision="float32"))))


def test_a_setting_without_a_share_has_no_number() -> None:
    cell = _cell()
    cell.sweep["cells"][0]["mixing"] = None
    assert "40.0%" not in texts(_axes(cell))
    assert not any("%" in text for text in texts(_axes(replace(cell, sweep={}))))


def test_spheres_stand_further_apart() -> None:
    axes = _axes(_cell(sphere=True))
    middles = [line.get_xydata()[:-1].mean(axis=0) for line in axes.lines]
    np.testing.assert_allclose(middles, [[0, 0], [0, -2.45], [4.3, -2.45]], atol=1e-12)


def test_swept_models_are_shown_by_role(tmp_path: Path) -> None:
    config = ReportConfig(models={"toy_infonce": "CLIP"}, datasets={"e": "COCO"}, ablation={"toy_cloob": "x"})
    run = load_run(plant(tmp_path, ("d", "e")), config)
    assert FIG17.missing(run) == ["No encoder here plays CLOOB: name one, ++report.models.ENCODER=CLOOB"]
    assert FIG17.panels(run) == []
    assert {cell.encoder for cell in FIG16.cells(run)} == {"toy_infonce", "toy_cloob"}


def test_panels_are_named_by_data_set_and_model() -> None:
    run = run_of(_cell("toy_infonce"), _cell("toy_cloob"), config=CONFIG)
    assert [panel.title for panel in FIG16.panels(run)] == ["d, toy_infonce (CLIP)"]
    assert [panel.title for panel in FIG17.panels(run)] == ["d, toy_cloob (CLOOB)"]


def test_a_sweep_of_one_data_set_is_enough(tmp_path: Path) -> None:
    root = plant(tmp_path, ("d", "e"), ("toy_infonce", "toy_cloob"))
    (tmp_path / "analysis" / "e" / "toy_cloob" / "sweep.parquet").unlink()
    assert FIG17.missing(load_run(root, CONFIG)) == []
    (tmp_path / "analysis" / "d" / "toy_cloob" / "sweep.parquet").unlink()
    assert len(FIG17.missing(load_run(root, CONFIG))) == 2
