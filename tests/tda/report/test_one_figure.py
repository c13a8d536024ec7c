"""One figure: for a paper by command, and in a notebook."""

import csv
from pathlib import Path

import pytest
from planted_report import CONFIG, plant_cell, strip

import tda.report
from tda.config.stages import ReportConfig
from tda.errors import UserError
from tda.report.one_figure import write_figure


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("root")
    for dataset in ("d", "e"):
        for encoder in ("toy_infonce", "toy_cloob"):
            plant_cell(folder, dataset, encoder)
    strip(folder, "spectra")
    return str(folder)


@pytest.mark.parametrize(("ending", "start"), [("pdf", b"%PDF"), ("svg", b"<?xml"), ("png", b"\x89PNG"), ("csv", b"row,panel")])
def test_the_ending_chooses_what_is_written(root: str, tmp_path: Path, ending: str, start: bytes) -> None:
    write_figure("fig10", root, f"{tmp_path}/fig.{ending}", config=CONFIG)
    assert (tmp_path / f"fig.{ending}").read_bytes().startswith(start)


def test_models_and_data_are_chosen_by_either_name(root: str, tmp_path: Path) -> None:
    config = ReportConfig(names={"toy_cloob": "Cloob", "e": "The second"})
    write_figure("fig10", root, f"{tmp_path}/fig.csv", models=["Cloob"], data=["e"], config=config)
    with (tmp_path / "fig.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert {row["panel"] for row in rows} == {"The second"}
    assert {row["series"] for row in rows} == {"Cloob"}


def test_a_notebook_gets_a_matplotlib_figure(root: str) -> None:
    figure = tda.report.figure("fig10", root, models=["toy_cloob"], config=ReportConfig(width="3.35in"))
    assert len(figure.axes) == 2
    assert figure.get_size_inches()[0] == pytest.approx(3.35)


@pytest.mark.parametrize(
    ("asked", "line"),
    [
        ({"name": "fig99", "out": "f.pdf"}, "figure=fig99 is no figure of the report; known are fig01, "),
        ({"name": "fig10", "out": "f.gif"}, "out=f.gif ends in none of .pdf, .svg, .png or .csv"),
        ({"name": "fig10", "out": "pdf"}, "out=pdf ends in none of"),
        ({"name": "fig10", "out": "f.pdf", "models": ["x"]}, "models=x is not under this root; there are toy_infonce and toy_cloob"),
        ({"name": "fig10", "out": "f.pdf", "data": ["x"]}, "data=x is not under this root; there are d and e"),
        ({"name": "fig04", "out": "f.pdf"}, "figure=fig04 has nothing to draw here: d, toy_infonce: layout.parquet is missing; "),
    ],
)
def test_what_cannot_be_drawn_is_refused_in_one_line(root: str, asked: dict[str, object], line: str) -> None:
    with pytest.raises(UserError) as refused:
        write_figure(root=root, config=CONFIG, **asked)  # type: ignore[arg-type]
    assert str(refused.value).startswith(line)
    assert "\n" not in str(refused.value)


def test_a_frame_shows_the_explorer_or_the_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my root" / "report").mkdir(parents=True)
    with pytest.raises(UserError, match=r"holds no report on this machine; run python -m jobs\.report"):
        tda.report.show(f"{tmp_path}/my root")
    (tmp_path / "my root" / "report" / "index.html").write_text("")
    assert 'src="my%20root/report/index.html"' in tda.report.show(f"{tmp_path}/my root", "d", "m")._repr_html_()
    (tmp_path / "my root" / "report" / "explore.html").write_text("")
    shown = tda.report.show(f"{tmp_path}/my root", '"><script>', "m")._repr_html_()
    assert 'src="my%20root/report/explore.html#' in shown
    assert "<script>" not in shown
    assert shown.count('"') == 12
