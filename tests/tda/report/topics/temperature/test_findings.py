"""How much of the gap the loss explains, on planted worlds: all, none, half, and where it cannot be known."""

import re

import pytest
from planted_temperature import Rule, temperature_run

from tda.report.data.load import Run
from tda.report.topics.temperature.findings import at_equal_temperature, at_own_temperature, temperature_findings
from tda.report.topics.temperature.numbers import trained

WOBBLE = (0.0, 0.004, -0.004)  # of the seeds


def loss_alone(encoder: str, tau: float, seed: int) -> float:
    del tau
    return (0.6 if encoder == "toy_infonce" else 0.1) + WOBBLE[seed]


def temperature_alone(encoder: str, tau: float, seed: int) -> float:
    return tau / 200 + WOBBLE[seed] * (1 if encoder == "toy_infonce" else -1)


def half(encoder: str, tau: float, seed: int) -> float:
    return (loss_alone(encoder, tau, seed) + temperature_alone(encoder, tau, seed)) / 2


def share(run: Run) -> tuple[float, float, float]:
    (text,) = temperature_findings(run)
    found = re.search(r"the loss explains ([\d.]+)% of it \(([\d.]+)% to ([\d.]+)%\)", text)
    assert found, text
    middle, low, high = map(float, found.groups())
    return middle, low, high


@pytest.mark.parametrize(("rule", "expected"), [(loss_alone, 100.0), (temperature_alone, 0.0), (half, 100 * 0.5 / (0.5 + 0.35))])
def test_the_share_of_a_planted_cause(rule: Rule, expected: float) -> None:
    middle, low, high = share(temperature_run(rule))
    assert low <= expected <= high
    assert middle == pytest.approx(expected, abs=3)


def test_differences_are_paired_by_seed_and_averaged_over_temperatures() -> None:
    found = trained(temperature_run(half, taus=(30.0, 50.0, 100.0)))
    equal = at_equal_temperature(found)
    assert equal == pytest.approx({seed: 0.25 + WOBBLE[seed] for seed in range(3)})
    assert at_own_temperature(found) == pytest.approx({seed: 0.25 + 0.175 + WOBBLE[seed] for seed in range(3)})


def test_a_temperature_that_one_seed_lacks_is_left_out_of_the_mean() -> None:
    run = temperature_run(half)
    cells = tuple(cell for cell in run.sweeps[0].cells if cell["cell"] != "c100.0-2")
    found = trained(temperature_run(half, cells=cells))
    assert list(at_equal_temperature(found)) == [0, 1, 2], "by 30 alone, which all have"
    assert list(at_own_temperature(found)) == [0, 1]


def test_without_two_seeds_nothing_is_claimed() -> None:
    assert temperature_findings(temperature_run(half, seeds=(0,))) == []
    assert temperature_findings(temperature_run(half, taus=(30.0,))) == [], "no temperature varies"


def test_no_share_of_a_difference_that_may_be_none() -> None:
    (text,) = temperature_findings(temperature_run(lambda encoder, _, seed: WOBBLE[seed] * (1 if encoder == "toy_infonce" else -1)))
    assert "explains" not in text
    assert "at their own temperatures (100 and 30)" in text


def test_without_the_published_temperatures_equal_ones_alone_are_compared() -> None:
    (text,) = temperature_findings(temperature_run(half, taus=(20.0, 40.0)))
    assert text == "On toy.v2, at equal temperature the gap of InfoNCE is wider than that of InfoLOOB by 0.250 (0.240 to 0.260, 3 seeds)."


def test_a_seed_without_the_own_temperature_of_either_loss_is_left_out() -> None:
    run = temperature_run(half)
    for missing in ("c30.0-1", "c100.0-1"):
        cells = tuple(cell for cell in run.sweeps[0].cells if cell["cell"] != missing)
        assert list(at_own_temperature(trained(temperature_run(half, cells=cells)))) == [0, 2]
