"""Figs 4, 5 and 7: a layout's points on the map of the sphere or in the plane."""

from typing import Any

import numpy as np
import pytest
from drawn_axes import SPECS, cell_of, drawn, offsets, run_of, texts
from planted_report import CONFIG, plant

from tda.config.stages import ReportConfig
from tda.report.data.load import Cell, load_run
from tda.report.drawing.style import MODALITIES

FIG04 = SPECS["fig04"]
N = 20
COLORS = {modality: style.color for modality, style in MODALITIES.items()}


def _cell(where_2NC: np.ndarray, encoder: str = "e", **metrics: Any) -> Cell:
    columns = {
        "modality": np.repeat(["image", "text"], where_2NC.shape[1]),
        **dict(zip("xyz", where_2NC.reshape(-1, where_2NC.shape[2]).T, strict=False)),
    }
    return cell_of(encoder, parquet={"layout": columns}, **metrics)


def _plane(n: int = N) -> np.ndarray:
    return np.random.default_rng(0).normal(3, 2, (2, n, 2))


def _sphere(n: int = N) -> np.ndarray:
    rows = np.random.default_rng(1).normal(0, 0.2, (2, n, 3)) + np.array([[1, -1, 0], [1, 1, 0]])[:, None]
    return np.asarray(rows / np.linalg.norm(rows, axis=2, keepdims=True))


def _sorted(points_N2: np.ndarray) -> np.ndarray:
    return points_N2[np.lexsort(points_N2.T)]


def test_a_plane_is_centred_in_its_square() -> None:
    where_2N2 = _plane()
    axes = drawn(FIG04.panels(run_of(_cell(where_2N2)))[0])
    low, high = where_2N2.min(axis=(0, 1)), where_2N2.max(axis=(0, 1))
    for modality, points_N2 in zip(COLORS, where_2N2, strict=True):
        expected = (points_N2 - (low + high) / 2) / ((high - low).max() / 2)
        np.testing.assert_allclose(_sorted(offsets(axes, COLORS[modality])), _sorted(expected))
    (square,) = axes.lines
    assert np.abs(square.get_xydata()).min() == 1.04
    assert axes.get_xlim() == pytest.approx((-1.06, 1.06))


def test_a_sphere_is_an_ellipse_with_the_second_modality_to_the_right() -> None:
    axes = drawn(FIG04.panels(run_of(_cell(_sphere())))[0])
    outline, *graticule = axes.lines
    np.testing.assert_allclose((outline.get_xdata() / 2) ** 2 + outline.get_ydata() ** 2, 1)
    assert graticule
    image, text = (offsets(axes, color) for color in COLORS.values())
    assert len(image) == len(text) == N
    assert image[:, 0].max() < 0 < text[:, 0].min()
    assert axes.get_xlim() == pytest.approx((-2.02, 2.02))
    assert not axes.axison


@pytest.mark.parametrize(
    ("metrics", "line"),
    [
        ({"mixing": {"layout": 0.55}, "umap": {"trustworthiness": 0.93}}, ["mixing 45.0%, trust 0.930"]),
        ({"umap": {"mixing": 0.3}}, ["mixing 30.0%"]),
        ({"umap": {"trustworthiness": 0.5}}, ["trust 0.500"]),
        ({}, []),
    ],
)
def test_mixing_and_trust_are_written_below(metrics: dict[str, Any], line: list[str]) -> None:
    assert texts(drawn(FIG04.panels(run_of(_cell(_plane(), **metrics)))[0])) == line


def test_more_points_are_drawn_smaller_and_no_more_than_configured() -> None:
    for most, size, count in ((501, 4, 501), (500, 7, 500)):
        axes = drawn(FIG04.panels(run_of(_cell(_plane(600)), config=ReportConfig(points=most)))[0])
        assert [len(offsets(axes, color)) for color in COLORS.values()] == [count, count]
        assert {tuple(part.get_sizes()) for part in axes.collections} == {(size,)}


def test_modalities_take_turns_so_that_neither_covers_the_other() -> None:
    from matplotlib.colors import to_hex

    parts = drawn(FIG04.panels(run_of(_cell(_plane())))[0]).collections
    assert [to_hex(part.get_facecolor()[0]) for part in parts] == [*COLORS.values()] * 8


def test_main_models_coco_and_arms_have_a_figure_each(tmp_path: Any) -> None:
    config = ReportConfig(models={"toy_infonce": "CLIP"}, datasets={"e": "COCO"}, ablation={"toy_cloob": "x"})
    run = load_run(plant(tmp_path, ("d", "e")), config)
    assert {(cell.dataset, cell.encoder) for cell in FIG04.cells(run)} == {
        ("d", "toy_infonce"), ("d", "toy_infonce_hopfield"), ("d", "toy_infoloob"),
    }  # fmt: skip
    assert {cell.dataset for cell in SPECS["fig05"].cells(run)} == {"e"}
    assert {cell.encoder for cell in SPECS["fig07"].cells(run)} == {"toy_cloob"}


def test_what_is_absent_is_named_with_the_setting_that_names_it() -> None:
    run = run_of(_cell(_plane(), "toy_cloob"), config=ReportConfig(datasets={"d": "COCO"}))
    assert FIG04.panels(run) == []
    assert FIG04.missing(run) == ["No data set here but COCO's, or no encoder but arms: see Figs 5 and 7"]
    assert "++report.ablation.ENCODER=InfoLOOB" in SPECS["fig07"].missing(run)[0]
    assert "++report.datasets.NAME=COCO" in SPECS["fig05"].missing(run_of(_cell(_plane())))[0]
    (line,) = FIG04.missing(run_of(cell_of("toy_cloob"), config=CONFIG))
    assert line.startswith("d, toy_cloob: layout.parquet is missing; python -m jobs.analyze ")
