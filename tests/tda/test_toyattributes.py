"""What is true of toy scenes, and what captions say of them."""

from dataclasses import replace

import numpy as np
import pytest

from tda.config.datasets import ToyConfig
from tda.toyattributes import facts_of, fidelity, said, said_rows, scene_rows, scenes_at
from tda.toyworld import plan_copies, scenes_of, toy_pair


@pytest.mark.parametrize("style", ["plain", "shifted"])
def test_every_caption_holds_in_its_own_scene_and_in_few_others(style: str) -> None:
    toy = ToyConfig(style=style, pairs=200, seed=4)
    scenes, captions = scenes_of(toy, range(200)), [toy_pair(toy, index).caption for index in range(200)]
    found = fidelity(captions, scenes, style)
    np.testing.assert_array_equal(found.diagonal(), 1.0)
    assert 0.02 < found.mean() < 0.3
    assert min(len(said(caption, style)) for caption in captions) >= 4, "size, colour and shape of a thing, and the ground"


def test_the_words_of_a_caption_are_facts_at_their_places() -> None:
    facts = said("a tiny red disc at upper left above a huge stripy violet box in the lower right on gray", "plain")
    assert sorted(facts) == sorted([
        ("00", "shape", "circle"), ("00", "colour", "red"), ("00", "size", "small"), ("ground", "grey"),
        ("11", "shape", "square"), ("11", "colour", "purple"), ("11", "size", "large"), ("11", "texture", "striped"),
    ])  # fmt: skip
    assert said("nothing of this world", "plain") == []


def test_the_cosine_of_two_scenes_is_the_share_that_agrees() -> None:
    """Written anew: four places of weight four, the ground and its pattern of weight one."""
    scenes = scenes_of(ToyConfig(pairs=40, seed=1), range(40))
    rows = scene_rows(scenes, "plain")
    for i in range(0, 40, 3):
        for j in range(40):
            first, second = ({thing.place: thing for thing in scenes[k].things} for k in (i, j))
            agree = (scenes[i].ground == scenes[j].ground) + (scenes[i].pattern == scenes[j].pattern)
            for place in ((0, 0), (0, 1), (1, 0), (1, 1)):
                a, b = first.get(place), second.get(place)
                agree += 4 if a is None and b is None else 0
                if a and b:
                    agree += sum(getattr(a, kind) == getattr(b, kind) for kind in ("shape", "colour", "size", "texture"))
            assert rows[i] @ rows[j] == pytest.approx(agree / 18)
    np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1)
    assert rows.shape[1] == len(facts_of("plain"))


def test_a_planted_copy_shows_the_scene_that_it_repeats() -> None:
    source = ToyConfig(pairs=50, seed=1)
    toy = replace(source, seed=2, duplicates=5, duplicates_of=source)
    for copy in plan_copies(toy):
        assert scenes_of(toy, [copy.index]) == scenes_of(source, [copy.source])
    assert scenes_at(replace(toy, pairs_per_shard=10), [("00002", 3)]) == scenes_of(toy, [23])


def test_captions_of_like_things_are_close() -> None:
    rows = said_rows(["a red star top left", "a red star bottom right", "a blue ring top left"], "plain")
    assert (rows[0] == rows[1]).all()
    assert (rows[0] != rows[2]).sum() == 4
