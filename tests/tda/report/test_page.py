"""The page is whole, escaped, asks nothing of a network, and is not made twice."""

import re
from html.parser import HTMLParser
from pathlib import Path

from planted_report import CAPTIONS, CONFIG, plant_cell, strip

from tda.config.stages import ReportConfig
from tda.report import page as report_page
from tda.report import render as page_parts
from tda.report.data.load import load_run
from tda.report.page import MANIFEST, build
from tda.report.reading import drawn, studied
from tda.report.topics.registry import registry

NOT_PLANTED = {
    "fig01",
    "over_training",
    "temperature",
    "interventions",
    "interventions_dimensions",
    "diversity",
}  # their data are of another kind
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
    tables = ("table1", "table2", "ablation", "layouts", "sweep", "cells", "dimension", "local", "compared", "topology", "reproduction")
    made = {f"{name}{end}" for name in figures for end in (".svg", ".pdf", ".png", "_points.csv")} | {f"{name}.csv" for name in tables}
    tools = {"summary.json", "tables.tex", "report.tex", "atlas.parquet"}
    assert names == made | tools | {"index.html", "explore.html", "explore", "panels", MANIFEST}
    assert (drawn_report / "report" / "index.html").stat().st_size < 3_000_000


def test_nothing_points_outside(drawn_report: Path) -> None:
    page = (drawn_report / "report" / "index.html").read_text()
    seen = _elements(page)
    links = [value for tag, attrs in seen for key, value in attrs.items() if key in ("src", "href", "xlink:href") and value]
    assert all(re.match(r"#|data:image/png;base64,|panels/\w+-\d+\.svg$|explore\.html$|[\w]+\.(svg|pdf|png|csv)$", link) for link in links)
    assert all((drawn_report / "report" / link).exists() for link in links if not link.startswith(("#", "data:")))
    assert {tag for tag, _ in seen}.isdisjoint({"script", "link", "iframe", "object", "form", "base"})
    (policy,) = [attrs["content"] for tag, attrs in seen if tag == "meta" and attrs.get("http-equiv")]
    assert policy is not None
    assert policy.startswith("default-src 'none';")
    assert "script-src" not in policy
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
    page = (drawn_report / "report" / "index.html").read_text()
    seen = _elements(page)
    ids = {attrs["id"] for _, attrs in seen if "id" in attrs}
    figures = [attrs for _, attrs in seen if attrs.get("role") == "group"]
    assert len(figures) == len([spec for spec in registry() if spec.name not in NOT_PLANTED])
    assert all(attrs["aria-labelledby"] in ids for attrs in figures)
    found = [attrs["aria-describedby"] for attrs in figures if "aria-describedby" in attrs]
    assert len(found) > 10
    for described in found:
        (words,) = re.findall(rf'<div class="findings" id="{described}">(.*?)</div>', page, re.DOTALL)
        assert re.search(r"\d", words)
    pictures = [attrs.get("aria-label") or attrs.get("alt") for tag, attrs in seen if attrs.get("role") == "img" or tag == "img"]
    assert len(pictures) > 80
    assert all(pictures)
    assert sum(tag == "caption" for tag, _ in seen) == 11 + 2 + 1
    assert all("scope" in attrs for tag, attrs in seen if tag == "th")


def test_no_sentence_stands_twice(drawn_report: Path) -> None:
    page = (drawn_report / "report" / "index.html").read_text()
    said = re.findall(r'<p class="finding">(.*?)</p>|<li>(On .*?|[^<]*\d[^<]*)</li>', page)
    words = [first or second for first, second in said]
    assert len(words) > 20
    assert len(words) == len(set(words))


