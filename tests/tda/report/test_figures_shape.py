"""Figures of the shape of a space, on data that are thin, odd or empty."""

import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from planted_files import write
from planted_report import CONFIG, plant, plant_cell
from planted_shape import K, N, layout_columns

from tda.config.stages import ReportConfig
from tda.report.data.load import Cell, Run, load_run
from tda.report.drawing.figure import panel_svg
from tda.report.topics.local_dimension.figure import clusters
from tda.report.topics.registry import registry
from tda.report.topics.spectrum.collapse_figure import classified, example

SPECS = {spec.name: spec for spec in registry()}


def _draw_all(run: Run, name: str) -> list[str]:
    svgs = [panel_svg(panel, SPECS[name], "p") for panel in SPECS[name].panels(run)]
    for svg in svgs:
        ET.fromstring(svg)  # noqa: S314 our own
    return svgs


def test_a_plane_is_drawn_as_one(tmp_path: Path) -> None:
    plant_cell(tmp_path, "d", "toy_cloob")
    folder = tmp_path / "analysis" / "d" / "toy_cloob"
    write(folder / "layout.parquet", layout_columns(np.random.default_rng(0).normal(size=(2, N, 2))))
    sweep = pq.read_table(folder / "sweep.parquet")
    pq.write_table(sweep.drop_columns(["z"]), folder / "sweep.parquet")
    run = load_run(str(tmp_path), CONFIG)
    assert "mixing 45.0%, trust 0.930" in _draw_all(run, "fig04")[0]
    assert _draw_all(run, "fig17")[0].count("40.0%") == 9


def test_who_is_in_which_layout(tmp_path: Path) -> None:
    run = load_run(
        plant(tmp_path, ("d", "e")), ReportConfig(models={"toy_infonce": "CLIP"}, datasets={"e": "COCO"}, ablation={"toy_cloob": "x"})
    )
    assert {(cell.dataset, cell.encoder) for cell in SPECS["fig04"].cells(run)} == {
        ("d", "toy_infonce"), ("d", "toy_infonce_hopfield"), ("d", "toy_infoloob"),
    }  # fmt: skip
    assert {cell.dataset for cell in SPECS["fig05"].cells(run)} == {"e"}
    assert {cell.encoder for cell in SPECS["fig07"].cells(run)} == {"toy_cloob"}
    assert SPECS["fig17"].missing(run) == ["No encoder here plays CLOOB: name one, ++report.models.ENCODER=CLOOB"]
    assert {cell.encoder for cell in SPECS["fig16"].cells(run)} == {"toy_infonce", "toy_cloob"}  # who is swept is shown


def test_a_sweep_of_one_data_set_is_enough(tmp_path: Path) -> None:
    root = plant(tmp_path, ("d", "e"), ("toy_infonce", "toy_cloob"))
    (tmp_path / "analysis" / "e" / "toy_cloob" / "sweep.parquet").unlink()
    assert SPECS["fig17"].missing(load_run(root, CONFIG)) == []
    (tmp_path / "analysis" / "d" / "toy_cloob" / "sweep.parquet").unlink()
    assert len(SPECS["fig17"].missing(load_run(root, CONFIG))) == 2


def test_settings_of_single_precision_find_their_numbers(tmp_path: Path) -> None:
    plant_cell(tmp_path, "d", "toy_cloob")
    file = tmp_path / "analysis" / "d" / "toy_cloob" / "sweep.parquet"
    table = pq.read_table(file)
    place = table.column_names.index("min_dist")
    pq.write_table(table.set_column(place, "min_dist", table.column("min_dist").cast("float32")), file)
    assert _draw_all(load_run(str(tmp_path), CONFIG), "fig17")[0].count("40.0%") == 9


def test_a_clusters_line_ends_at_its_floor(tmp_path: Path) -> None:
    from tda.report.topics.local_dimension.clusters_figure import _lines

    plant_cell(tmp_path, "d", "toy_cloob")
    (cell,) = load_run(str(tmp_path), CONFIG).cells
    lines, floor = _lines(cell, "image")
    images = {row["id"]: row["images"] for row in cell.metrics["per_cluster"]}
    assert [int(line[-1, 0]) for line in lines] == [images[cluster] - 1 for cluster in range(K)]
    assert floor == pytest.approx(2e-7)


