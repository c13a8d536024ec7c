"""What the tests of several topics share: one planted run, read once."""

import csv
import io
from collections.abc import Callable

import pytest
from planted_report import CONFIG, plant

from tda.report.data.load import Run, load_run
from tda.report.drawing.table import Table


@pytest.fixture(scope="session")
def planted_run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Two data sets, four models, everything measured but closest rows: who uses it changes nothing in it."""
    return load_run(plant(tmp_path_factory.mktemp("root")), CONFIG)


@pytest.fixture(scope="session")
def csv_rows() -> Callable[[Table], list[dict[str, str]]]:
    """The rows of a table's CSV, by heading."""
    return lambda table: list(csv.DictReader(io.StringIO(table.csv().decode())))