def test_every_figure_and_table_stands_once(drawn_report: Path) -> None:
    page = (drawn_report / "report" / "index.html").read_text()
    (top, questions, rest) = re.split(r'<section id="(?:questions|everything)">', page)
    assert 'id="spheres"' in top
    drawn = [spec.name for spec in registry() if spec.name not in NOT_PLANTED and spec.name != "spheres"]
    assert sorted(name for name in drawn if f'<figure class="drawn" id="{name}">' in questions + rest) == sorted(drawn)
    asked = re.findall(r"<article id=\"q-[\w-]+\">(.*?)</article>", questions, re.DOTALL)
    assert len(asked) == 11
    for one in asked:
        assert '<p class="finding">' in one
        assert one.count('<figure class="drawn"') == ("What of the paper is reproduced" not in one)  # that one is a table alone
        assert one.count("<table>") <= one.count('<details class="table"') <= 1


def test_the_head_has_three_to_five_findings_with_numbers_and_intervals(drawn_report: Path) -> None:
    page = (drawn_report / "report" / "index.html").read_text()
    (top,) = re.findall(r'<ol class="top">(.*?)</ol>', page, re.DOTALL)
    findings = re.findall(r"<li>(.*?)</li>", top)
    assert 3 <= len(findings) <= 5
    assert all(re.search(r"\([^)]*\d[^)]* to [^)]*\d", one) for one in findings)


def test_sections_hold_what_belongs_to_them(drawn_report: Path) -> None:
    page = (drawn_report / "report" / "index.html").read_text()
    parts = dict(
        re.findall(
            r'<section class="section" id="part-(\w+)">(.*?)(?=<section class="section" id="(?:part-|absent|provenance))', page, re.DOTALL
        )
    )
    inside = {key: re.findall(r'<(?:figure|section) class="[a-z]+" id="(\w+)"', part) for key, part in parts.items()}
    assert inside["gap"] == ["fig04", "fig05", "fig06"]
    assert inside["settings"] == ["cells", "fig17", "sweeps_figure"] or inside["settings"] == ["cells", "fig17", "sweeps"]
    assert inside["beyond"] == ["topology"]
    assert inside["retrieval"] == ["fig15_by_rank", "fig15_correlations", "failures"]
    assert inside["training"] == ["training"]
    for key, part in parts.items():
        (links,) = re.findall(r'<ul class="within">(.*?)</ul>', part, re.DOTALL)
        assert re.findall(r'href="#(\w+)">(?!.*\(above\))', links) == inside[key]
        above = re.findall(r'href="#(\w+)">[^<]* \(above\)', links)
        assert all(page.index(f'id="{name}"') < page.index('id="everything"') for name in above)


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
    drawn = {f"{name}{end}" for name in ("fig02", "fig06") for end in (".svg", ".pdf", ".png", "_points.csv")}
    assert set(first.files) - set(changed.files) == {*drawn, "explore.html"}  # nothing is left that has a place
    assert not (tmp_path / "report" / "fig02.png").exists()
    page_text = (tmp_path / "report" / "index.html").read_text()
    assert re.search(r"figures: nothing to draw of toy_cloob \(CLOOB\) on toy_heldout\. To make it: python -m jobs\.analyze", page_text)
    assert not list((tmp_path / "report" / "panels").glob("fig06*"))


def test_bare_metrics_make_a_page_that_says_what_is_missing(tmp_path: Path) -> None:
    plant_cell(tmp_path, "d", "toy_cloob")
    folder = tmp_path / "analysis" / "d" / "toy_cloob"
    strip(tmp_path)
    (folder / "sweep.json").unlink()
    (folder / "metrics.json").write_text('{"schema": 1}')
    built = build(str(tmp_path), ReportConfig())
    page = (tmp_path / "report" / "index.html").read_text()
    _elements(page)
    assert set(built.files) == {"index.html", "summary.json", "tables.tex", "report.tex"}
    run = load_run(str(tmp_path), ReportConfig())
    lacking = [spec for spec in registry() if spec.name not in NOT_PLANTED and spec.needs != "curve" and spec.cells(run)]
    assert len(lacking) > 10
    (absent,) = re.findall(r'<section class="section" id="absent">(.*?)</section>', page, re.DOTALL)
    commands = re.findall(r"python -m jobs\.analyze dataset\.name=d encoder\.name=toy_cloob root=\S+(.*?)</li>", absent)
    assert commands == [""]