@pytest.mark.parametrize("values", [np.full(4, 1e-18), np.zeros(4)])
def test_clusters_that_are_noise_alone_make_no_figure(tmp_path: Path, values: np.ndarray) -> None:
    plant_cell(tmp_path, "d", "toy_cloob")
    columns = {"cluster": np.zeros(4, int), "modality": ["image"] * 4, "rows": [2] * 4, "index": np.arange(4), "floor": np.full(4, 1e-9)}
    write(tmp_path / "analysis" / "d" / "toy_cloob" / "cluster_spectra.parquet", {**columns, "singular_value": values})
    assert SPECS["fig13"].panels(load_run(str(tmp_path), CONFIG)) == []


def test_clusters_without_numbers_are_left_out() -> None:
    rows: list[dict[str, Any]] = [
        {"auc": 0.3, "top1": 0.5, "size": 20},
        {"auc": None, "top1": 0.5, "size": 20},
        {"auc": 0.4, "top1_image_to_text": 0.2, "top1_text_to_image": 0.4, "size": 9},
        {"auc": 0.4, "top1_image_to_text": None, "top1_text_to_image": None, "size": 9},
    ]
    found = clusters(Cell(dataset="d", encoder="e", metrics={"per_cluster": rows}), "auc")
    np.testing.assert_allclose(found, [[0.3, 0.4], [0.5, 0.3], [20, 9]])


def test_one_cluster_and_no_correlation_draw(tmp_path: Path) -> None:
    row = {"id": 0, "size": 40, "images": 20, "texts": 20, "auc": 0.3, "effective_rank": 5.0, "top1": 0.5}
    none = {"pearson": None, "spearman": None, "partial_spearman_given_size": None, "ci95": {}, "n_clusters": 1, "notes": ["too few"]}
    plant_cell(tmp_path, "d", "toy_cloob", metrics={"per_cluster": [row], "local_dimension": none})
    run = load_run(str(tmp_path), CONFIG)
    assert len(_draw_all(run, "fig15")) == 1
    assert _draw_all(run, "fig15_correlations") == []
    assert "too few, or too alike" in SPECS["fig15"].sentence(run)[0]


@pytest.mark.parametrize("kind", ["none", "dimensional", "complete"])
def test_drawn_cases_have_their_known_answer(kind: str) -> None:
    spectrum, found = example(kind)
    assert found.kind == kind
    assert found.index == {"none": 128, "dimensional": 64}.get(kind, found.index)
    assert (float(spectrum.singular_values.sum()) < 1e-3) is (kind == "complete")


def test_a_models_collapse_is_the_classifiers(tmp_path: Path) -> None:
    plant_cell(tmp_path, "d", "toy_cloob")
    (cell,) = load_run(str(tmp_path), CONFIG).cells
    found = classified(cell, "image")
    assert found is not None
    assert (found.kind, found.index, found.dim) == ("dimensional", 40, 64)
    assert classified(Cell(dataset="d", encoder="e", metrics={}), "image") is None
    largest_alone = {"dim": 512, "spectrum": {"image": {"singular_values": [0.1, 0.05], "collapse_index": 2}}}
    assert classified(Cell(dataset="d", encoder="e", metrics=largest_alone), "image") is None


def test_betti_curves_of_one_degree_or_modality_are_enough(tmp_path: Path) -> None:
    plant_cell(tmp_path, "d", "toy_cloob")
    columns = {"modality": ["both"] * 5, "degree": [0] * 5, "radius": np.linspace(0, 1, 5), "betti": [9, 5, 2, 1, 1]}
    write(tmp_path / "analysis" / "d" / "toy_cloob" / "betti.parquet", columns)
    run = load_run(str(tmp_path), CONFIG)
    assert [panel.title for panel in SPECS["homology"].panels(run)] == ["together"]
    assert len(_draw_all(run, "homology")) == 1
