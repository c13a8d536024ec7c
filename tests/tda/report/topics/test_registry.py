"""The list of topics: what stands on the page, and in which order."""

import re
from dataclasses import replace
from itertools import chain
from pathlib import Path

import numpy as np
import pytest
from planted_nearest import plant_nearest
from planted_report import CONFIG, plant, plant_cell
from planted_temperature import temperature_run

from tda.report.data.load import Cell, Run, load_run
from tda.report.topics.registry import SECTIONS, figures_of, headlines, registry, sections, tables

FIGURES: dict[str, list[str]] = {
    "paper": [],
    "data": ["fig01"],
    "gap": ["fig02", "fig03", "fig04", "fig05", "fig06", "fig07", "fig08"],
    "settings": ["fig16", "fig17", "sweeps", "temperature"],
    "dimension": ["fig09", "fig10", "fig11", "fig12", "fig13", "fig14", "fig14_both"],
    "retrieval": ["fig15", "fig15_by_rank", "fig15_correlations"],
    "beyond": ["homology"],
    "training": ["over_training", "training"],
}
TABLES = {
    "paper": ["reproduction"],
    "data": ["repeats", "shift"],
    "gap": ["table1", "ablation", "alignment", "measures", "layouts"],
    "settings": ["sweep", "cells", "temperature"],
    "dimension": ["dimension"],
    "retrieval": ["table2", "local"],
    "beyond": ["compared", "topology"],
}
HEADLINES = [
    "Modality gap", "What closes it", "Separability", "On the layout", "Dimension", "Retrieval", "Local dimension", "How different",
]  # fmt: skip


KNOWN = {*chain(*FIGURES.values()), *chain(*TABLES.values()), *HEADLINES}


def _known(names: list[str]) -> list[str]:
    """Without figures, tables and headlines that are new: they need no entry here."""
    return [name for name in names if name in KNOWN]


def _whole(cell: Cell) -> Cell:
    """The cell with what `plant` leaves out: alignment, and planted repeats that were looked for."""
    uniformity = {space: {"value": -2.0, "standard_error": 0.1} for space in ("image", "text", "across")}
    alignment = {"alignment": {"mean_squared_distance": 0.5, "uniformity": uniformity}}
    numbers = {"threshold": [0.5], **{key: [1.0] for key in ("recall", "recall_low", "recall_high", "precision", "others")}}
    evaluation = {"rule": ["decided"], "kind": [""], **numbers}
    columns = {key: np.asarray(column) for key, column in evaluation.items()}
    measures = {"gap_measures": {"relative_modality_gap": 0.5, "sampled": {"own_modality": {"value": 0.9, "p_value": 0.001}}}}
    return replace(cell, metrics=cell.metrics | alignment | measures, parquet=cell.parquet | {"evaluation": columns})


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    root = plant(tmp_path_factory.mktemp("root"))
    for dataset in ("toy_heldout", "toy_shifted"):
        plant_nearest(root, dataset, "toy_cloob")
    found = load_run(root, CONFIG)
    sweeps = (*found.sweeps, *temperature_run(lambda _encoder, inv_tau, seed: inv_tau + seed).sweeps)
    return replace(found, cells=tuple(_whole(cell) for cell in found.cells), sweeps=sweeps)


def test_figures_tables_and_headlines_keep_their_order(run: Run) -> None:
    assert list(sections()) == list(SECTIONS) == list(FIGURES)
    assert {key: _known([spec.name for spec in figures_of(key)]) for key in FIGURES} == FIGURES
    assert _known([spec.name for spec in registry()]) == [*chain(*FIGURES.values())]
    made = tables(run)
    assert _known([table.name for table in made]) == [*chain(*TABLES.values())]
    assert {key: _known([table.name for table in made if table.section == key]) for key in TABLES} == TABLES
    assert _known(list(headlines(run))) == HEADLINES


def test_the_page_keeps_its_order(drawn_report: Path) -> None:
    page = (drawn_report / "report" / "index.html").read_text()
    parts = dict(
        re.findall(
            r'<section class="section" id="part-(\w+)">(.*?)(?=<section class="section" id="(?:part-|absent|provenance))', page, re.DOTALL
        )
    )
    links = {key: re.search(r'<ul class="within">(.*?)</ul>', part, re.DOTALL) for key, part in parts.items()}
    inside = {key: re.findall(r'href="#(\w+)"', found.group(1)) for key, found in links.items() if found}
    unmeasured = {"repeats", "shift", "alignment", "measures", "over_training", "temperature"}
    assert {key: sorted(_known(names)) for key, names in inside.items()} == {
        key: sorted(name for name in TABLES.get(key, []) + FIGURES[key] if name not in unmeasured) for key in FIGURES if key in inside
    }
    asked = re.findall(r'<article id="q-([\w-]+)">', page)
    known = ["-".join(subject.lower().split()) for subject in HEADLINES]
    assert [key for key in asked if key in known] == known


def test_headings_span_their_columns(run: Run) -> None:
    for table in tables(run):
        assert sum(span for _, span in table.groups) == len(table.paged)
        assert all(len(row) == len(table.paged) for rows in table.blocks.values() for row in rows)
        assert all(len(row) == len(table.columns) for row in table.rows)


def test_what_was_not_measured_makes_no_table(tmp_path: Path) -> None:
    bare = dict.fromkeys(("umap", "mixing", "clusters", "dimension", "homology", "local_dimension", "spectrum"))
    plant_cell(tmp_path, "d", "toy_infoloob", metrics={part: {} for part in bare})
    assert [table.name for table in tables(load_run(str(tmp_path), CONFIG))] == ["reproduction", "table1", "ablation", "table2"]
