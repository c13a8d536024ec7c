"""Files of a figure: of a paper's width, with fonts and text, and the points that they show."""

import base64
import csv
import io
import re
import zlib
from functools import lru_cache

import numpy as np
import pytest
from fontTools.ttLib import TTFont
from PIL import Image
from planted_report import CONFIG, plant_cell, strip

from tda.config.stages import ReportConfig
from tda.errors import UserError
from tda.report.data.load import Run, load_run
from tda.report.drawing.points import COLUMNS
from tda.report.drawing.saved import DPI
from tda.report.drawing.sheet import inches, sheet
from tda.report.topics.registry import registry

SPECS = {spec.name: spec for spec in registry()}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    root = tmp_path_factory.mktemp("root")
    for encoder in ("toy_infonce", "toy_cloob"):
        plant_cell(root, "d", encoder)
    strip(root, "spectra", "cosine", "layout")
    return load_run(str(root), CONFIG)


@lru_cache
def _files(name: str, run: "_Hashed", width: float) -> dict[str, bytes]:
    spec = SPECS[name].for_run(run.run)
    return sheet(spec.panels(run.run), spec, width)


class _Hashed:
    """A run by identity."""

    def __init__(self, run: Run) -> None:
        self.run = run


@pytest.fixture(scope="module")
def hashed(run: Run) -> _Hashed:
    return _Hashed(run)


@pytest.mark.parametrize(("name", "width"), [("fig07", 7.0), ("fig07", 3.35), ("fig15", 3.35)])
def test_a_sheet_is_as_wide_as_it_is_asked(hashed: _Hashed, name: str, width: float) -> None:
    files = _files(name, hashed, width)
    with Image.open(io.BytesIO(files["png"])) as png:
        assert png.width / DPI == pytest.approx(width, abs=0.01)
    found = re.search(rb"/MediaBox \[ 0 0 ([\d.]+) ([\d.]+) \]", files["pdf"])
    assert found
    assert float(found.group(1)) / 72 == pytest.approx(width, abs=0.01)


def test_few_panels_are_not_blown_up(hashed: _Hashed) -> None:
    with Image.open(io.BytesIO(_files("fig10", hashed, 7.0)["png"])) as png:
        assert png.width / DPI == pytest.approx(4.2 * 1.15, abs=0.01)


def test_an_svg_has_text_and_the_characters_of_its_font(hashed: _Hashed) -> None:
    svg = _files("fig10", hashed, 7.0)["svg"].decode()
    assert "toy_cloob (CLOOB)" in svg
    faces = re.findall(r"font-weight:(\w+);src:url\(data:font/woff;base64,([A-Za-z0-9+/=]+)\)", svg)
    assert {weight for weight, _ in faces} == {"normal", "bold"}
    for _, data in faces:
        shown = TTFont(io.BytesIO(base64.b64decode(data))).getBestCmap()
        assert set("toyclb(CLOOB)0123456789⁻") <= {chr(code) for code in shown}
    assert len(svg) < 250_000


def test_a_pdf_has_text_in_embedded_fonts(hashed: _Hashed) -> None:
    pdf = _files("fig10", hashed, 7.0)["pdf"]
    assert b"/FontFile2" in pdf  # TrueType
    assert b"/Type3" not in pdf
    streams = [zlib.decompress(part) for part in re.findall(rb"stream\r?\n(x.*?)\r?\nendstream", pdf, re.DOTALL)]
    assert any(b"Tj" in stream or b"TJ" in stream for stream in streams)
    assert b"CreationDate" not in pdf


def test_the_same_numbers_are_the_same_bytes(run: Run, hashed: _Hashed) -> None:
    spec = SPECS["fig10"].for_run(run)
    assert sheet(spec.panels(run), spec, 7.0) == _files("fig10", hashed, 7.0)


def _points(files: dict[str, bytes]) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(files["csv"].decode())))


def test_points_are_those_of_the_figure(run: Run, hashed: _Hashed) -> None:
    rows = _points(_files("fig10", hashed, 7.0))
    assert list(rows[0]) == list(COLUMNS)
    for cell in run.cells:
        label = {"toy_infonce": "toy_infonce (CLIP)", "toy_cloob": "toy_cloob (CLOOB)"}[cell.encoder]
        own = [row for row in rows if row["series"] == label and row["kind"] == "line"]
        values = np.array(cell.metrics["spectrum"]["image"]["singular_values"])
        floor = cell.metrics["spectrum"]["image"]["floor"]
        assert np.allclose([float(row["y"]) for row in own], values[values >= floor], rtol=1e-6)
        assert [float(row["x"]) for row in own] == list(range(1, len(own) + 1))


def test_points_name_modalities_and_sizes(hashed: _Hashed) -> None:
    rows = _points(_files("fig07", hashed, 7.0))
    assert {row["series"] for row in rows} == {"image", "text"}
    assert {row["panel"] for row in rows} == {"toy_infonce (CLIP)", "toy_cloob (CLOOB)"}
    assert len(rows) == 2 * 2 * 400
    discs = [row for row in _points(_files("fig15", hashed, 3.35)) if row["kind"] == "point"]
    assert len(discs) == 2 * 16
    assert len({row["size"] for row in discs}) > 4


def test_names_in_points_are_no_formulas(run: Run) -> None:
    spec = SPECS["fig07"].for_run(load_run(run.root, ReportConfig(ablation=CONFIG.ablation, names={"toy_cloob": "=1+1", "d": "@d"})))
    named = load_run(run.root, ReportConfig(ablation=CONFIG.ablation, names={"toy_cloob": "=1+1", "d": "@d"}))
    rows = _points(sheet(spec.panels(named), spec, 7.0))
    assert {row["panel"] for row in rows} == {"toy_infonce", "'=1+1"}
    assert {row["row"] for row in rows} == {"'@d"}


@pytest.mark.parametrize(("width", "found"), [("3.35in", 3.35), ("7in", 7.0), ("85mm", 85 / 25.4), ("8.5 cm", 8.5 / 2.54)])
def test_widths_are_lengths(width: str, found: float) -> None:
    assert inches(width) == pytest.approx(found)


@pytest.mark.parametrize("width", ["", "7", "wide", "0in", "0.5in", "1000in", "-7in", "7in; x"])
def test_other_widths_are_refused_in_one_line(width: str) -> None:
    with pytest.raises(UserError, match=r"report.width='.*' is no width of a figure: give inches") as refused:
        inches(width)
    assert "\n" not in str(refused.value)
