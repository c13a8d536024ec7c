"""Sentences on spectra, collapse and dimension follow the numbers."""

from typing import Any

import pytest
from planted_cells import arm_cells, one_cell, run_of
from planted_report import ARMS, CONFIG, D

from tda.geometry.spectrum.collapse import KINDS
from tda.report.topics.spectrum import findings
from tda.report.topics.spectrum.collapse_figure import example


def test_collapse_is_told_where_it_is() -> None:
    (told,) = findings.spectrum(arm_cells(), CONFIG, "image")
    assert "collapses after 50 of 64 dimensions in toy_infoloob and 40 in toy_cloob (CLOOB), not in toy_infonce (CLIP) or" in told
    assert "highest in toy_infonce (CLIP), 23.1, and lowest in toy_cloob (CLOOB), 16.7" in told
    assert "under the noise floor, values: 6 in toy_cloob (CLOOB)" in told


def test_no_collapse_and_equal_ranks_are_told() -> None:
    flat = {"singular_values": [1.0] * D, "floor": 0.0, "effective_rank": 40.0, "collapse_index": D}
    (told,) = findings.spectrum(arm_cells(**{e: {"spectrum.image": flat} for e in ARMS}), CONFIG, "image")
    assert told == "On toy_heldout no spectrum collapses; effective ranks are about equal, 40.0 to 40.0."


def test_too_few_rows_are_told() -> None:
    few = arm_cells(**{e: {"pairs": D - 4} for e in ARMS})
    assert f"{D - 4} rows span at most {D - 5} dimensions" in findings.spectrum(few, CONFIG, "image")[0]
    assert "span at most" not in findings.spectrum(few, CONFIG, "both")[0]


def _two_nn(value: float) -> dict[str, Any]:
    return {"two_nn": {"both": {"value": value, "stderr": 0.2}}}


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ((9.0, 4.0), "is highest, 9.0 ± 0.2 in toy_infonce (CLIP), and lowest, 4.0 ± 0.2"),
        ((9.0, 8.5), "about equal"),
        ((9.0, 9.0), "about equal"),
    ],
)
def test_intrinsic_dimensions_are_ranked(values: tuple[float, float], words: str) -> None:
    cells = [one_cell(encoder, dimension=_two_nn(value)) for encoder, value in zip(("toy_infonce", "toy_cloob"), values, strict=True)]
    assert words in findings.intrinsic(cells, CONFIG)[0]
    assert "is 9.0 ± 0.2 in toy_infonce (CLIP)." in findings.intrinsic(cells[:1], CONFIG)[0]


def test_rows_that_bound_the_dimension_are_told_with_the_collapse() -> None:
    examples = {kind: example(kind)[1] for kind in KINDS}
    cell = one_cell("toy_infonce", pairs=100, dim=128)
    told = findings.collapse(examples, [(cell, {"image": examples["dimensional"]})], run_of(cell))[1]
    assert told.endswith("(image 64/128); 100 rows span at most 99 dimensions, whatever the model.")


def test_collapse_is_told_by_kind() -> None:
    examples = {kind: example(kind)[1] for kind in KINDS}
    cells = [(one_cell("toy_infonce"), {"image": examples["none"], "text": examples["dimensional"]})]
    drawn, told = findings.collapse(examples, cells, run_of(cells[0][0]))
    assert drawn.startswith(
        "All 3 drawn cases are told apart: none (all 128 dimensions are used), dimensional (64 of 128 dimensions are used)"
    )
    assert told == (
        "On d there is dimensional collapse in toy_infonce (CLIP) (text 64/128); no collapse in toy_infonce (CLIP) (image 128/128)."
    )
    assert findings.collapse({"none": examples["complete"]}, [], run_of())[0] == "Drawn cases told wrongly: none."
