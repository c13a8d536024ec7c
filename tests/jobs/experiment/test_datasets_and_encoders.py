"""What the names of an experiment stand for: presets, views, joins, and the files that the experiment gives them."""

from dataclasses import replace

import pytest

from jobs.experiment.datasets_and_encoders import (
    both_see,
    check_under,
    dataset_of,
    embedded_names,
    encoder_of,
    encoders_on,
    joins_of,
    views_of,
)
from tda.config.jobs import PaperJob
from tda.config.stages import DedupeConfig
from tda.errors import UserError
from tda.store.datasets.views import View


def job(*datasets: str, reference: str | None = None) -> PaperJob:
    return PaperJob(root="r", datasets=list(datasets), reference=reference)


def test_bases_what_is_subtracted_and_the_reference_are_embedded_once_each() -> None:
    assert embedded_names(job("a-minus-b", "c", "a", reference="b")) == ["a", "c", "b"]
    assert embedded_names(job("a-minus-b-minus-c", reference="d")) == ["a", "b", "c", "d"]
    assert embedded_names(job("a")) == ["a"]


def test_views_of_a_chain_come_in_the_order_in_which_they_are_made() -> None:
    assert views_of(job("a-minus-b-minus-c", "d")) == [View("a", "b"), View("a-minus-b", "c")]
    assert views_of(job("a-minus-b", "a-minus-b-minus-c")) == [View("a", "b"), View("a-minus-b", "c")]
    assert views_of(job("a", "b")) == []


def test_joins_are_those_of_views_and_of_every_data_set_with_the_reference() -> None:
    assert joins_of(job("a-minus-b", "c", reference="b")) == [("a", "b"), ("c", "b")]
    assert joins_of(job("a-minus-b-minus-c", reference="d")) == [("a", "b"), ("a", "c"), ("a", "d")]
    assert joins_of(job("a", "b", reference="a")) == [("b", "a")], "none with itself"
    assert joins_of(job("a", "b")) == []


def test_shards_and_checkpoints_of_the_experiment_come_before_the_presets() -> None:
    given = PaperJob(root="r", shards={"coco": ["x.tar"], "laion2b": None}, checkpoints={"toy_cloob": "x.pt", "toy_infonce": None})
    assert dataset_of(given, "coco").shards == ["x.tar"]
    assert dataset_of(given, "toy_train").shards == "r/shards/toy_train/*.tar"
    assert encoder_of(given, "toy_cloob").checkpoint == "x.pt"
    assert encoder_of(given, "toy_infonce").checkpoint == "r/models/toy_infonce/model.pt"
    with pytest.raises(UserError, match=r"^dataset laion2b has no shards: give shards.laion2b='/data/\{00000..00059\}.tar'$"):
        dataset_of(given, "laion2b")
    with pytest.raises(UserError, match=r"^dataset=moon is unknown; choose one of: "):
        dataset_of(given, "moon")
    with pytest.raises(UserError, match=r"^encoder=moon is unknown; choose one of: "):
        encoder_of(given, "moon")


def seen(**under: list[str]) -> PaperJob:
    return PaperJob(root="r", datasets=["a-minus-b", "c"], encoders=["x", "y", "z"], reference="b", under=under)


def test_a_data_set_is_seen_by_the_encoders_that_are_named_for_it_else_by_all() -> None:
    one = seen(a=["y", "x"], b=["x"], c=["z"])
    assert encoders_on(one, "a-minus-b") == encoders_on(one, "a") == ["x", "y"], "in the experiment's order"
    assert both_see(one, "a", "b") == ["x"]
    assert both_see(one, "c", "b") == []
    assert encoders_on(seen(), "c") == ["x", "y", "z"]
    assert encoders_on(seen(**{"a-minus-b": ["z"], "a": ["x", "z"]}), "a-minus-b") == ["z"], "a view's own come first"


@pytest.mark.parametrize(
    ("under", "by", "message"),
    [
        ({"d": ["x"]}, None, "under.d: it is not among the experiment's data sets, a, a-minus-b, b, c"),
        ({"c": ["w"]}, None, r"under.c names w, which is not among encoders=\['x', 'y', 'z'\]"),
        ({"c": []}, None, "no encoder sees c: name one in under.c"),
        ({"a": ["x"], "b": ["y"]}, None, "no encoder sees a and b: a-minus-b cannot be made"),
        ({"a": ["x", "y"], "b": ["y"]}, "x", "dedupe.by=x does not see a and b"),
    ],
)
def test_what_nobody_could_measure_is_refused(under: dict[str, list[str]], by: str | None, message: str) -> None:
    wrong = replace(seen(**under), dedupe=DedupeConfig(by=by))
    with pytest.raises(UserError, match=message):
        check_under(wrong)
    check_under(seen(a=["x", "y"], b=["x"], c=["z"]))
