"""How a reference is split into cells."""

import pytest

from tda.geometry.neighbors.sizes import FEWEST, SAMPLE, cell_count, sampled_rows


@pytest.mark.parametrize(
    ("rows", "cells", "dim", "expected"),
    [
        (1_000, 60, 512, 1_000),  # all of them
        (1_000_000, 2_000, 512, 2_000 * SAMPLE),
        (400_000_000, 40_000, 512, 40_000 * 52),  # what fits the memory
        (10**10, 200_000, 1_024, 200_000 * FEWEST),
    ],
)
def test_the_sample_is_bounded_by_rows_per_cell_and_by_memory(rows: int, cells: int, dim: int, expected: int) -> None:
    assert sampled_rows(rows, cells, dim) == expected


def test_fewer_rows_per_cell_may_be_asked_for() -> None:
    assert sampled_rows(10**6, 100, 8, 50) == 5_000
    assert sampled_rows(10**6, 100, 8, 1) == 100 * FEWEST


@pytest.mark.parametrize(("rows", "probes", "cells"), [(1, None, 1), (100, None, 20), (300_000, 4, 1095), (300_000, 8, 1549), (5, 100, 5)])
def test_choosing_cells_costs_as_much_as_searching_them(rows: int, probes: int | None, cells: int) -> None:
    assert cell_count(rows, probes) == cells
