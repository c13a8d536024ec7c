"""What is true of toy scenes, as numbers: an encoder that cannot err, and how much of what a caption says holds in a scene.

N scenes, P captions, F facts: an empty place, or the shape, colour, size or texture of the thing there; the ground, and its pattern.
"""

import re
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from tda.config.datasets import ToyConfig
from tda.toycaptions import COLUMNS, ROWS, WORDS
from tda.toyscenes import PLACES, RADII, SHAPES, STYLES, Scene
from tda.toyworld import scenes_of

Fact = tuple[str, ...]
TEXTURES = ("solid", "striped", "dotted")
KINDS = ("shape", "colour", "size", "texture")


def facts_of(style: str) -> list[Fact]:
    """Every fact that a scene can have, in the order of the columns."""
    values = dict(zip(KINDS, (SHAPES, tuple(STYLES[style].colours), tuple(RADII), TEXTURES), strict=True))
    placed = [(_place(place), *fact) for place in PLACES for fact in (("empty",), *((kind, one) for kind in KINDS for one in values[kind]))]
    tail = [("ground", one) for one in STYLES[style].grounds] + [("pattern", one) for one in STYLES[style].patterns]
    return [*placed, *tail]


def scene_rows(scenes: Sequence[Scene], style: str) -> Any:
    """Unit rows (N, F): the cosine of two is the share of facts that agree, where a place that is empty in both counts as a whole thing."""
    columns = {fact: column for column, fact in enumerate(facts_of(style))}
    rows_NF = np.zeros((len(scenes), len(columns)))
    for row_F, scene in zip(rows_NF, scenes, strict=True):
        for fact in _true(scene):
            row_F[columns[fact]] = 2.0 if fact[-1] == "empty" else 1.0  # squared 4: as the four facts of a thing
    return rows_NF / np.linalg.norm(rows_NF, axis=1, keepdims=True)


def fidelity(captions: Sequence[str], scenes: Sequence[Scene], style: str) -> Any:
    """The share of what a caption says of things, their places and the ground that holds in a scene, (P, N) in [0, 1]."""
    columns = {fact: column for column, fact in enumerate(facts_of(style))}
    there_NF, named_PF = np.zeros((len(scenes), len(columns))), np.zeros((len(captions), len(columns)))
    for row_F, scene in zip(there_NF, scenes, strict=True):
        row_F[[columns[fact] for fact in _true(scene)]] = 1.0
    for row_F, caption in zip(named_PF, captions, strict=True):
        row_F[[columns[fact] for fact in said(caption, style)]] = 1.0
    return (named_PF @ there_NF.T) / np.maximum(named_PF.sum(axis=1, keepdims=True), 1.0)


def said_rows(captions: Sequence[str], style: str) -> Any:
    """What each caption says, wherever it is, as rows (P, values): captions of like things are close."""
    values = list(dict.fromkeys(fact[-2:] for fact in facts_of(style)))
    rows = np.zeros((len(captions), len(values)))
    for row, caption in zip(rows, captions, strict=True):
        row[[values.index(fact[-2:]) for fact in said(caption, style)]] = 1.0
    return rows


def said(caption: str, style: str) -> list[Fact]:
    """The facts that a caption of this style says."""
    found: list[Fact] = []
    for match in _pattern(style).finditer(caption):
        row, column = next(number for number, forms in enumerate(ROWS) if match["row"] in forms), COLUMNS.index(match["column"])
        found += [(_place((row, column)), kind, _name(match[kind], style)) for kind in KINDS if match[kind]]
    words = set(caption.split())
    return found + [("ground", name) for name in STYLES[style].grounds if words & set(WORDS.get(name, (name,)))]


def scenes_at(toy: ToyConfig, places: Sequence[tuple[str, int]]) -> list[Scene]:
    """The scenes of the pairs at (shard, ordinal)."""
    return scenes_of(toy, [int(shard) * toy.pairs_per_shard + ordinal for shard, ordinal in places])


def _true(scene: Scene) -> Iterator[Fact]:
    things = {thing.place: thing for thing in scene.things}
    for place in PLACES:
        if place in things:
            yield from ((_place(place), kind, str(getattr(things[place], kind))) for kind in KINDS)
        else:
            yield (_place(place), "empty")
    yield ("ground", scene.ground)
    yield ("pattern", scene.pattern)


def _place(place: tuple[int, int]) -> str:
    return f"{place[0]}{place[1]}"


def _forms(names: Sequence[str]) -> str:
    return "|".join(form for name in names for form in WORDS.get(name, (name,)))


def _pattern(style: str) -> re.Pattern[str]:
    """A thing in a caption: size, texture, colour, shape and place, in this order."""
    sizes, textures, colours, shapes = (_forms(one) for one in (tuple(RADII), TEXTURES[1:], tuple(STYLES[style].colours), SHAPES))
    rows = "|".join(form for forms in ROWS for form in forms)
    return re.compile(
        rf"(?:(?P<size>{sizes}) )?(?:(?P<texture>{textures}) )?(?P<colour>{colours}) (?P<shape>{shapes})"
        rf" (?:at |in the )?(?P<row>{rows}) (?P<column>{'|'.join(COLUMNS)})\b"
    )


def _name(form: str, style: str) -> str:
    names = (*SHAPES, *RADII, *TEXTURES, *STYLES[style].colours)
    return next(name for name in names if form in WORDS.get(name, (name,)))