def test_what_many_models_lack_is_one_line_a_command(tmp_path: Path) -> None:
    encoders = ("toy_cloob", "toy_infonce", "toy_infoloob")
    for encoder in encoders:
        plant_cell(tmp_path, "d", encoder)
        (tmp_path / "analysis" / "d" / encoder / "sweep.json").unlink(missing_ok=True)
    strip(tmp_path, "sweep")
    built = build(str(tmp_path), CONFIG)
    lines = [line for line in built.missing if "jobs.analyze" in line and "-m analysis" not in line and "comparisons" not in line]
    assert len(lines) == 1
    assert "encoders=[toy_infonce,toy_infoloob,toy_cloob]" in lines[0]
    assert "figures: nothing to draw of toy_infonce (CLIP), toy_infoloob and toy_cloob (CLOOB) on d." in lines[0]


def test_display_names_stand_in_figures_tables_and_sentences(tmp_path: Path) -> None:
    plant_cell(tmp_path, "d", "toy_cloob")
    plant_cell(tmp_path, "d", "toy_infonce")
    strip(tmp_path, "cosine")
    names = {"toy_cloob": "<b>Cloob</b>", "toy_infonce": "Clip", "d": "Set & Co"}
    build(str(tmp_path), ReportConfig(models=CONFIG.models, names=names))
    page = (tmp_path / "report" / "index.html").read_text()
    assert "<b>" not in page
    (questions,) = re.findall(r'<section id="questions">(.*?)<section id="everything">', page, re.DOTALL)
    assert "toy_" not in re.sub(r'(?:src|href)="[^"]*"|python -m .*? compares', "", questions)
    assert "On Set &amp; Co, &lt;b&gt;Cloob&lt;/b&gt; has the smallest gap" in questions
    assert "<code>toy_cloob</code>" in page
    assert "dataset.name=d encoders=[toy_infonce,toy_cloob]" in page


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
    (row,) = page_parts.encoders(run)
    assert row == {
        "name": "toy_cloob", "shown": "toy_cloob (CLOOB)",
        "role": "CLOOB, InfoLOOB + Hopfield", "dim": "64, 32", "dtype": "float16", "sha": "blake:efefefefefef",
    }  # fmt: skip


def test_the_summary_lists_data_sets_with_the_range_of_their_pairs(tmp_path: Path) -> None:
    for encoder, pairs in (("toy_cloob", 1000), ("toy_infonce", 400)):
        plant_cell(tmp_path, "d", encoder, metrics={"pairs": pairs})
    plant_cell(tmp_path, "e", "toy_cloob")
    assert studied.datasets(load_run(str(tmp_path), ReportConfig(datasets={"e": "COCO"}))) == [
        {"name": "e", "shown": "e", "role": "COCO", "pairs": "400"},
        {"name": "d", "shown": "d", "role": "", "pairs": "400 to 1,000"},
    ]


def test_a_row_of_panels_is_as_wide_as_a_sheet_at_most() -> None:
    def figure(*panels: int) -> drawn.Figure:
        groups = [drawn.Group(heading="", panels=[drawn.PanelShown(alt="a", svg="<svg/>")] * count) for count in panels]
        return drawn.Figure(spec=registry()[0], groups=groups, sentences=["It has 2 ends."], missing=[])

    assert [figure(1).most, figure(1, 3, 2).most, figure(9).most] == [1, 3, 4]


def test_a_manifest_that_is_not_one_counts_as_none(tmp_path: Path) -> None:
    assert report_page._manifest(str(tmp_path)) == {}
    for text in ("[1]", '{"digest": "d"}', "no JSON"):
        (tmp_path / MANIFEST).write_text(text)
        assert report_page._manifest(str(tmp_path)) == {}
    (tmp_path / MANIFEST).write_text('{"digest": "d", "files": [], "missing": []}')
    assert report_page._manifest(str(tmp_path))["digest"] == "d"
