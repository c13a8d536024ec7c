"""The reason of every row: the first test that holds, in the order of `REASONS`, and the counts of each test alone."""

from pathlib import Path

import numpy as np
import pytest
from repeated_rows import plant_world

from jobs.dedup.decisions import REASONS, Cosines, decide
from tda.geometry.duplicates import Rule
from tda.store.datasets.embedding_set import EmbeddingSet
from tda.store.datasets.nearest import NearestSet

URL, CAPTION = 1, 2  # flags


@pytest.fixture
def cosines(tmp_path: Path) -> Cosines:
    plant_world(tmp_path)
    return Cosines(NearestSet(str(tmp_path), "d", "e", "r"), EmbeddingSet(str(tmp_path), "d", "e"))


def rule(name: str, image: float = 0.95, text: float = 0.95) -> Rule:
    return Rule(name=name, image=image, text=text)


def reasons(cosines: Cosines, flags_N: np.ndarray, rule: Rule) -> dict[int, str]:
    reason_N, _ = decide(cosines, flags_N, rule)
    return {int(row): REASONS[reason_N[row]] for row in np.flatnonzero(reason_N)}


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("image", {2: "image", 11: "image", 23: "image"}),
        ("text", {5: "text", 11: "text", 23: "text"}),
        ("both", {11: "image and text", 23: "image and text"}),
        ("either", {2: "image", 5: "text", 11: "image and text", 23: "image and text"}),
    ],
)
def test_the_rule_names_the_modalities_that_reached_their_threshold(cosines: Cosines, name: str, expected: dict[int, str]) -> None:
    assert reasons(cosines, np.zeros(40, np.uint8), rule(name)) == expected


def test_each_modality_has_its_threshold(cosines: Cosines) -> None:
    assert reasons(cosines, np.zeros(40, np.uint8), rule("either", image=0.98, text=0.97)) == {2: "image", 5: "text", 23: "image and text"}


def test_an_exact_match_comes_before_cosines_and_a_url_before_a_caption(cosines: Cosines) -> None:
    flags_N = np.zeros(40, np.uint8)
    flags_N[[2, 11, 30]] = CAPTION, URL | CAPTION, URL
    reason_N, matched = decide(cosines, flags_N, rule("image"))
    assert {int(row): REASONS[reason_N[row]] for row in np.flatnonzero(reason_N)} == {2: "caption", 11: "url", 23: "image", 30: "url"}
    assert matched == {"url": 2, "caption": 2, "image": 3, "text": 3}, "each test counts whether or not another came first"


def test_flags_belong_to_rows_across_shards(cosines: Cosines) -> None:
    for row in (9, 10, 21, 22, 39):  # on both sides of every bound of a shard
        flags_N = np.zeros(40, np.uint8)
        flags_N[row] = URL
        assert reasons(cosines, flags_N, rule("image", image=1.1))[row] == "url"


def test_without_a_reference_no_cosine_reaches_a_threshold(cosines: Cosines) -> None:
    alone = Cosines(None, cosines.rows)
    assert [len(image_B) for image_B, _ in alone.blocks()] == [10, 12, 18]
    reason_N, matched = decide(alone, np.zeros(40, np.uint8), rule("either", image=-1, text=-1))
    assert not reason_N.any()
    assert set(matched.values()) == {0}
