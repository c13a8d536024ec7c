"""Captions of the toy world: what they name is true, and they leave out as much as their manner does."""

import json
import random
import re
from collections.abc import Iterator
from itertools import pairwise, product
from pathlib import Path

import numpy as np
import pytest

import conf
from tda.config.datasets import ToyConfig
from tda.encoders.tokens import HashTokenizer
from tda.toycaptions import COLUMNS, GROUNDS, MANNERS, RELATIONS, ROWS, WORDS, caption, vocabulary
from tda.toyscenes import RADII, SHAPES, STYLES, Scene, Thing, draw_scene
from tda.toyworld import toy_pair


def scenes(style: str, count: int) -> Iterator[tuple[Scene, str]]:
    for seed in range(count):
        rng = random.Random(seed)
        scene = draw_scene(STYLES[style], rng)
        yield scene, caption(scene, style, rng)


def forms(name: str) -> tuple[str, ...]:
    return WORDS.get(name, (name,))


def only(**fields: object) -> Scene:
    """A scene of one object: a large red star, unless given otherwise."""
    given = {"shape": "star", "colour": "red", "size": "large", "texture": "solid", "place": (0, 0), "dx": 0, "dy": 0, "angle": 0.0}
    return Scene((Thing(**{**given, **fields}),), "grey", "plain", 0.0)  # type: ignore[arg-type] # as given


def test_captions_leave_one_object_in_four_out_and_name_none_that_is_not_there() -> None:
    shown = said = 0
    for i in range(1500):
        rng = random.Random(i)
        scene = draw_scene(STYLES["plain"], rng)
        text = caption(scene, "plain", rng)
        shapes = {form: shape for shape in ("circle", "ring", "square", "triangle", "star", "cross") for form in WORDS[shape]}
        named = [shapes[word] for word in text.split() if word in shapes]
        assert named
        assert set(named) <= {thing.shape for thing in scene.things}
        if len(scene.things) > 1:
            shown, said = shown + len(scene.things), said + len(named)
    assert 0.20 < 1 - said / shown < 0.27


def test_shifted_captions_are_longer_and_no_word_is_new_or_shared() -> None:
    texts = {style: [toy_pair(ToyConfig(pairs=400, seed=5, style=style), i).caption.split() for i in range(400)] for style in STYLES}
    mean = {style: np.mean([len(words) for words in captions]) for style, captions in texts.items()}
    assert mean["shifted"] > 1.2 * mean["plain"]
    assert {word for captions in texts.values() for words in captions for word in words} <= vocabulary()
    model = json.loads((Path(conf.__path__[0]) / "model/toy.json").read_text())["text_cfg"]
    ids = HashTokenizer(model["vocab_size"], model["context_length"])(sorted(vocabulary()))[:, 1]
    assert len(ids.unique()) == len(vocabulary()), "two words of the toy world share a token"
    assert np.mean([len(words) <= model["context_length"] - 2 for words in texts["plain"]]) > 0.95


def any_of(*names: str) -> str:
    return "|".join(form for name in names for form in forms(name))


COLOURS = STYLES["plain"].colours
PHRASE = re.compile(
    rf"\b(?:a|an) (?P<size>{any_of(*RADII)}) (?:(?P<texture>{any_of('striped', 'dotted')}) )?(?P<colour>{any_of(*COLOURS)}) "
    rf"(?P<shape>{any_of(*SHAPES)}) (?:at |in the )?(?P<row>{'|'.join(form for row in ROWS for form in row)}) (?P<column>left|right)"
)


def place_of(phrase: re.Match[str]) -> tuple[int, int]:
    return next(i for i, row in enumerate(ROWS) if phrase["row"] in row), COLUMNS.index(phrase["column"])


@pytest.mark.parametrize("style", STYLES)
def test_every_phrase_is_true_of_one_object(style: str) -> None:
    for scene, text in scenes(style, 300):
        named = list(PHRASE.finditer(text))
        assert named, text
        for phrase in named:
            (shown,) = (one for one in scene.things if one.place == place_of(phrase))
            for what in ("size", "colour", "shape"):
                assert phrase[what] in forms(getattr(shown, what)), text
            assert phrase["texture"] is None or phrase["texture"] in forms(shown.texture)
        assert len({place_of(phrase) for phrase in named}) == len(named), "no object twice"


def test_every_relation_between_two_objects_is_true() -> None:
    steps = {form: step for step, words in RELATIONS.items() for form in words}
    found: set[str] = set()
    for _, text in scenes("plain", 1500):
        for before, after in pairwise(PHRASE.finditer(text)):
            between = text[before.end() : after.start()].strip()
            if between in ("and", "with", "next to"):
                continue
            (row, column), (next_row, next_column) = place_of(before), place_of(after)
            assert (next_row - row, next_column - column) == steps[between], text
            found.add(between)
    assert found == set(steps), "every form of every relation is used"


@pytest.mark.parametrize("style", STYLES)
def test_the_ground_is_named_and_is_the_scenes(style: str) -> None:
    phrases = {
        ground.format(a="an" if word[0] in "aeiou" else "a", ground=word): name
        for ground, name in product(GROUNDS, STYLES[style].grounds)
        for word in forms(name)
    }
    for scene, text in scenes(style, 300):
        assert {phrases[phrase] for phrase in phrases if re.search(rf"(?:^| ){phrase}(?: |$)", text)} == {scene.ground}, text


@pytest.mark.parametrize("style", STYLES)
def test_articles_agree_with_the_word_after_them(style: str) -> None:
    for _, text in scenes(style, 300):
        for article, word in re.findall(r"\b(an?) (\w+)", text):
            assert article == ("an" if word[0] in "aeiou" else "a"), text


def test_a_caption_is_a_function_of_the_scene_and_the_generator() -> None:
    scene = draw_scene(STYLES["plain"], random.Random(3))
    first = [caption(scene, "plain", random.Random(seed)) for seed in range(20)]
    assert first == [caption(scene, "plain", random.Random(seed)) for seed in range(20)]
    assert len(set(first)) > 10, "wording varies"


def test_an_only_object_is_always_named_and_its_lack_of_a_texture_never() -> None:
    for seed in range(200):
        text = caption(only(), "plain", random.Random(seed))
        assert "red star" in text
        assert not {"solid", "plain"} & set(text.split())
        assert text == " ".join(text.split())


@pytest.mark.parametrize("style", MANNERS)
def test_textures_are_named_as_often_as_the_manner_of_the_style_does(style: str) -> None:
    texts = [caption(only(texture="striped"), style, random.Random(seed)) for seed in range(2000)]
    named = np.mean([bool(set(WORDS["striped"]) & set(text.split())) for text in texts])
    assert named == pytest.approx(MANNERS[style].texture, abs=0.04)


def test_every_word_of_the_vocabulary_is_used_by_some_caption() -> None:
    words = {word for style in STYLES for _, text in scenes(style, 3000) for word in text.split()}
    assert vocabulary() - words == set(WORDS["solid"]), "captions do not name the absence of a texture"
