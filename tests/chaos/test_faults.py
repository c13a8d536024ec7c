"""The table of faults: every test that it names is there."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parents[1]
ROW = re.compile(r"\| ([^|]+) \| ([^|]+) \| `([\w/.]+)::(\w+)` \|")
ROWS = [found for line in (TESTS / "chaos" / "README.md").read_text().splitlines() if (found := ROW.fullmatch(line))]


@cache
def functions_of(file: str) -> set[str]:
    return {node.name for node in ast.walk(ast.parse((TESTS / file).read_text())) if isinstance(node, ast.FunctionDef)}


def test_there_are_many_faults_and_none_stands_twice() -> None:
    assert len(ROWS) >= 90
    assert len({row[1] for row in ROWS}) == len(ROWS)


def test_every_row_of_the_tables_names_a_test() -> None:
    lines = [line for line in (TESTS / "chaos" / "README.md").read_text().splitlines() if line.startswith("| ") and "::" in line]
    assert len(lines) == len(ROWS)


@pytest.mark.parametrize("row", ROWS, ids=[row[1] for row in ROWS])
def test_the_test_of_a_fault_is_there(row: re.Match[str]) -> None:
    assert row[4].startswith("test_")
    assert row[4] in functions_of(row[3])
