"""Every figure of the registry draws, and names its missing inputs."""

import re
import xml.etree.ElementTree as ET
from dataclasses import replace
from pathlib import Path

import pytest
from planted_nearest import plant_nearest
from planted_report import ARMS, CONFIG, plant, plant_cell
from planted_temperature import temperature_run

from tda.config.stages import ReportConfig
from tda.report.data.load import Run, load_run
from tda.report.drawing.figure import FigureSpec, inline, panel_svg
from tda.report.topics.registry import SECTIONS, figures_of, registry

SPECS = {spec.name: spec for spec in registry()}
NOT_PLANTED = {
    "over_training",
    "interventions",
    "interventions_dimensions",
    "diversity",
}  # no run of this root was watched, no gap was closed


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    root = plant(tmp_path_factory.mktemp("root"))
    for dataset in ("toy_heldout", "toy_shifted"):
        for encoder in ARMS:
            plant_nearest(root, dataset, encoder)
    return load_run(root, CONFIG)


def test_the_registry_holds_the_figures_in_order() -> None:
    names = {
        "data": "01",
        "gap": "02 03 04 05 06 07 08",
        "settings": "16 17",
        "dimension": "09 10 11 12 13 14 14_both",
        "retrieval": "15 15_by_rank 15_correlations",
    }
    numbered = [f"fig{number}" for numbers in names.values() for number in numbers.split()]
    assert [name for name in SPECS if name.startswith("fig")] == numbered
    assert list(SPECS)[-3:] == ["homology", "over_training", "training"]
    assert [spec for section in SECTIONS for spec in figures_of(section)] == list(SPECS.values())


@pytest.mark.parametrize(
    ("name", "titles"),
    [
        ("fig02", ["toy_infonce (CLIP)", "toy_infonce_hopfield", "toy_infoloob", "toy_cloob (CLOOB)"] * 2),
        ("fig03", ["toy_heldout", "toy_shifted"]),
        ("fig06", [f"{d}\n{e}" for d in ("toy_heldout", "toy_shifted") for e in ("toy_infonce (CLIP)", "toy_cloob (CLOOB)")]),
        ("fig08", [f"{d}\n{e}" for d in ("toy_heldout", "toy_shifted") for e in ("toy_infonce_hopfield", "toy_infoloob")]),
        ("fig04", ["toy_infonce (CLIP)", "toy_cloob (CLOOB)"]),
        ("fig05", ["toy_infonce (CLIP)", "toy_cloob (CLOOB)"]),
        ("fig07", ["toy_infonce (CLIP)", "toy_infonce_hopfield", "toy_infoloob", "toy_cloob (CLOOB)"] * 2),
        ("fig09", ["Complete collapse", "Dimensional collapse", "Spectra: drawn cases, this run", "Where each lies"]),
        ("fig12", ["toy_heldout", "toy_shifted"]),
        ("fig14_both", ["toy_infonce (CLIP)", "toy_infonce_hopfield", "toy_infoloob", "toy_cloob (CLOOB)"] * 2),
        ("fig15", ["toy_infonce (CLIP)", "toy_infonce_hopfield", "toy_infoloob", "toy_cloob (CLOOB)"] * 2),
        ("fig15_correlations", ["Area under the curve", "Effective rank"] * 2),
        ("fig16", ["toy_heldout, toy_infonce (CLIP)", "toy_shifted, toy_infonce (CLIP)"]),
        ("fig17", ["toy_heldout, toy_cloob (CLOOB)", "toy_shifted, toy_cloob (CLOOB)"]),
        ("homology", ["image", "text", "together"] * 4),
        ("training", ["toy_infonce (CLIP)", "toy_infonce_hopfield", "toy_infoloob", "toy_cloob (CLOOB)", "Learning rate"]),
    ],
)
def test_panels_show_whom_the_figure_is_about(run: Run, name: str, titles: list[str]) -> None:
    assert [panel.title for panel in SPECS[name].panels(run)] == titles
    assert SPECS[name].missing(run) == []
    assert SPECS[name].sentence(run)


@pytest.mark.parametrize("name", [name for name in SPECS if name not in NOT_PLANTED])
def test_a_panel_is_one_sound_svg_of_the_pages_ink(run: Run, name: str) -> None:
    spec = SPECS[name]
    if name == "temperature":  # no model of this root was trained at two
        run = replace(run, sweeps=temperature_run(lambda _encoder, inv_tau, seed: inv_tau + seed).sweeps)
    svg = panel_svg(spec.panels(run)[0], spec, f"{name}-0")
    assert svg == panel_svg(spec.panels(run)[0], spec, f"{name}-0")  # the same numbers, the same bytes
    ET.fromstring(svg)  # noqa: S314 our own
    assert all(found.startswith(f"{name}-0-") for found in re.findall(r'\bid="([^"]+)', svg))
    assert all(target.startswith((f"#{name}-0-", "data:")) for target in re.findall(r'href="([^"]+)', svg))
    assert "currentColor" in svg
    assert not re.search(r"<script|<style>[^<]*@import|https?://(?!www\.w3\.org)", svg)


