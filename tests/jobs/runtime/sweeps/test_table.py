"""The closing lines of a sweep."""

from jobs.runtime.sweeps.table import closing_lines


def test_rows_and_counts() -> None:
    entries = [
        {"values": {"e": "a", "t": 0.9}, "state": "whole", "line": "fine", "numbers": {"gap": 0.12345678}},
        {"values": {"e": "b", "t": 2}, "state": "failed", "error": "t=2 is out of range", "numbers": {}},
        {"values": {"e": "b", "t": [1, None]}, "state": "part", "line": "x" * 200, "numbers": {}},
        {"values": {"e": "c", "t": True}, "state": "interrupted"},
    ]
    lines = closing_lines(entries, ["e", "t"], None, 0)
    assert lines[:3] == [
        "e  t         state        result",
        "a  0.9       whole        fine",
        "b  2         failed       t=2 is out of range",
    ]
    assert lines[3] == f"b  [1,null]  part         {'x' * 97}..."
    assert lines[-1] == "1 of 4 whole; failed: e=b t=2; not whole: e=b t=[1,null]; interrupted: e=c t=true"
    assert closing_lines(entries[:1], ["e", "t"], "gap", 1) == [
        "e  t    state  gap",
        "a  0.9  whole  0.123457",
        "1 of 1 whole (1 from before)",
    ]
