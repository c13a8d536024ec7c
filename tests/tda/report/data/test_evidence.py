"""Numbers looked up in metrics, and the thresholds at which they count as equal."""

import math
from typing import Any

import pytest
from drawn_axes import cell_of

from tda.config.stages import ReportConfig
from tda.report.data import evidence
from tda.report.data.load import Cell


def _gap(distance: float, pairs: int = 10**8, pair: float = 0.5) -> Cell:
    return cell_of(pairs=pairs, gap={"centroid_distance": distance}, cosine={"pair": {"mean": pair}})


def test_a_model_is_named_with_its_role() -> None:
    config = ReportConfig(models={"a": "CLIP"})
    assert [evidence.name(encoder, config) for encoder in "ab"] == ["a (CLIP)", "b"]


@pytest.mark.parametrize(
    ("metrics", "found"),
    [
        ({"gap": {"centroid_distance": 1}}, 1.0),
        ({"gap": {"centroid_distance": 0}}, 0.0),
        ({"gap": {"centroid_distance": None}}, None),
        ({"gap": {"centroid_distance": "0.5"}}, None),
        ({"gap": {"centroid_distance": math.nan}}, None),
        ({"gap": {"centroid_distance": math.inf}}, None),
        ({"gap": 0.5}, None),
        ({}, None),
    ],
)
def test_a_number_is_looked_up_or_none(metrics: dict[str, Any], found: float | None) -> None:
    assert evidence.value(cell_of(**metrics), "gap", "centroid_distance") == found


def test_known_refuses_what_was_not_measured() -> None:
    assert evidence.known(_gap(0.2), "gap", "centroid_distance") == 0.2
    with pytest.raises(AssertionError, match="centroid_distance"):
        evidence.known(cell_of(), "gap", "centroid_distance")


def test_a_sentence_a_data_set_about_cells_with_everything_needed() -> None:
    cells = [cell_of("a", "d", gap={"x": 1}), cell_of("b", "f", gap={"x": 1}), cell_of("c", "d"), cell_of("g", "d", gap={"x": 2})]
    sentences = evidence.each(cells, [("gap", "x")], lambda dataset, group: f"{dataset}: {''.join(cell.encoder for cell in group)}")
    assert sentences == ["d: ag", "f: b"]
    assert evidence.each(cells, [("gap", "x")], lambda dataset, _: "" if dataset == "d" else dataset) == ["f"]


def test_remarks_of_parts_are_found_at_any_depth_and_once() -> None:
    cell = cell_of(umap={"notes": ["a", "b"]}, homology={"image": {"notes": ["b"]}, "h": {"x": {"notes": ["c"]}}}, gap=0.1)
    assert evidence.remarks(cell, "umap", "homology", "gap", "unknown") == ["a", "b", "c"]
