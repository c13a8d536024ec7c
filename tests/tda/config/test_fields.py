"""Bounds stand with their fields, one place checks them, and an error names the field as a user types it."""

import math
import typing
from dataclasses import dataclass, fields, is_dataclass
from typing import Any

import pytest
from omegaconf import MISSING, OmegaConf

from tda.config import jobs
from tda.config.analysis import AnalysisConfig, UmapConfig
from tda.config.fields import Bound, Checked, bounded, one_of
from tda.config.jobs import EmbedJob, PaperJob
from tda.config.stages import EmbedConfig
from tda.errors import UserError


@dataclass(kw_only=True)
class Example(Checked, path="group.example"):
    count: int = bounded(3, least=1, most=5)
    share: float = bounded(0.5, least=0, below=1)
    size: Any = bounded("auto", least=1, word="auto")
    some: Any = bounded("auto", least=1, word="auto", null=True)
    kinds: list[str] = bounded(["a"], choices=("a", "b"))
    limit: int | None = bounded(None, least=2)
    free: int = 0


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"count": 0}, "group.example.count=0 is out of range; it must be from 1 to 5"),
        ({"count": 6}, "group.example.count=6 is out of range; it must be from 1 to 5"),
        ({"share": 1.0}, "group.example.share=1.0 is out of range; it must be at least 0 and below 1"),
        ({"share": math.nan}, "group.example.share=nan is not a number; it must be at least 0 and below 1"),
        ({"size": "big"}, "group.example.size='big' is neither a whole number nor auto"),
        ({"size": True}, "group.example.size=True is neither a whole number nor auto"),
        ({"size": 0}, "group.example.size=0 is too small; it must be at least 1"),
        ({"kinds": ["a", "c"]}, "group.example.kinds='c' is unknown; choose one of: a, b"),
        ({"size": None}, "group.example.size=None is neither a whole number nor auto"),
        ({"some": "all"}, "group.example.some='all' is neither a whole number nor auto nor null"),
        ({"limit": 1}, "group.example.limit=1 is too small; it must be at least 2"),
    ],
)
def test_value_outside_is_refused_in_one_line(values: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError) as refused:
        Example(**values)
    assert str(refused.value) == message


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"count": 1},
        {"count": 5},
        {"share": 0.0},
        {"size": 1},
        {"some": None},
        {"some": 4},
        {"limit": None},
        {"limit": 2},
        {"kinds": []},
        {"free": -9},
    ],
)
def test_value_within_passes(values: dict[str, Any]) -> None:
    made = Example(**values)
    assert {name: getattr(made, name) for name in values} == values


@pytest.mark.parametrize(
    ("bound", "value", "words"),
    [
        (Bound(above=0), 0, "is too small; it must be above 0"),
        (Bound(most=3), 4, "is too large; it must be at most 3"),
        (Bound(below=3), 3, "is too large; it must be below 3"),
        (Bound(above=0, most=1), math.inf, "is out of range; it must be above 0 and at most 1"),
        (Bound(), math.nan, "is not a number; it must be a number"),
    ],
)
def test_each_kind_of_bound_has_its_words(bound: Bound, value: float, words: str) -> None:
    with pytest.raises(UserError, match=f"^x={value} {words}$"):
        bound.check("x", value)


def test_lists_are_copied_for_each_object() -> None:
    first, second = Example(), Example()
    first.kinds.append("b")
    assert second.kinds == ["a"]


def test_value_that_is_yet_to_be_given_passes() -> None:
    one_of("encoder.format", MISSING, ("a",))
    Bound(least=1).check("x", MISSING)


def test_bounds_hold_where_values_come_from_yaml() -> None:
    schema = OmegaConf.structured(EmbedJob)
    merged = OmegaConf.merge(schema, {"root": "r", "dataset": {"name": "d"}, "embed": {"max_attempts": 0}})
    with pytest.raises(UserError, match=r"^embed\.max_attempts=0 is too small; it must be at least 1$"):
        OmegaConf.to_object(merged)


def _schemas(schema: type, path: str) -> list[tuple[str, type]]:
    found = [(path, schema)]
    for name, kind in typing.get_type_hints(schema).items():
        for one in (kind, *typing.get_args(kind)):
            if isinstance(one, type) and is_dataclass(one) and typing.get_origin(kind) is not dict:
                found += _schemas(one, f"{path}.{name}" if path else name)
    return found


JOBS = [job for job in vars(jobs).values() if isinstance(job, type) and job.__module__ == jobs.__name__]


@pytest.mark.parametrize("job", JOBS)
def test_each_schema_knows_where_it_stands(job: type) -> None:
    for path, schema in _schemas(job, ""):
        assert issubclass(schema, Checked)
        assert schema.path == path.replace("reference", "dataset") or schema.path == f"cluster.{path}"


def test_each_number_of_each_schema_has_a_bound() -> None:
    without = []
    for path, schema in _schemas(PaperJob, ""):
        hints = typing.get_type_hints(schema)
        for one in fields(schema):
            kinds = {hints[one.name], *typing.get_args(hints[one.name])}
            if kinds & {int, float} and not one.metadata.get("bound") and typing.get_origin(hints[one.name]) is not dict:
                without.append(f"{path}.{one.name}")
    assert without == []


def test_rules_between_two_fields_are_checked_after_their_bounds() -> None:
    with pytest.raises(UserError, match=r"^analysis\.umap\.min_dist=-1 is too small; it must be at least 0$"):
        UmapConfig(min_dist=-1)
    with pytest.raises(UserError, match=r"^analysis\.umap\.min_dist=2 must lie between 0 and spread=1\.0$"):
        UmapConfig(min_dist=2)
    assert EmbedConfig(batch_size=7).batch_size == 7
    assert AnalysisConfig(parts=["gap"]).parts == ["gap"]
