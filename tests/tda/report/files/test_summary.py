"""The report as JSON and as text."""

import json
from pathlib import Path

import pytest
from planted_report import CONFIG

from tda.report.files.summary import as_text
from tda.report.page import build


@pytest.fixture(scope="module")
def found(drawn_report: Path) -> dict[str, object]:
    return dict(json.loads((drawn_report / "report" / "summary.json").read_text()))


def test_the_summary_has_findings_questions_and_tables(found: dict[str, list[dict[str, object]]]) -> None:
    assert [one["name"] for one in found["datasets"]] == ["toy_heldout", "toy_shifted"]
    assert len(found["models"]) == 4
    assert 3 <= len(found["findings"]) <= 5
    assert {"modality-gap", "separability", "retrieval"} <= {str(one["key"]) for one in found["questions"]}
    assert all(one["findings"] for one in found["questions"])
    rows = found["tables"]["table1"]["rows"]  # type: ignore[call-overload]
    assert rows[0]["Held out: Accuracy"] == 0.97


def test_text_wraps_and_names_what_would_steer_a_terminal(found: dict[str, object]) -> None:
    hostile = {**found, "findings": ["\x1b[2Jgone \u202e " + "word " * 60], "absent": ["python -m jobs.analyze " + "x" * 150]}
    text = as_text(hostile, 60)
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert "RIGHT-TO-LEFT OVERRIDE" in text
    assert "x" * 150 in text  # a command is never broken
    assert all(len(line) <= 60 for line in text.splitlines() if "xxx" not in line)
    assert "One space or two?" in text


def test_the_command_prints_what_the_summary_has(drawn_report: Path, found: dict[str, list[str]]) -> None:
    built = build(str(drawn_report), CONFIG)
    assert not built.rebuilt
    assert found["findings"][0].split(" (")[0] in " ".join(built.text(100).split())
