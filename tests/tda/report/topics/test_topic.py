"""A topic is one thing: what it reads, its figures, tables and headlines; one line in the registry puts it on the page."""

import inspect
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from pkgutil import walk_packages
from typing import Any

import pytest
from matplotlib.figure import Figure
from planted_files import write
from planted_report import CONFIG, plant_cell, strip

from jobs.analysis.registry import REGISTRY
from tda.report import topics
from tda.report.data.load import Cell, Run, load_run
from tda.report.drawing.figure import FigureSpec, Panel
from tda.report.drawing.table import Column, Table
from tda.report.page import build
from tda.report.topics import registry
from tda.report.topics.topic import SECTIONS, Headline, Topic

PLANTED = {
    "gap", "cosine", "separability", "retrieval", "spectrum", "umap", "mixing", "clusters", "local_dimension", "dimension", "homology",
}  # fmt: skip
MODULES = [import_module(found.name) for found in walk_packages(topics.__path__, "tda.report.topics.")]


def _written(kind: type) -> Iterator[Any]:
    """Every constant of this type in a module of the topics, each once."""
    found = {id(value): value for module in MODULES for value in vars(module).values() if isinstance(value, kind)}
    yield from found.values()


def _makers() -> set[Callable[[Run], Table]]:
    """Every public function of the topics that makes a table of a run."""
    functions = [one for module in MODULES for name, one in inspect.getmembers(module, inspect.isfunction) if not name.startswith("_")]
    return {one for one in functions if inspect.signature(one).return_annotation in (Table, "Table")}


def test_every_topic_written_is_in_the_registry_once() -> None:
    assert Counter(map(id, registry.TOPICS)) == Counter(map(id, _written(Topic)))


def test_every_figure_and_table_belongs_to_one_topic() -> None:
    figures = Counter(id(spec) for topic in registry.TOPICS for spec in topic.figures)
    assert figures == Counter({id(spec): 1 for module in MODULES for spec in getattr(module, "FIGURES", ())})
    listed, written = Counter(table for topic in registry.TOPICS for table in topic.tables), _makers()
    assert not (nowhere := [f"{one.__module__}.{one.__name__}" for one in written - set(listed)]), f"in `tables` of no topic: {nowhere}"
    assert not (twice := [one.__name__ for one, count in listed.items() if count > 1]), f"in `tables` of two topics: {twice}"
    assert not (hidden := [one.__name__ for one in set(listed) - written]), f"not declared as `-> Table`: {hidden}"


def test_every_headline_has_a_subject_of_its_own() -> None:
    subjects = [headline.subject for topic in registry.TOPICS for headline in topic.headlines]
    assert not (twice := [subject for subject, count in Counter(subjects).items() if count > 1]), f"of two topics: {twice}"


def test_an_unknown_section_is_refused() -> None:
    with pytest.raises(ValueError, match="section 'gaps' of a topic is unknown; known are paper, data, gap, settings, ") as refused:
        Topic(section="gaps", reads=())
    assert "\n" not in str(refused.value)
    assert all(Topic(section=section, reads=()).section == section for section in SECTIONS)


def _figure(needs: str) -> FigureSpec:
    return FigureSpec(
        name="planted",
        label="Planted figure",
        title="A line",
        reading="How {first} is read.",
        panels=lambda _: [Panel(title="Line", draw=lambda axes: axes.set_xlabel("planted axis"))],
        sentence=lambda _: ["The line has 2 ends."],
        cells=lambda run: list(run.cells),
        needs=needs,
    )


def test_a_figure_that_needs_what_its_topic_does_not_read_is_refused() -> None:
    with pytest.raises(ValueError, match="figure planted needs 'pca', which its topic does not read"):
        Topic(section="gap", reads=("metrics.gap",), figures=(_figure("pca"),))
    assert Topic(section="gap", reads=("pca",), figures=(_figure("pca"),)).figures[0].needs == "pca"


def _table(rows: list[list[Any]], missing: tuple[str, ...] = ()) -> Table:
    columns = [Column(label="Data set"), Column(label="Model"), Column(label="Planted column")]
    return Table(
        name="planted_table",
        label="Planted table",
        title="Numbers",
        columns=columns,
        rows=rows,
        sentences=["It has 1 row."],
        missing=missing,
    )


def test_tables_are_made_in_the_section_and_left_out_where_empty() -> None:
    run = Run(root="", config=CONFIG, cells=())
    rows, missing, empty = _table([["d", "m", 1.5]]), _table([], ("no numbers",)), _table([])
    topic = Topic(section="settings", reads=(), tables=(lambda _: rows, lambda _: empty, lambda _: missing))
    assert topic.made(run) == [replace(rows, section="settings"), replace(missing, section="settings")]


