"""A topic is one thing: what it reads, its figures, tables and headlines; one line in the registry puts it on the page."""

import inspect
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from pkgutil import walk_packages
from typing import Any

import pytest
from matplotlib.figure import Figure
from planted_report import CONFIG, plant_cell, strip

from tda.report import topics
from tda.report.data.load import Cell, Run, load_run
from tda.report.drawing.figure import FigureSpec, Panel
from tda.report.drawing.table import Column, Table
from tda.report.page import build
from tda.report.topics import registry
from tda.report.topics.topic import SECTIONS, Headline, Topic

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
    assert Counter(table for topic in registry.TOPICS for table in topic.tables) == Counter(_makers())
    assert len(_makers()) == 16


def test_every_headline_has_a_subject_of_its_own() -> None:
    subjects = [headline.subject for topic in registry.TOPICS for headline in topic.headlines]
    assert len(subjects) == len(set(subjects)) == 9


def test_an_unknown_section_is_refused() -> None:
    with pytest.raises(ValueError, match="section 'gaps' of a topic is unknown; known are data, gap, settings, ") as refused:
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
        words in settings for words in ('id="planted"', "The line has 2 ends.", "How image is read.", 'id="planted_table"', ">1.500<")
    )
    assert "<dt>Planted subject</dt>\n<dd>On d it stands.</dd>" in page


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


def test_what_topics_read_is_there_to_be_read(planted_run: Run) -> None:
    fields = {"closest", "dedupe", "evaluation", "comparisons", "curve", "watched", "sweeps"}
    planted = {part for cell in planted_run.cells for part in _parts(cell)}
    assert {name for topic in registry.TOPICS for name in topic.reads} - fields - planted == {
        "metrics.alignment",
        "metrics.gap_measures",
    }  # planted nowhere


def test_the_planted_run_is_loaded_with_all_parts(tmp_path: Path) -> None:
    plant_cell(tmp_path, "d", "toy_cloob")
    (cell,) = load_run(str(tmp_path), CONFIG).cells
    assert {"metrics.gap", "metrics.homology", "pca", "sweep"} <= _parts(cell)
