"""What a command prints, for people and for programs."""

import json

import pytest

from jobs.runtime.command_line.output import begin, note_result, print_error, print_for_programs, print_result


def test_the_last_line_holds_all_that_was_printed(capsys: pytest.CaptureFixture[str]) -> None:
    begin(programs=True)
    print_result("a: done")
    print_error("embed", "two\n  lines")
    note_result({"retrieval.top1": 0.5}, ["r", "r", "s"])
    print_for_programs("embed", 1)
    printed = capsys.readouterr()
    assert printed.err == "lacuna embed: two lines\n"
    assert json.loads(printed.out.splitlines()[-1]) == {
        "job": "embed",
        "state": "not whole",
        "status": 1,
        "lines": ["a: done"],
        "errors": ["two lines"],
        "numbers": {"retrieval.top1": 0.5},
        "places": ["r", "s"],
    }


@pytest.mark.parametrize(("status", "state"), [(0, "whole"), (2, "refused"), (130, "stopped"), (143, "stopped")])
def test_states(status: int, state: str, capsys: pytest.CaptureFixture[str]) -> None:
    begin(programs=True)
    print_for_programs("report", status)
    assert json.loads(capsys.readouterr().out)["state"] == state


def test_no_line_for_programs_that_was_not_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    begin()
    print_for_programs("report", 0)
    assert capsys.readouterr().out == ""