def test_a_planted_topic_is_on_the_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plant_cell(tmp_path, "d", "toy_cloob")
    strip(tmp_path)
    planted = Topic(
        section="settings",
        reads=("metrics.gap",),
        figures=(_figure("metrics.gap"),),
        tables=(lambda run: _table([[cell.dataset, cell.encoder, 1.5] for cell in run.cells]),),
        headlines=(Headline(subject="Planted subject", sentences=lambda run: [f"On {run.datasets[0]} it stands."]),),
    )
    monkeypatch.setattr(registry, "TOPICS", (*registry.TOPICS, planted))
    files = build(str(tmp_path), CONFIG).files
    page = (tmp_path / "report" / "index.html").read_text()
    assert {"planted.svg", "planted.png", "planted_table.csv"} <= set(files)
    settings = page[page.index('id="part-settings"') : page.index('id="part-dimension"')]
    assert all(
        f'<a href="#{name}">{label} (above)</a>' in settings
        for name, label in (("planted", "Planted figure"), ("planted_table", "Planted table"))
    )
    (asked,) = re.findall(r'<article id="q-planted-subject">(.*?)</article>', page, re.DOTALL)
    assert "<h3>Planted subject</h3>" in asked
    shown = (
        "On d it stands.",
        "The line has 2 ends.",
        'id="planted"',
        "How image is read.",
        'id="planted_table"',
        "It has 1 row.",
        ">1.500<",
    )
    assert all(words in asked for words in shown)


def test_a_table_of_a_new_part_needs_no_other_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a topic names in `reads` is read for its figures; where the file is missing, its line is on the page."""
    plant_cell(tmp_path, "d", "toy_cloob")
    strip(tmp_path)
    write(tmp_path / "analysis" / "d" / "toy_cloob" / "unread.parquet", {"x": [1]})
    monkeypatch.setattr(registry, "TOPICS", (Topic(section="settings", reads=("planted",), figures=(_figure("planted"),)),))
    command = "python -m jobs.analyze dataset.name=d encoder.name=toy_cloob"
    (missing,) = build(str(tmp_path), CONFIG).missing
    assert missing.startswith(f"Planted figure: nothing to draw of toy_cloob (CLOOB) on d. To make it: {command}")
    write(tmp_path / "analysis" / "d" / "toy_cloob" / "planted.parquet", {"x": [1, 2]})
    assert build(str(tmp_path), CONFIG).missing == ()
    assert "planted.svg" in build(str(tmp_path), CONFIG).files
    assert set(load_run(str(tmp_path), CONFIG, registry.tables_read()).cells[0].parquet) == {"planted"}
    assert set(load_run(str(tmp_path), CONFIG).cells[0].parquet) == {"planted", "unread"}


class _Recorded(dict[str, Any]):
    """A mapping that notes which of its keys are asked for."""

    def __init__(self, found: Mapping[str, Any], prefix: str, asked: set[str]) -> None:
        super().__init__(found)
        self.prefix, self.asked = prefix, asked

    def __getitem__(self, key: str) -> Any:
        self.asked.add(self.prefix + key)
        return super().__getitem__(key)

    def __contains__(self, key: object) -> bool:
        self.asked.add(f"{self.prefix}{key}")
        return super().__contains__(key)

    def get(self, key: str, default: Any = None) -> Any:
        self.asked.add(self.prefix + key)
        return super().get(key, default)


def _parts_read(run: Run, topic: Topic) -> set[str]:
    """Parts of metrics.json and Parquet files that are asked for while a topic answers: scalars of metrics.json are no parts."""
    asked: set[str] = set()
    cells = tuple(
        replace(cell, metrics=_Recorded(cell.metrics, "metrics.", asked), parquet=_Recorded(cell.parquet, "", asked)) for cell in run.cells
    )
    recorded = replace(run, cells=cells)
    for spec in topic.figures:
        for panel in spec.panels(recorded):
            panel.draw(Figure().subplots())
        spec.sentence(recorded)
    for table in topic.tables:
        table(recorded)
    for headline in topic.headlines:
        headline.sentences(recorded)
    return asked & _parts(run.cells[0])


def _parts(cell: Cell) -> set[str]:
    return {f"metrics.{key}" for key, found in cell.metrics.items() if isinstance(found, dict | list)} | set(cell.parquet)


@pytest.mark.parametrize("topic", registry.TOPICS, ids=lambda topic: f"{topic.section}-{topic.reads[0]}")
def test_a_topic_reads_what_it_names(planted_run: Run, topic: Topic) -> None:
    planted = {part for cell in planted_run.cells for part in _parts(cell)}
    assert _parts_read(planted_run, topic) == set(topic.reads) & planted


def test_what_topics_read_is_what_parts_make() -> None:
    others = {"closest", "dedupe", "evaluation", "comparisons", "curve", "watched", "sweep", "sweeps", "diversity"}  # of other jobs
    keys, made = ({f"metrics.{key}" for part in REGISTRY for key in part.keys}, {table for part in REGISTRY for table in part.tables})
    for topic in registry.TOPICS:
        nobody = set(topic.reads) - keys - made - others
        assert not nobody, f"a topic of section {topic.section} reads what no part of jobs/analysis/registry.py makes: {sorted(nobody)}"


def test_what_topics_read_is_planted(planted_run: Run) -> None:
    """A later part may be left to the tests of its own topic; those that are planted stay so."""
    planted = {part for cell in planted_run.cells for part in _parts(cell)}
    assert planted >= {f"metrics.{key}" for part in REGISTRY for key in part.keys if part.name in PLANTED}
    assert planted >= {table for part in REGISTRY for table in part.tables if part.name in PLANTED} - {"clusters", "persistence"}


def test_the_planted_run_is_loaded_with_all_parts(tmp_path: Path) -> None:
    plant_cell(tmp_path, "d", "toy_cloob")
    (cell,) = load_run(str(tmp_path), CONFIG).cells
    assert {"metrics.gap", "metrics.homology", "pca", "sweep"} <= _parts(cell)
