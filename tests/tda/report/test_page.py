"""The page is whole, escaped, asks nothing of a network, and is not made twice."""

import re
from html.parser import HTMLParser
from pathlib import Path

from planted_report import CAPTIONS, CONFIG, plant_cell, strip

from tda.config.stages import ReportConfig
from tda.report import page as report_page
from tda.report.data.load import load_run
from tda.report.page import MANIFEST, build
from tda.report.topics.registry import registry

NOT_PLANTED = {"fig01", "over_training", "temperature"}  # their data are of another kind
VOID = {"meta", "img", "br", "link", "hr", "input", "line", "path", "use", "image", "rect"}


class _Structure(HTMLParser):
    """Collects elements with their attributes, and checks that every one that opens closes."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag


def _elements(page: str) -> list[tuple[str, dict[str, str | None]]]:
    parser = _Structure()
    parser.feed(page)
    assert parser.open == []
    return parser.seen


def test_all_files_are_there_and_the_page_is_small(drawn_report: Path) -> None:
    names = {file.name for file in (drawn_report / "report").iterdir()}
    figures = [spec.name for spec in registry() if spec.name not in NOT_PLANTED]
    tables = ("table1", "table2", "ablation", "layouts", "sweep", "cells", "dimension", "local", "compared", "topology")
    made = {f"{name}.{suffix}" for name in figures for suffix in ("svg", "png")} | {f"{name}.csv" for name in tables}
    assert names == made | {"index.html", "explore.html", "explore", MANIFEST}
    assert (drawn_report / "report" / "index.html").stat().st_size < 8_000_000


def test_nothing_points_outside(drawn_report: Path) -> None:
    page = (drawn_report / "report" / "index.html").read_text()
    seen = _elements(page)
    links = [value for tag, attrs in seen for key, value in attrs.items() if key in ("src", "href", "xlink:href") and value]
    assert all(re.match(r"#|data:image/png;base64,|[\w]+\.(svg|png|csv)$|explore\.html$", link) for link in links)
    assert {tag for tag, _ in seen}.isdisjoint({"script", "link", "iframe", "object", "form", "base"})
    (policy,) = [attrs["content"] for tag, attrs in seen if tag == "meta" and attrs.get("http-equiv")]
    assert policy is not None
    assert policy.startswith("default-src 'none';")
    assert "http" not in policy
    assert not re.search(r"@import|url\((?!#)", page)


def test_ids_are_unique_and_links_lead_somewhere(drawn_report: Path) -> None:
    seen = _elements((drawn_report / "report" / "index.html").read_text())
    ids = [attrs["id"] for _, attrs in seen if "id" in attrs]
    assert len(ids) == len(set(ids))
    assert {str(attrs["href"])[1:] for tag, attrs in seen if tag == "a" and str(attrs["href"]).startswith("#")} <= set(ids)


def test_untrusted_captions_are_text(drawn_report: Path) -> None:
    page = (drawn_report / "report" / "index.html").read_text()
    assert CAPTIONS[0] not in page
    assert "&lt;script&gt;document.title = &#39;taken&#39;&lt;/script&gt;" in page
    assert "⟨RIGHT-TO-LEFT OVERRIDE⟩gnp.elif a שלום &#34;quoted&#34; &amp; &#39;single&#39; ⟨U+0007⟩bell and lines" in page
    assert "{{ 7 * 7 }}" in page
    assert "\u202e" not in page


def test_every_figure_and_table_says_what_it_shows(drawn_report: Path) -> None:
    seen = _elements((drawn_report / "report" / "index.html").read_text())
    pictures = [attrs["aria-label"] for tag, attrs in seen if attrs.get("role") == "img"]
    assert len(pictures) == len([spec for spec in registry() if spec.name not in NOT_PLANTED])
    assert all(label and re.search(r"\d", label.split(". ", 2)[-1]) for label in pictures)
    assert sum(tag == "caption" for tag, _ in seen) == 10 + 2 + 1
    assert all("scope" in attrs for tag, attrs in seen if tag == "th")


def test_sections_hold_what_belongs_to_them(drawn_report: Path) -> None:
    page = (drawn_report / "report" / "index.html").read_text()
    parts = dict(re.findall(r'<section id="part-(\w+)">(.*?)(?=<section id="(?:part-|method))', page, re.DOTALL))
    inside = {key: re.findall(r'<(?:figure|section) class="[a-z]+" id="(\w+)"', part) for key, part in parts.items()}
    assert inside["gap"][:5] == ["table1", "ablation", "layouts", "fig02", "fig03"]
    assert inside["settings"] == ["sweep", "cells", "fig16", "fig17", "sweeps"]
    assert inside["beyond"] == ["compared", "topology", "homology"]
    assert inside["retrieval"][0] == "table2"
    assert inside["retrieval"][-1] == "failures"
    assert inside["training"] == ["training"]
    for key, part in parts.items():
        (links,) = re.findall(r'<ul class="within">(.*?)</ul>', part, re.DOTALL)
        assert re.findall(r'href="#(\w+)"', links) == inside[key]


def test_the_same_inputs_are_not_drawn_again(drawn_report: Path) -> None:
    before = {file.name: file.stat().st_mtime_ns for file in (drawn_report / "report").iterdir()}
    again = build(str(drawn_report), CONFIG)
    assert not again.rebuilt
    assert {file.name: file.stat().st_mtime_ns for file in (drawn_report / "report").iterdir()} == before


def test_a_report_is_made_again_when_something_changed(tmp_path: Path) -> None:
    plant_cell(tmp_path, "toy_heldout", "toy_cloob")
    strip(tmp_path, "pca", "cosine")
    root = str(tmp_path)
    first = build(root, CONFIG)
    page = (tmp_path / "report" / "index.html").read_bytes()
    (tmp_path / "report" / "fig02.png").unlink()
    assert build(root, CONFIG).rebuilt
    assert (tmp_path / "report" / "index.html").read_bytes() == page  # the same numbers, the same bytes
    (tmp_path / "report" / MANIFEST).write_text("{")
    assert build(root, CONFIG).rebuilt
    (tmp_path / "analysis" / "toy_heldout" / "toy_cloob" / "pca.parquet").unlink()
    changed = build(root, CONFIG)
    assert set(first.files) - set(changed.files) == {"fig02.svg", "fig02.png", "fig06.svg", "fig06.png"}
    assert not (tmp_path / "report" / "fig02.png").exists()
    assert "pca.parquet is missing; python -m jobs.analyze" in (tmp_path / "report" / "index.html").read_text()


def test_bare_metrics_make_a_page_that_says_what_is_missing(tmp_path: Path) -> None:
    plant_cell(tmp_path, "d", "toy_cloob")
    folder = tmp_path / "analysis" / "d" / "toy_cloob"
    strip(tmp_path)
    (folder / "sweep.json").unlink()
    (folder / "metrics.json").write_text('{"schema": 1}')
    built = build(str(tmp_path), ReportConfig())
    page = (tmp_path / "report" / "index.html").read_text()
    _elements(page)
    assert built.files == ("index.html",)
    run = load_run(str(tmp_path), ReportConfig())
    analysed = [spec for spec in registry() if spec.name not in NOT_PLANTED and spec.needs != "curve" and spec.cells(run)]
    assert page.count("is missing; python -m jobs.analyze") == len(analysed) > 10


def test_names_of_roles_are_escaped(tmp_path: Path) -> None:
    plant_cell(tmp_path, "d", "toy_cloob")
    strip(tmp_path)
    build(str(tmp_path), ReportConfig(models={"toy_cloob": "<i>x</i>"}, datasets={"d": "<i>y</i>"}))
    page = (tmp_path / "report" / "index.html").read_text()
    assert "<i>" not in page
    assert "&lt;i&gt;x" in page


def test_the_summary_lists_what_encoders_are_once(tmp_path: Path) -> None:
    for dataset in ("d", "e"):
        plant_cell(tmp_path, dataset, "toy_cloob", metrics={"dim": 64 if dataset == "d" else 32, "weights_sha256": "blake:" + "ef" * 32})
    run = load_run(str(tmp_path), ReportConfig(models={"toy_cloob": "CLOOB"}, ablation={"toy_cloob": "InfoLOOB + Hopfield"}))
    (row,) = report_page._encoders(run)
    assert row == {
        "name": "toy_cloob", "role": "CLOOB, InfoLOOB + Hopfield", "dim": "64, 32", "dtype": "float16", "sha": "blake:efefefefefef",
    }  # fmt: skip


def test_the_summary_lists_data_sets_with_the_range_of_their_pairs(tmp_path: Path) -> None:
    for encoder, pairs in (("toy_cloob", 1000), ("toy_infonce", 400)):
        plant_cell(tmp_path, "d", encoder, metrics={"pairs": pairs})
    plant_cell(tmp_path, "e", "toy_cloob")
    assert report_page._datasets(load_run(str(tmp_path), ReportConfig(datasets={"e": "COCO"}))) == [
        {"name": "e", "role": "COCO", "pairs": "400"},
        {"name": "d", "role": "", "pairs": "400 to 1,000"},
    ]


def test_a_row_of_panels_is_as_wide_as_a_sheet_at_most() -> None:
    def figure(*panels: int) -> report_page.Figure:
        groups = [report_page.Group(heading="", panels=["<svg/>"] * count) for count in panels]
        return report_page.Figure(spec=registry()[0], groups=groups, sentences=["It has 2 ends."], missing=[])

    assert [figure(1).most, figure(1, 3, 2).most, figure(9).most] == [1, 3, 4]
    assert figure(1).alt == "Fig. 1: How near the training data comes. It has 2 ends."


def test_a_manifest_that_is_not_one_counts_as_none(tmp_path: Path) -> None:
    assert report_page._manifest(str(tmp_path)) == {}
    for text in ("[1]", '{"digest": "d"}', "no JSON"):
        (tmp_path / MANIFEST).write_text(text)
        assert report_page._manifest(str(tmp_path)) == {}
    (tmp_path / MANIFEST).write_text('{"digest": "d", "files": [], "missing": []}')
    assert report_page._manifest(str(tmp_path))["digest"] == "d"
