"""Models under their verdicts, and ranges of numbers, as English."""

import pytest

from tda.report.data.words import percent
from tda.report.topics.sentences import all_of, by_verdict, models_of, none_of, span

ORDER = ("separated", "partly separated", "mixed")


@pytest.mark.parametrize(
    ("verdicts", "words"),
    [
        ({"a": "mixed"}, "mixed in a"),
        ({"a": "mixed", "b": "mixed"}, "mixed in both models"),
        ({"a": "mixed", "b": "separated"}, "separated in b, and mixed in a"),
        ({"a": "mixed", "b": "partly separated", "c": "mixed"}, "partly separated in b, and mixed in a and c"),
        ({"a": "separated", "b": "partly separated", "c": "mixed"}, "separated in a, partly separated in b, and mixed in c"),
        ({}, ""),
    ],
)
def test_models_stand_under_their_verdict(verdicts: dict[str, str], words: str) -> None:
    assert by_verdict(verdicts, ORDER) == words


def test_all_of_several_models_are_a_number() -> None:
    assert models_of(["a", "b"], 2) == "both models"
    assert models_of(["a", "b", "c"], 3) == all_of(3) == "all 3 models"
    assert models_of(["a", "b"], 2, negated=True) == "either model"
    assert models_of(["a", "b", "c"], 3, negated=True) == none_of(3) == "any of 3 models"
    assert models_of(["a", "b"], 3) == "a and b"
    assert models_of(["a"], 1) == "a"


def test_a_span_has_two_ends_or_one_number() -> None:
    assert span([0.5, 0.2, 0.9], percent) == "20.0% to 90.0%"
    assert span([0.5001, 0.5], percent) == "50.0%"
    assert span(iter([0.5, 0.4]), percent) == "40.0% to 50.0%"