def test_names_are_never_mathematics_or_markup(tmp_path: Path) -> None:
    config = ReportConfig(models={"toy_cloob": "<b>$x^2$ & \"y'"})
    spec = SPECS["fig02"]
    svg = panel_svg(spec.panels(load_run(plant(tmp_path, ("d",), ("toy_cloob",)), config))[0], spec, "p")
    assert "&lt;b&gt;$x^2$ &amp;" in svg
    assert "<b>" not in svg


@pytest.mark.parametrize(
    ("file", "figures"),
    [
        ("pca", ["fig02", "fig06"]),
        ("cosine", ["fig03"]),
        ("spectra", ["fig10", "fig11", "fig12"]),
        ("layout", ["fig04", "fig07"]),
        ("cluster_spectra", ["fig13", "fig14", "fig14_both"]),
        ("betti", ["homology"]),
    ],
)
def test_a_missing_file_is_named_with_the_command_that_makes_it(tmp_path: Path, file: str, figures: list[str]) -> None:
    root = plant(tmp_path / "my root", ("d",), ("toy_infonce", "toy_cloob"))
    (tmp_path / "my root" / "analysis" / "d" / "toy_cloob" / f"{file}.parquet").unlink()
    run = load_run(root, CONFIG)
    for name in figures:
        (line,) = SPECS[name].missing(run)
        assert line.startswith(f"d, toy_cloob: {file}.parquet is missing; ")
        assert f"python -m jobs.analyze dataset.name=d encoder.name=toy_cloob 'root={root}'" in line
        assert SPECS[name].panels(run)


def test_a_missing_sweep_or_part_is_named_with_the_command_that_makes_it(tmp_path: Path) -> None:
    root = plant(tmp_path, ("d",), ("toy_infonce", "toy_cloob"))
    (tmp_path / "analysis" / "d" / "toy_cloob" / "sweep.parquet").unlink()
    plant_cell(tmp_path, "d", "toy_infonce", metrics={"per_cluster": [], "spectrum": {}})
    run = load_run(root, CONFIG)
    (line,) = SPECS["fig17"].missing(run)
    grid = "-m analysis.umap.n_neighbors=5,15,50,100 analysis.umap.min_dist=0,0.1,0.4,0.8"
    command = f"python -m jobs.analyze dataset.name=d encoder.name=toy_cloob root={root} {grid}"
    assert line == f"d, toy_cloob: sweep.parquet is missing; {command} makes it"
    assert SPECS["fig15"].missing(run)[0].startswith("d, toy_infonce: per_cluster in metrics.json is missing; python -m jobs.analyze ")
    assert SPECS["fig09"].missing(run)[0].startswith("d, toy_infonce: spectrum in metrics.json is missing; ")


def test_long_names_are_written_smaller(tmp_path: Path) -> None:
    spec = SPECS["fig02"]
    run = load_run(
        plant(tmp_path, ("d",), ("toy_infoloob", "toy_cloob")), ReportConfig(models={"toy_cloob": "a model with a very long name"})
    )
    written = [re.search(r"font-size: ([\d.]+)px[^>]*>toy_", panel_svg(panel, spec, "p")) for panel in spec.panels(run)]
    sizes = [float(found.group(1)) for found in written if found]
    assert max(sizes) == 9.5
    assert min(sizes) < 6


def test_inline_keeps_what_is_no_id() -> None:
    svg = inline(
        '<?xml?><svg id="a" width="1" viewBox="0 0 1 1" x="y"><g id="b"/><use xlink:href="#b"/><p style="clip: url(#b)"/></svg>', "q"
    )
    assert svg.startswith('<svg viewBox="0 0 1 1"')
    assert svg.endswith('<g id="q-b"/><use xlink:href="#q-b"/><p style="clip: url(#q-b)"/></svg>')


def test_a_new_figure_is_one_spec(run: Run) -> None:
    made = FigureSpec(
        name="fig99",
        label="Fig. 99",
        title="One line",
        reading="",
        panels=lambda _run: [],
        sentence=lambda _run: ["It is straight."],
        cells=lambda run: list(run.cells),
        needs="pca",
    )
    assert made.missing(run) == []
