"""Fig. 1, its sentences and its table: from planted closest rows."""

import csv
import io
from pathlib import Path

import pytest
from planted_nearest import plant_nearest
from planted_report import CONFIG, plant, strip

from tda.config import ReportConfig
from tda.report.data.load import Run, load_run
from tda.report.drawing.figure import panel_svg
from tda.report.topics.nearest.findings import nearest
from tda.report.topics.nearest.tables import shift_table
from tda.report.topics.registry import registry

FIG01 = next(spec for spec in registry() if spec.name == "fig01")
ENCODERS = ("toy_infonce", "toy_cloob")
DATASETS = ("toy_heldout", "toy_shifted")


def planted(root: Path, datasets: tuple[str, ...] = DATASETS) -> str:
    plant(root, datasets, ENCODERS)
    strip(root)
    for dataset in datasets:
        for encoder in ENCODERS:
            plant_nearest(root, dataset, encoder)
    return str(root)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return load_run(planted(tmp_path_factory.mktemp("root")), CONFIG)


def test_it_draws_both_modalities_for_all_models(run: Run) -> None:
    panels = FIG01.panels(run)
    assert [(panel.row, panel.title) for panel in panels] == [("Against toy_train", "Closest image"), ("Against toy_train", "Closest text")]
    assert FIG01.missing(run) == []
    svg = panel_svg(panels[0], FIG01, "fig01-0")
    for word in ("toy_heldout", "toy_shifted", "toy_infonce (CLIP)", "toy_cloob (CLOOB)", "cosine to the closest image"):
        assert f">{word}<" in svg
    assert svg == panel_svg(FIG01.panels(run)[0], FIG01, "fig01-0")


def test_sentences_say_which_data_set_is_nearer(run: Run) -> None:
    image, text = nearest(run.cells, CONFIG)
    assert image.startswith(
        "By their closest image of toy_train, toy_heldout lies nearer than toy_shifted in all 2 models, as in the paper"
    )
    assert text.startswith("By their closest text of toy_train, toy_heldout lies nearer")


def test_the_opposite_and_no_difference_are_told_too(tmp_path: Path) -> None:
    root = planted(tmp_path)
    plant_nearest(root, "toy_heldout", "toy_cloob", centres=(0.70, 0.90), seed=1)
    plant_nearest(root, "toy_shifted", "toy_cloob", centres=(0.75, 0.90))
    image, text = nearest(load_run(root, CONFIG).cells, CONFIG)
    assert "toy_heldout lies nearer than toy_shifted in toy_infonce (CLIP); toy_shifted lies nearer than toy_heldout in toy_cloob" in image
    assert "unlike in the paper" in image
    assert "toy_heldout and toy_shifted lie equally near in toy_cloob (CLOOB)" in text
    assert "paper" not in nearest(load_run(root, ReportConfig()).cells, ReportConfig())[0]


def test_one_data_set_alone_has_medians(tmp_path: Path) -> None:
    run = load_run(planted(tmp_path, ("toy_shifted",)), CONFIG)
    assert nearest(run.cells, CONFIG)[0].startswith("The closest image of toy_train stands at a median cosine, for toy_shifted, of 0.7")
    assert shift_table(run).rows == []


def test_the_table_holds_every_shift_with_its_intervals(run: Run) -> None:
    header, *rows = csv.reader(io.StringIO(shift_table(run).csv().decode()))
    assert len(rows) == 2 * len(ENCODERS)
    for row in rows:
        first, second, difference, low, high, ks, ks_low, ks_high = map(float, row[2:])
        assert first - second == pytest.approx(difference)
        assert low <= difference <= high
        assert 0 < ks_low <= ks_high <= 1
        assert ks > 0.4
    assert header[0] == "Closest"


def test_what_is_stale_or_missing_is_named_with_the_command(tmp_path: Path) -> None:
    root = planted(tmp_path)
    plant(tmp_path, ("toy_shifted",), ("toy_cloob",))  # embeds the same rows again
    plant_nearest(root, "toy_shifted", "toy_cloob")
    (tmp_path / "nearest/toy_shifted/toy_infonce/toy_train/_records/00000.json").unlink()
    run = load_run(root, CONFIG)
    (line,) = FIG01.missing(run)
    assert line.startswith("toy_shifted, toy_infonce: no closest rows in a reference; python -m jobs.nearest dataset.name=toy_shifted ")
    assert len(FIG01.panels(run)) == 2
