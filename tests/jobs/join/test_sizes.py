"""Cells and probes of a join, the same where it is planned and where it runs."""

import pytest

from jobs.join.sizes import cells_of, probes_of
from tda.config.stages import NearestConfig


@pytest.mark.parametrize(("given", "rows", "cells"), [(None, 40_000, 400), (None, 2, 2), (7, 40_000, 7), (7, 5, 5)])
def test_cells_are_chosen_by_the_rows_and_are_no_more_than_these(given: int | None, rows: int, cells: int) -> None:
    assert cells_of(NearestConfig(cells=given), rows) == cells


@pytest.mark.parametrize(
    ("probes", "rows", "cells", "searched"),
    [(8, 200_000, 894, 8), (None, 200_000, 894, None), (8, 99_999, 632, None), (8, 200_000, 8, None), (7, 200_000, 8, 7)],
)
def test_a_search_of_all_cells_is_exact(probes: int | None, rows: int, cells: int, searched: int | None) -> None:
    assert probes_of(NearestConfig(probes=probes), rows, cells) == searched
