"""Which cells of which sweeps are training runs at a temperature."""

import pytest
from planted_temperature import temperature_run

from tda.report.topics.temperature.numbers import GAP, NUMBERS, label_of, trained


def gap(_encoder: str, tau: float, seed: int) -> float:
    return tau + seed


def test_each_arm_of_each_cell_by_data_set_temperature_and_seed() -> None:
    found = trained(temperature_run(gap))
    assert len(found) == 3 * 2 * 3
    assert [(one.encoder, one.arm) for one in found[::6]] == [
        ("toy_infonce", "InfoNCE"),
        ("toy_infoloob", "InfoLOOB"),
        ("toy_cloob", "InfoLOOB + Hopfield"),
    ]
    assert {one.dataset for one in found} == {"toy.v2"}, "a name may hold dots"
    assert all(one.numbers == {GAP: one.inv_tau + one.seed, "mixing.ambient": 0.5} for one in found)


@pytest.mark.parametrize("changed", [{"job": "analyze"}, {"keys": ("train.seed",)}])
def test_other_sweeps_are_none(changed: dict[str, object]) -> None:
    assert trained(temperature_run(gap, **changed)) == []


def test_a_cell_that_is_not_whole_or_has_the_loss_own_temperature_is_left_out() -> None:
    run = temperature_run(gap)
    cells = list(run.sweeps[0].cells)
    cells[0] = {**cells[0], "state": "failed"}
    cells[1] = {**cells[1], "values": {"train.inv_tau": None, "train.seed": 1}}
    found = trained(temperature_run(gap, cells=tuple(cells)))
    assert len(found) == 3 * 4


def test_labels_name_the_modalities() -> None:
    run = temperature_run(gap)
    assert [label_of(one, run) for one in NUMBERS][-1] == "top-1, image to text"
