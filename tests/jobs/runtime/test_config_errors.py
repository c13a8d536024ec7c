"""A mistake in the configuration is one line that names the value and what it could be; errors as Hydra and OmegaConf raise them."""

from dataclasses import dataclass, field

import pytest
from hydra import compose, initialize_config_module
from hydra.core.config_store import ConfigStore
from hydra.errors import ConfigCompositionException, HydraException
from omegaconf import MISSING, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from jobs.runtime.config_errors import explain, with_field


@dataclass
class Wheel:
    size: int = MISSING
    tyres: list[str] = field(default_factory=list)


@dataclass
class Car:
    root: str = MISSING
    wheel: Wheel = field(default_factory=Wheel)
    spare: Wheel | None = None
    named: dict[str, Wheel] = field(default_factory=dict)
    path: str = "${root}/car"


def line(*overrides: str) -> str:
    """The explanation of what `overrides` raise, from composing to the finished object."""
    ConfigStore.instance().store(name="a_car", node=Car)
    with (
        initialize_config_module("conf", version_base="1.3"),
        pytest.raises((HydraException, OmegaConfBaseException, AttributeError, AssertionError)) as caught,
    ):
        OmegaConf.to_object(compose("a_car", list(overrides)))
    found = explain(caught.value, Car)
    assert "\n" not in found
    return found


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["roof=x"], "roof is unknown (did you mean root?); choose one of: root, wheel, spare, named, path"),
        (["zebra=x"], "zebra is unknown; choose one of: root, wheel, spare, named, path"),
        (["wheel.sise=1"], "wheel.sise is unknown (did you mean size?); choose one of: size, tyres"),
        (["+named.left.size=1"], "named.left has no settings yet: a preset gives them, +GROUP@named.left=PRESET"),
        (["wheel.size=big"], "wheel.size=big is no whole number"),
        ([], "root is missing: give root=VALUE"),
        (["root=r"], "wheel.size is missing: give wheel.size=VALUE"),
        (["root=${wheel.size}", "path=p"], "wheel.size is missing: give wheel.size=VALUE"),
        (["root=${nothing}"], "root: ${nothing} names no setting"),
        (["root=r", "wheel.size=1", "path=${wheel}"], "path: ${wheel} is a group of settings, not one value"),
        (["root=${oc.nothing:1}"], "root: ${oc.nothing:...} is unknown; ${oc.env:NAME} is a value of the environment"),
        (["root=r]"], "root=r]"),
        (["wheel.tyres=front"], "wheel.tyres=front is no list: give wheel.tyres=[front]"),
        (["wheel.size='1,2'"], "wheel.size=1,2 is no whole number"),
        (["wheel.tyres=a,b"], "wheel.tyres=a,b is more than one value: give wheel.tyres=[a,b], or -m for a run with each"),
        (["wheel.size=1,2"], "wheel.size=1,2 is more than one value: give one, or -m for a run with each"),
        (["~roof"], "~roof removes nothing: roof is unknown (did you mean root?); choose one of: root, wheel, spare, named, path"),
        (["~named.left"], "~named.left removes nothing: named.left has no value yet"),
        (["hydra.bogus=1"], "hydra.bogus is no setting of Hydra"),
        (["named=3"], "named=3 is no mapping: give each name its value, named.NAME={...}"),
        (["spare={size: 1}"], "spare is null, and so its fields cannot be set: choose a preset that has them"),
        (["spare.size=1"], "a value is null, and so its fields cannot be set: choose a preset that has them"),
    ],
)
def test_one_line_for_each_mistake(overrides: list[str], message: str) -> None:
    assert message in line(*overrides)


def test_an_unknown_preset_lists_the_choices() -> None:
    with initialize_config_module("conf", version_base="1.3"), pytest.raises(HydraException) as caught:
        compose("report", ["report=defualt"])
    assert explain(caught.value, Car) in (
        "report=defualt is unknown; choose one of: default",
        "report=defualt is unknown; choose one of: default, ",
    )


def test_an_error_without_a_key_keeps_its_first_line() -> None:
    assert explain(ConfigCompositionException("first\nsecond"), Car) == "first"


def test_a_preset_of_what_is_no_group_of_the_job_names_the_file() -> None:
    expected = "wheel takes no preset, for conf/car.yaml names no group wheel: set its fields, wheel.FIELD=VALUE"
    assert explain(ConfigCompositionException("Could not find match for override 'wheel'"), Car) == expected


def test_a_url_that_cannot_be_opened_is_named_with_the_field_that_holds_it() -> None:
    message = "'foo://x/shards/0.tar' cannot be opened here: no store is known by foo://"
    settings = {"root": "foo://x", "dataset": {"name": "foo", "shards": ["s3://y", "foo://x/shards"]}, "size": 1, "none": None}
    assert with_field(message, settings) == f"dataset.shards: {message}"
    assert with_field(message, {"root": "foo://x/"}) == f"root: {message}"
    assert with_field(message, {"root": "foo://xy"}) == message
    assert with_field("the disk is full", settings) == "the disk is full"
