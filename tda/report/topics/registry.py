"""The topics of the report, in the order of the page. A new topic is a folder beside this file and a line in TOPICS."""

from tda.report.data.load import Run
from tda.report.drawing.figure import FigureSpec
from tda.report.drawing.table import Table
from tda.report.topics.diversity import topic as diversity
from tda.report.topics.gap import topic as gap
from tda.report.topics.interventions import topic as interventions
from tda.report.topics.layout import topic as layout
from tda.report.topics.local_dimension import topic as local_dimension
from tda.report.topics.nearest import topic as nearest
from tda.report.topics.over_training import topic as over_training
from tda.report.topics.reproduction import topic as reproduction
from tda.report.topics.retrieval import topic as retrieval
from tda.report.topics.spectrum import topic as spectrum
from tda.report.topics.sweeps import topic as sweeps
from tda.report.topics.temperature import topic as temperature
from tda.report.topics.topic import SECTIONS
from tda.report.topics.topology import topic as topology
from tda.report.topics.training import topic as training

TOPICS = (
    reproduction.TOPIC,
    nearest.TOPIC,
    gap.TOPIC,
    layout.TOPIC,
    layout.SWEEP,
    sweeps.TOPIC,
    temperature.TOPIC,
    spectrum.TOPIC,
    local_dimension.CLUSTERS,
    retrieval.TOPIC,
    local_dimension.TOPIC,
    interventions.TOPIC,
    topology.TOPIC,
    diversity.TOPIC,
    training.TOPIC,
    over_training.TOPIC,
)


def sections() -> dict[str, str]:
    """Titles of the sections that any topic belongs to, in the order of the page."""
    return {section: SECTIONS[section] for section in dict.fromkeys(topic.section for topic in TOPICS)}


def tables_read() -> frozenset[str]:
    """Names of all that the topics read, the tables of an analysis among them."""
    return frozenset(name for topic in TOPICS for name in topic.reads)


def figures_of(section: str) -> list[FigureSpec]:
    """The figures of a section, by name."""
    return sorted((spec for topic in TOPICS if topic.section == section for spec in topic.figures), key=lambda spec: spec.name)


def registry() -> list[FigureSpec]:
    """Every figure, in the order of the page: by section, then by name."""
    return [spec for section in sections() for spec in figures_of(section)]


def headlines(run: Run) -> dict[str, list[str]]:
    """Sentences by subject, one a data set; a subject of which nothing was measured is left out."""
    found = {headline.subject: headline.sentences(run) for topic in TOPICS for headline in topic.headlines}
    return {subject: sentences for subject, sentences in found.items() if sentences}


def tables(run: Run) -> list[Table]:
    """Every table for which something was measured."""
    return [table for topic in TOPICS for table in topic.made(run)]
