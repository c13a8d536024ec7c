"""The two models at the head of the page, and intervals that hold."""

import numpy as np
import pytest
from planted_cells import one_cell, run_of

from tda.report.topics.gap.top import gap, separability
from tda.report.topics.heads import gap_interval, heads, wilson


def _cell(encoder: str, distance: float, pairs: int = 1000) -> object:
    return one_cell(encoder, gap={"centroid_distance": distance}, cosine={"pair": {"mean": 0.5}}, pairs=pairs)


def test_the_roles_of_the_paper_are_the_heads_else_the_ends() -> None:
    cells = [_cell(name, distance) for name, distance in (("a", 0.1), ("b", 0.9), ("c", 0.5))]
    assert [cell.encoder for cell in heads(run_of(*cells))] == ["b", "a"]
    cast = [_cell("toy_cloob", 0.5), _cell("toy_infonce", 0.4), *cells]
    assert [cell.encoder for cell in heads(run_of(*cast))] == ["toy_infonce", "toy_cloob"]
    assert [cell.encoder for cell in heads(run_of(_cell("a", 0.1)))] == ["a"]
    assert heads(run_of()) == []


def test_wilson_is_that_of_the_literature() -> None:
    assert wilson(81 / 263, 263) == (pytest.approx(0.2553, abs=1e-4), pytest.approx(0.3662, abs=1e-4))  # Newcombe 1998, table I
    assert wilson(0.0, 20)[0] == 0.0
    assert wilson(1.0, 20)[1] == 1.0


def test_the_interval_of_a_gap_covers() -> None:
    rng = np.random.default_rng(0)
    pairs, covered, first_D = 200, 0, np.eye(8)[0]
    for _ in range(200):
        x_ND = rng.normal(size=(pairs, 8))
        y_ND = x_ND + rng.normal(size=(pairs, 8)) * 0.3 - 0.2 * first_D
        distance = float(np.linalg.norm(x_ND.mean(axis=0) - y_ND.mean(axis=0)))
        cosine = 1 - float(((x_ND - y_ND) ** 2).sum(axis=1).mean()) / 2  # of unit rows: squared distance is 2 - 2 cos
        low, high = gap_interval(one_cell("a", gap={"centroid_distance": distance}, cosine={"pair": {"mean": cosine}}, pairs=pairs))
        covered += low <= 0.2 <= high
    assert covered >= 190


def test_findings_have_their_numbers_and_intervals_and_know_what_is_chance() -> None:
    found = gap(run_of(_cell("a", 0.9), _cell("b", 0.2)))
    assert found is not None
    assert found.clear
    assert found.sentence.startswith("Image and text lie 0.900 apart in a (95% interval 0.838 to 0.962), and 0.200 in b (0.138 to 0.262).")
    same = gap(run_of(_cell("a", 0.01), _cell("b", 0.012)))
    assert same is not None
    assert not same.clear
    assert "about as far in" in same.sentence
    one = separability(run_of(one_cell("a", separability={"heldout": {"accuracy": 0.5}}, pairs=100)))
    assert one is not None
    assert not one.clear
    assert gap(run_of()) is None
