"""What figures of spectra have in common: values in order of their index, the noise floor, powers of ten."""

from typing import Any

import numpy as np
import pytest
from drawn_axes import cell_of, texts
from matplotlib.figure import Figure

from tda.report.data.load import Cell
from tda.report.drawing.spectra import draw_floor, global_spectrum, has_spectrum, powers, show_decades, spectrum_of

VALUES = [1.0, 0.1, 0.01, 1e-5, 1e-6]
FLOOR = 1e-4


def _cell(floor: float = FLOOR) -> Cell:
    n = len(VALUES)
    columns = {"modality": ["image"] * n, "index": np.arange(n), "singular_value": VALUES, "floor": [floor] * n}
    return cell_of("e", parquet={"spectra": columns})


def _axes(low: float) -> Any:
    axes = Figure().add_subplot()
    axes.set(yscale="log", ylim=(low, 1.0))
    return axes


def test_the_spectrum_is_in_order_of_its_index() -> None:
    cell = _cell()
    for values in cell.parquet["spectra"].values():
        values[:] = values[::-1].copy()
    values, floor = spectrum_of(cell, "image")
    assert (values.tolist(), floor) == (VALUES, FLOOR)
    assert spectrum_of(_cell(np.nan), "image")[1] == 0
    assert global_spectrum(cell, "text") is None
    assert global_spectrum(cell_of(), "image") is None
    assert [has_spectrum(one, "image") for one in (cell, cell_of())] == [True, False]


def test_a_band_up_to_the_highest_floor_with_a_line_at_the_lowest_and_the_highest() -> None:
    axes = _axes(1e-6)
    draw_floor(axes, [1e-4, 2e-4, 3e-4])
    (band,) = axes.patches
    assert band.get_y() + band.get_height() == pytest.approx(3e-4)
    assert sorted(line.get_ydata()[0] for line in axes.lines) == [1e-4, 3e-4]
    assert texts(axes) == ["noise floor"]


def test_a_floor_under_the_frame_is_written_and_none_draws_nothing() -> None:
    axes = _axes(1e-6)
    draw_floor(axes, [1e-9], below="floor at {}")
    assert (texts(axes), list(axes.patches)) == (["floor at 10⁻⁹"], [])
    draw_floor(_axes(1e-6), [])


def test_decades_are_written_as_powers() -> None:
    axes = _axes(1e-6)
    show_decades(axes)
    assert axes.yaxis.get_major_formatter()(1e-3, None) == "10⁻³"
    assert not axes.yaxis.get_minorticklocs().size
    assert [powers()(value, None) for value in (1e-6, 100.0, 0)] == ["10⁻⁶", "10²", "0"]
