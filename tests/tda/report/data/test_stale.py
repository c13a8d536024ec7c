"""Numbers of other rows than there are now: marked on the page, in tables and under figures, and named by the command."""

import json
from pathlib import Path

import pytest
from planted_report import CONFIG, plant_cell, strip

from tda.report.data.load import load_run
from tda.report.data.stale import MARK, figure_warning, stale, stale_rows, warning
from tda.report.data.standing import of_other_rows
from tda.report.page import build
from tda.store.datasets.embedding_set import EmbeddingSet

SET, OLD, NEW = "toy_heldout", "toy_infonce", "toy_cloob"


@pytest.fixture
def root(tmp_path: Path) -> str:
    """Two models; the metrics of one are of rows that were replaced."""
    for encoder in (OLD, NEW):
        plant_cell(tmp_path, SET, encoder)
    strip(tmp_path, "spectra")
    _set_rows(tmp_path, NEW, EmbeddingSet(str(tmp_path), SET, NEW).digest)
    _set_rows(tmp_path, OLD, "ab" * 32)
    return str(tmp_path)


def _set_rows(root: Path, encoder: str, digest: str) -> None:
    path = root / "analysis" / SET / encoder / "metrics.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "rows_sha256": digest}))


def test_only_the_cell_of_other_rows_is_stale(root: str) -> None:
    run = load_run(root, CONFIG)
    assert [(cell.dataset, cell.encoder) for cell in stale(run)] == [(SET, OLD)]
    assert warning(run) == f"Of other rows than there are now: {SET}, {OLD} (CLIP). Run jobs.analyze again"


def test_metrics_that_name_no_rows_and_rows_that_are_elsewhere_are_not_judged(tmp_path: Path) -> None:
    assert not of_other_rows(str(tmp_path), SET, OLD, {})
    assert not of_other_rows(str(tmp_path), SET, OLD, {"rows_sha256": "ab" * 32})


def test_rows_of_a_table_are_found_by_every_name_of_the_model(root: str) -> None:
    run = load_run(root, CONFIG)
    rows = [
        [SET, f"{OLD} (CLIP)", 1.0],
        [SET, f"{NEW} (CLOOB)", 1.0],
        [SET, "InfoNCE", OLD, 1.0],
        [SET, NEW, OLD, 0.5],
        ["other", OLD, 1.0],
    ]
    assert stale_rows(run, rows) == {0, 2, 3}


def test_curves_and_joins_are_not_marked(root: str) -> None:
    run = load_run(root, CONFIG)
    assert figure_warning(run, "spectra") == warning(run)
    assert [figure_warning(run, needs) for needs in ("curve", "watched", "closest")] == ["", "", ""]


def test_the_page_marks_the_model_in_every_table_and_figure_and_is_drawn_again_once_it_is_true(root: str) -> None:
    built = build(root, CONFIG)
    page = Path(built.url).read_text()
    assert built.stale == warning(load_run(root, CONFIG))
    assert f"{OLD} (CLIP) {MARK}" in page
    assert f"{NEW} (CLOOB) {MARK}" not in page
    assert page.count(f'<p class="stale">{MARK} Of other rows than there are now') >= 3  # the summary, a table, a figure
    _set_rows(Path(root), OLD, EmbeddingSet(root, SET, OLD).digest)
    again = build(root, CONFIG)
    assert (again.rebuilt, again.stale, MARK in Path(again.url).read_text()) == (True, "", False)
