"""The order of reading: each figure, table and sentence at the first place where it belongs, and nowhere again."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from tda.report.data.load import Run
from tda.report.data.words import listing
from tda.report.drawing.table import Table
from tda.report.reading.drawn import Figure
from tda.report.topics import registry
from tda.report.topics.topic import Headline, Topic

MOST, LEAST = 5, 3  # findings at the head of the page
SPHERES = "spheres"  # the figure at the head of the page
_TABLE = "table "  # before the name of a table, which a figure may have too


@dataclass(frozen=True, kw_only=True)
class Answer:
    """A question of the page with its finding, its figure and its table."""

    key: str
    title: str
    sentences: list[str]
    figure: Figure | None
    table: Table | None

    @property
    def holds(self) -> list[str]:
        """Names of its figure and its table."""
        return ([self.figure.spec.name] if self.figure else []) + ([anchor(self.table)] if self.table else [])


@dataclass(frozen=True, kw_only=True)
class Section:
    """The rest of a section: what stands under no question. `above` are labels of what does, by the id of the place."""

    key: str
    title: str
    tables: list[Table]
    figures: list[Figure]
    above: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Reading:
    findings: list[str]
    spheres: Figure | None
    answers: list[Answer]
    sections: list[Section]


def anchor(table: Table) -> str:
    """The id of a table on the page: its name, where no figure has it."""
    return f"{table.name}_table" if any(spec.name == table.name for topic in registry.TOPICS for spec in topic.figures) else table.name


class _Once:
    """Gives each thing at its first place alone."""

    def __init__(self) -> None:
        self._seen: set[str] = set()

    def new(self, words: Iterable[str]) -> list[str]:
        found = [word for word in dict.fromkeys(words) if word not in self._seen]
        self._seen.update(found)
        return found


def reading(run: Run, figures: Sequence[Figure], tables: Sequence[Table]) -> Reading:
    """What the page shows, in its order; figures without panels stand nowhere."""
    by_name = {figure.spec.name: figure for figure in figures if figure.groups}
    made = {table.name: table for table in tables if table.rows}
    once = _Once()
    findings = once.new(top(run))
    asked = [(topic, headline, once.new(joined(headline.sentences(run)))) for topic in registry.TOPICS for headline in topic.headlines]
    asked = [one for one in asked if one[2]]
    reserved = [
        SPHERES,
        *(name for _, headline, _ in asked for name in headline.figure.split()),
        *(_TABLE + headline.table for _, headline, _ in asked),
    ]
    free = _Once()
    free.new(reserved)
    answers = [_answer(topic, headline, words, (by_name, made), free) for topic, headline, words in asked]
    shown = [name for answer in answers for name in answer.holds]
    rest = [_section(key, by_name, tables, [SPHERES, *shown]) for key in registry.sections()]
    return Reading(
        findings=findings,
        spheres=by_name.get(SPHERES),
        answers=[_once_each(answer, once) for answer in answers],
        sections=[_said_once(section, once) for section in rest if section.tables or section.figures or section.above],
    )


def joined(sentences: Iterable[str]) -> list[str]:
    """Sentences that differ in their data set alone ("On a, ...") as one: "On a and b, ..."."""
    groups: dict[str, list[str]] = {}
    for sentence in sentences:
        where, comma, rest = sentence.partition(", ")
        alike = bool(comma) and where.startswith("On ")
        groups.setdefault(rest if alike else sentence, []).append(where.removeprefix("On ") if alike else "")
    return [f"On {listing(wheres)}, {rest}" if wheres[0] else rest for rest, wheres in groups.items()]


def top(run: Run) -> list[str]:
    """Three to five findings: the clear ones in the order of the questions; the others only up to three."""
    found = [one for topic in registry.TOPICS for headline in topic.headlines if (one := headline.top(run))]
    clear = [one for one in found if one.clear][:MOST]
    others = [one for one in found if not one.clear][: max(0, LEAST - len(clear))]
    return [one.sentence for one in found if one in clear or one in others]


def _answer(
    topic: Topic, headline: Headline, sentences: list[str], drawn: tuple[dict[str, Figure], dict[str, Table]], free: _Once
) -> Answer:
    """The figure and the table that the headline names; else the first of its topic that no other headline has."""
    figures, tables = drawn
    own_figures = (spec.name for spec in topic.figures if spec.name in figures and free.new([spec.name]))
    own_tables = (table.name for table in tables.values() if table.topic == id(topic) and free.new([_TABLE + table.name]))
    named = next((name for name in headline.figure.split() if name in figures), "")
    figure = figures.get(named if headline.figure else next(own_figures, ""))
    return Answer(
        key="-".join("".join(c if c.isalnum() else " " for c in headline.subject.lower()).split()),
        title=headline.question or headline.subject,
        sentences=sentences,
        figure=figure,
        table=tables.get(headline.table or next(own_tables, "")),
    )


def _section(key: str, figures: dict[str, Figure], tables: Sequence[Table], above: Sequence[str]) -> Section:
    own = [figures[spec.name] for spec in registry.figures_of(key) if spec.name in figures]
    made = [table for table in tables if table.section == key and table.rows]
    labels = {anchor(table): table.label for table in made} | {figure.spec.name: figure.spec.label for figure in own}
    return Section(
        key=key,
        title=registry.sections()[key],
        tables=[table for table in made if anchor(table) not in above],
        figures=[figure for figure in own if figure.spec.name not in above],
        above={name: label for name, label in labels.items() if name in above},
    )


def _once_each(answer: Answer, once: _Once) -> Answer:
    figure = answer.figure and replace(answer.figure, sentences=once.new(joined(answer.figure.sentences)))
    return replace(answer, figure=figure, table=answer.table and _new(answer.table, once))


def _said_once(section: Section, once: _Once) -> Section:
    tables = [_new(table, once) for table in section.tables]
    return replace(section, tables=tables, figures=[replace(one, sentences=once.new(joined(one.sentences))) for one in section.figures])


def _new(table: Table, once: _Once) -> Table:
    return replace(table, sentences=once.new(joined(table.sentences)))
