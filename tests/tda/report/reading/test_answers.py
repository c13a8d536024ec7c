"""The order of reading: sentences of alike data sets joined, findings at the head, nothing twice."""

from dataclasses import replace

import pytest
from planted_report import CONFIG

from tda.report.data.load import Run
from tda.report.drawing.table import Column, Table
from tda.report.reading.answers import anchor, joined, reading, top
from tda.report.topics import registry
from tda.report.topics.topic import Finding, Headline, Topic

RUN = Run(root="", config=CONFIG, cells=())


def test_sentences_that_differ_in_their_data_set_alone_are_one() -> None:
    found = joined(["On a, it is 1.", "On b, it is 2.", "On c, it is 1.", "On its own", "a is nearer than b, by 2."])
    assert found == ["On a and c, it is 1.", "On b, it is 2.", "On its own", "a is nearer than b, by 2."]


def _headline(subject: str, *sentences: str, clear: bool | None = None) -> Headline:
    finding = None if clear is None else Finding(sentence=f"{subject} is 1 (0 to 2).", clear=clear)
    return Headline(subject=subject, sentences=lambda _: list(sentences), top=lambda _: finding)


@pytest.mark.parametrize(
    ("clear", "shown"),
    [
        ([True] * 7, "01234"),
        ([False, True, False, True, True], "134"),  # what chance may show stands only where too little else does
        ([False, True, False, False], "012"),
        ([False, None, None], "0"),
        ([None], ""),
    ],
)
def test_clear_findings_come_first_in_the_order_of_the_questions(
    clear: list[bool | None], shown: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    headlines = tuple(_headline(str(place), clear=one) for place, one in enumerate(clear))
    monkeypatch.setattr(registry, "TOPICS", (Topic(section="gap", reads=(), headlines=headlines),))
    assert [sentence[0] for sentence in top(RUN)] == list(shown)


def _table(name: str, *sentences: str) -> Table:
    return Table(name=name, label=name, title="", columns=[Column(label="a")], rows=[["x"]], sentences=sentences)


def test_a_sentence_stands_at_its_first_place_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    topic = Topic(
        section="gap", reads=(), headlines=(_headline("A", "One.", "Two."), _headline("B", "Two."), _headline("C", "Two.", "Three."))
    )
    monkeypatch.setattr(registry, "TOPICS", (topic,))
    tables = [replace(_table(name, "One.", f"{name}."), section="gap", topic=id(topic)) for name in ("s", "t", "u")]
    found = reading(RUN, [], tables)
    assert [(answer.title, answer.sentences) for answer in found.answers] == [("A", ["One.", "Two."]), ("C", ["Three."])]
    assert [answer.table and (answer.table.name, answer.table.sentences) for answer in found.answers] == [("s", ["s."]), ("t", ["t."])]
    (section,) = found.sections
    assert [table.sentences for table in section.tables] == [["u."]]
    assert section.above == {"s": "s", "t": "t"}


def test_a_table_with_a_figures_name_has_an_id_of_its_own() -> None:
    assert anchor(_table("over_training")) == "over_training_table"
    assert anchor(_table("table1")) == "table1"


def test_every_question_names_a_figure_and_a_table_that_exist() -> None:
    figures = {spec.name for spec in registry.registry()}
    for topic in registry.TOPICS:
        for headline in topic.headlines:
            assert set(headline.figure.split()) <= figures, headline.subject
