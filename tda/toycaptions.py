"""Captions of toy scenes: varied wording that leaves things out.

One object in four and half of the textures are left out: with complete captions the modality gap nearly closes under every loss, and
with far shorter ones it closes under none.
"""

import random
from dataclasses import dataclass
from itertools import pairwise

from tda.toyscenes import SHAPES, STYLES, Scene, Thing


@dataclass(frozen=True)
class Manner:
    """How much captions mention: the probability of each part."""

    thing: float
    size: float
    texture: float
    place: float
    ground: float
    openings: tuple[str, ...]


MANNERS = {
    "plain": Manner(
        thing=0.75,
        size=1.0,
        texture=0.5,
        place=1.0,
        ground=1.0,
        openings=("", "", "", "a picture of", "a drawing of", "there is"),
    ),
    "shifted": Manner(
        thing=0.85,
        size=1.0,
        texture=0.7,
        place=1.0,
        ground=1.0,
        openings=("in this picture we can see", "somebody has drawn", "the image shows us", "this is a drawing in which there is"),
    ),
}

WORDS = {
    "circle": ("circle", "disc", "ball"),
    "ring": ("ring", "hoop"),
    "square": ("square", "box"),
    "triangle": ("triangle",),
    "star": ("star",),
    "cross": ("cross", "plus"),
    "small": ("small", "tiny", "little"),
    "medium": ("medium", "middling"),
    "large": ("large", "big", "huge"),
    "solid": ("solid", "plain"),
    "striped": ("striped", "stripy"),
    "dotted": ("dotted", "spotted"),
    "grey": ("grey", "gray"),
    "purple": ("purple", "violet"),
}
ROWS = (("top", "upper"), ("bottom", "lower"))
COLUMNS = ("left", "right")
RELATIONS = {
    (1, 0): ("above", "over"),
    (-1, 0): ("below", "under"),
    (0, 1): ("left of", "to the left of"),
    (0, -1): ("right of", "to the right of"),
}
GROUNDS = ("on {a} {ground} background", "on {ground}", "against {a} {ground} wall", "before {a} {ground} backdrop")


def caption(scene: Scene, style: str, rng: random.Random) -> str:
    """The caption of a scene, in the manner of its style; at least one object is named."""
    manner = MANNERS[style]
    named = [thing for thing in scene.things if rng.random() < manner.thing] or [rng.choice(scene.things)]
    rng.shuffle(named)
    parts = [rng.choice(manner.openings), _phrases(named, manner, rng)]
    if rng.random() < manner.ground:
        parts.insert(rng.choice((0, 2, 2)), _ground(scene.ground, rng))
    return " ".join(part for part in parts if part)


def vocabulary() -> set[str]:
    """Every word that captions can have."""
    phrases = [*SHAPES, *COLUMNS, "a", "an", "and", "with", "next to", "at", "in the", "on the"]
    for style in STYLES.values():
        phrases += [*style.colours, *style.grounds]
    phrases += [form for forms in (*WORDS.values(), *ROWS, *RELATIONS.values()) for form in forms]
    phrases += [opening for manner in MANNERS.values() for opening in manner.openings]
    phrases += [ground.format(a="", ground="") for ground in GROUNDS]
    return set(" ".join(phrases).split())


def _word(name: str, rng: random.Random) -> str:
    return rng.choice(WORDS.get(name, (name,)))


def _article(word: str) -> str:
    return "an" if word[0] in "aeiou" else "a"


def _ground(name: str, rng: random.Random) -> str:
    word = _word(name, rng)
    return rng.choice(GROUNDS).format(a=_article(word), ground=word)


def _phrases(named: list[Thing], manner: Manner, rng: random.Random) -> str:
    text = _phrase(named[0], manner, rng)
    for before, thing in pairwise(named):
        text += f" {_joint(before, thing, rng)} {_phrase(thing, manner, rng)}"
    return text


def _joint(before: Thing, thing: Thing, rng: random.Random) -> str:
    """If the places are neighbours, half of the time their relation; else `and`, `with` or `next to`."""
    step = (thing.place[0] - before.place[0], thing.place[1] - before.place[1])
    if step in RELATIONS and rng.random() < 0.5:
        return rng.choice(RELATIONS[step])
    return rng.choice(("and", "and", "with", "next to"))


def _phrase(thing: Thing, manner: Manner, rng: random.Random) -> str:
    words = [_word(thing.size, rng)] if rng.random() < manner.size else []
    words += [_word(thing.texture, rng)] if thing.texture != "solid" and rng.random() < manner.texture else []
    words += [_word(thing.colour, rng), _word(thing.shape, rng)]
    return " ".join([_article(words[0]), *words, *_place(thing, manner, rng)])


def _place(thing: Thing, manner: Manner, rng: random.Random) -> list[str]:
    if rng.random() >= manner.place:
        return []
    row, column = rng.choice(ROWS[thing.place[0]]), COLUMNS[thing.place[1]]
    return [rng.choice((f"{row} {column}", f"at {row} {column}", f"in the {row} {column}"))]
