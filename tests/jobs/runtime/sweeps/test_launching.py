"""Combinations of values: lists, ranges, choices, zipped values, and mistakes."""

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.plugins import Plugins
from hydra.plugins.launcher import Launcher
from hydra.plugins.sweeper import Sweeper

from jobs.runtime.sweeps.launching import CellLauncher, ListSweeper, combinations, with_plugins
from tda.errors import UserError


def combined(*words: str) -> list[list[str]]:
    return combinations(OverridesParser.create().parse_overrides(list(words)))


def test_every_combination_in_order() -> None:
    assert combined("root='/a,b'", "a=1,2", "b=[x],[y,z]") == [
        ["root='/a,b'", "a=1", "b=[x]"],
        ["root='/a,b'", "a=1", "b=[y,z]"],
        ["root='/a,b'", "a=2", "b=[x]"],
        ["root='/a,b'", "a=2", "b=[y,z]"],
    ]
    assert combined("a=range(1,7,2)") == [["a=1"], ["a=3"], ["a=5"]]
    assert combined("a=choice(1,x)", "+b=3") == [["a=1", "+b=3"], ["a=x", "+b=3"]]
    assert combined("a=1", "a=2") == [["a=2"]], "the last counts"


def test_zipped_values_go_together() -> None:
    found = combined("c=7,8", "a=1,1,2", "b=x,y,x", "sweep.zip=[a,b]")
    assert [[word for word in cell if word[0] in "abc"] for cell in found] == [
        ["c=7", "a=1", "b=x"],
        ["c=7", "a=1", "b=y"],
        ["c=7", "a=2", "b=x"],
        ["c=8", "a=1", "b=x"],
        ["c=8", "a=1", "b=y"],
        ["c=8", "a=2", "b=x"],
    ]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["a=1,2", "b=1,2,3", "sweep.zip=[a,b]"], r"sweep\.zip=\[a,b\] needs as many values of each: a has 2 values, b has 3 values"),
        (["a=1,2", "sweep.zip=[a,b]"], r"sweep\.zip=\[a,b\]: b is not given"),
        (["a=interval(0,1)"], r"a=interval\(0,1\): an interval has no list of values; hydra/sweeper=optuna draws from it"),
    ],
)
def test_mistakes_are_one_line(words: list[str], message: str) -> None:
    with pytest.raises(UserError, match=message) as refused:
        combined(*words)
    assert "\n" not in str(refused.value)


def test_a_sweeper_of_the_user_stays() -> None:
    assert with_plugins(["a=1", "-m", "b=2"]) == ["-m", "a=1", "b=2", "hydra/launcher=lacuna", "hydra/sweeper=lacuna"]
    assert with_plugins(["hydra/sweeper=optuna"]) == ["hydra/sweeper=optuna", "hydra/launcher=lacuna"]
    with pytest.raises(UserError, match=r"sweep\.zip does not go with a sweeper of another kind"):
        with_plugins(["hydra/sweeper=optuna", "sweep.zip=[a,b]"])
    with pytest.raises(UserError, match=r"hydra/launcher cannot be chosen: .* sweep\.parallel=n"):
        with_plugins(["hydra/launcher=basic"])


def test_the_launcher_and_the_sweeper_are_known_to_hydra_once_a_sweep_asks_for_them() -> None:
    with_plugins(["-m", "a=1,2"])
    assert CellLauncher in Plugins.instance().discover(Launcher)
    assert ListSweeper in Plugins.instance().discover(Sweeper)
