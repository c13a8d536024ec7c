"""What the tests of several topics share: one planted run, read once."""

import csv
import io
from collections.abc import Callable
from dataclasses import replace

import pytest
from planted_report import CONFIG, plant

from tda.report.data.load import Run, load_run
from tda.report.drawing.table import Table


@pytest.fixture(scope="session")
def planted_run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Two data sets, four models, everything measured but closest rows: who uses it changes nothing in it."""
    return load_run(plant(tmp_path_factory.mktemp("root")), CONFIG)


@pytest.fixture(scope="session")
def paper_sized_run(planted_run: Run) -> Run:
    """The planted run as if it had as many pairs and dimensions as the paper, so that its numbers compare."""
    cells = [
        replace(cell, metrics=cell.metrics | {"pairs": 5000, "dim": 512, "retrieval": cell.metrics["retrieval"] | {"pairs_used": 5000}})
        for cell in planted_run.cells
    ]
    return replace(planted_run, cells=tuple(cells))


@pytest.fixture(scope="session")
def csv_rows() -> Callable[[Table], list[dict[str, str]]]:
    """The rows of a table's CSV, by heading."""
    return lambda table: list(csv.DictReader(io.StringIO(table.csv().decode())))
