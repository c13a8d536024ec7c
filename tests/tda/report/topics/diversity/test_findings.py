"""Sentences on both conjectures, their table and their figure, from planted results."""

from typing import Any

import pytest
from drawn_axes import SPECS, drawn, run_of

from tda.config.stages import ReportConfig
from tda.report.topics.diversity.findings import conjectures
from tda.report.topics.diversity.tables import diversity_table

CONFIG = ReportConfig(models={"a": "CLIP", "b": "CLOOB"})


def level(value: float, half: float = 0.01, p: float = 0.001) -> dict[str, Any]:
    return {"value": value, "ci95": [value - half, value + half], "p_value": p}


def planted(verdict: str = "supported", **changed: Any) -> dict[str, Any]:
    curve = {"strength": [1.0, 2.0], "fidelity": [0.2, 0.6]}
    curve |= {name: [0.6, 0.3] for name in ("distance", "vendi", "effective_rank", "near_copies")}
    differences = {name: [level(0.05), level(0.02)] for name in ("distance", "vendi")}
    first = {"value": 0.31, "ci95": [0.1, 0.5], "p_larger": 0.01, "p_smaller": 0.99, "clusters": 60, "power": 0.9}
    return {
        "arms": ["a", "b"],
        "levels": [0.3, 0.5],
        "curves": {"a": curve, "b": curve},
        "matched": {"a": curve, "b": curve},
        "conjecture_2": {"verdict": verdict, "reason": "", "clip": "a", "cloob": "b", "differences": differences},
        "conjecture_1": {"verdict": "supported", "reason": "", "arms": {"a": first, "b": first}},
        "notes": [],
    } | changed


def sentences(found: dict[str, Any]) -> list[str]:
    return conjectures(run_of(config=CONFIG, diversity={"d": found}))


def test_both_conjectures_in_a_sentence_each() -> None:
    second, first = sentences(planted())
    assert second == (
        "On d, Conjecture 2 (guided by CLOOB, images are more diverse and collapse less than guided by CLIP) is supported at matched "
        "fidelity: b (CLOOB) against a (CLIP), mean distance +0.02 to +0.05 and Vendi score +0.02 to +0.05 over 2 levels, clearly larger "
        "at 2 and 2 of them, clearly smaller at 0 and 0."
    )
    assert first == (
        "On d, Conjecture 1 (images are more diverse where the cluster of their prompt has a higher local dimension) is supported: partial "
        "rank correlation +0.31 in a (CLIP) over 60 clusters and +0.31 in b (CLOOB) over 60 clusters, given size, caption length, spread "
        "and purity."
    )


@pytest.mark.parametrize("verdict", ["reversed", "not supported", "undecided"])
def test_the_verdict_is_in_the_sentence(verdict: str) -> None:
    assert f"is {verdict} at matched fidelity" in sentences(planted(verdict))[0]


def test_an_interval_without_a_small_p_is_not_clear() -> None:
    differences = {"distance": [level(0.05, p=0.2), level(-0.05)], "vendi": [level(0.05), level(0.001)]}
    two = {"verdict": "not supported", "reason": "", "clip": "a", "cloob": "b", "differences": differences}
    assert sentences(planted(conjecture_2=two))[0].endswith("clearly larger at 0 and 1 of them, clearly smaller at 1 and 0.")


def test_what_is_undecidable_has_its_reason() -> None:
    refused = {"verdict": "refused", "reason": "22 clusters are too few", "arms": {}}
    undecidable = {"verdict": "undecidable", "reason": "no fidelity is shared", "differences": {}}
    second, first = sentences(planted(conjecture_1=refused, conjecture_2=undecidable))
    assert second.endswith("is undecidable here: no fidelity is shared.")
    assert first.endswith("is undecidable here: 22 clusters are too few.")


def test_a_row_a_level_and_arm_and_differences_beside_cloob() -> None:
    table = diversity_table(run_of(config=CONFIG, diversity={"d": planted(notes=["1 prompt is left out"])}))
    assert [(row[1], row[2]) for row in table.rows] == [
        ("fidelity 0.300", "a (CLIP)"), ("fidelity 0.300", "b (CLOOB)"), ("fidelity 0.500", "a (CLIP)"), ("fidelity 0.500", "b (CLOOB)")
    ]  # fmt: skip
    assert all(len(row) == len(table.columns) for row in table.rows)
    assert table.rows[0][8:] == [None] * 10
    assert table.rows[3][8:13] == [0.02, "0.010 to 0.030", pytest.approx(0.01), 0.03, 0.001]
    assert list(table.remarks) == ["d: 1 prompt is left out"]
    assert list(table.blocks) == ["d, fidelity 0.300", "d, fidelity 0.500"]


def test_curves_are_drawn_against_fidelity_with_the_levels() -> None:
    run = run_of(config=CONFIG, diversity={"d": planted()})
    panels = SPECS["diversity"].panels(run)
    assert [panel.title for panel in panels] == ["Mean distance", "Vendi score", "Effective rank", "Near copies"]
    lines = drawn(panels[0]).lines
    assert [list(line.get_xdata()) for line in lines] == [[0.2, 0.6], [0.2, 0.6], [0.3, 0.3], [0.5, 0.5]]
    assert SPECS["diversity"].present(run)
    assert not SPECS["diversity"].cells(run_of())
