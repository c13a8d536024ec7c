"""Fig. 1: from planted closest rows."""

from pathlib import Path

import pytest
from planted_nearest import plant_nearest
from planted_report import CONFIG, plant, strip

from tda.report.data.load import Run, load_run
from tda.report.drawing.figure import panel_svg
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


def test_what_is_stale_or_missing_is_named_with_the_command(tmp_path: Path) -> None:
    root = planted(tmp_path)
    plant(tmp_path, ("toy_shifted",), ("toy_cloob",))  # embeds the same rows again
    plant_nearest(root, "toy_shifted", "toy_cloob")
    (tmp_path / "nearest/toy_shifted/toy_infonce/toy_train/_records/00000.json").unlink()
    run = load_run(root, CONFIG)
    (line,) = FIG01.missing(run)
    assert line.startswith("toy_shifted, toy_infonce: no closest rows in a reference; python -m jobs.nearest dataset.name=toy_shifted ")
    assert len(FIG01.panels(run)) == 2
