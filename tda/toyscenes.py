"""Scenes of the toy world, and how they are drawn: one to three objects over a background.

A scene is a pure function of its random generator; drawing it is deterministic.
"""

import io
import math
import random
from dataclasses import dataclass
from functools import lru_cache

from PIL import Image, ImageDraw

RGB = tuple[int, int, int]

SIDE = 64  # pixels of a finished image
CANVAS = 2 * SIDE  # drawn at twice the size, then averaged: soft edges, as in photographs
RADII = {"small": 17, "medium": 23, "large": 30}  # pixels of the canvas
SHAPES = ("circle", "ring", "square", "triangle", "star", "cross")
TEXTURES = ("solid", "solid", "solid", "solid", "striped", "dotted")  # two objects in three are solid
PLACES = ((0, 0), (0, 1), (1, 0), (1, 1))  # (row, column) quadrants, at most one object in each
JPEG_QUALITY = 88


@dataclass(frozen=True)
class Style:
    """The parts of a data set's scenes: names as in captions, colours as they are drawn."""

    colours: dict[str, RGB]
    grounds: dict[str, RGB]
    patterns: tuple[str, ...]


STYLES = {
    "plain": Style(
        colours={
            "red": (214, 39, 40),
            "green": (44, 160, 44),
            "blue": (40, 80, 220),
            "yellow": (240, 220, 40),
            "orange": (255, 130, 14),
            "purple": (140, 60, 180),
            "pink": (245, 140, 200),
            "white": (250, 250, 250),
        },
        grounds={
            "grey": (85, 85, 85),
            "black": (15, 15, 18),
            "navy": (20, 25, 75),
            "maroon": (75, 15, 28),
            "olive": (60, 62, 22),
            "teal": (10, 70, 70),
            "brown": (75, 48, 25),
            "indigo": (60, 20, 80),
        },
        patterns=("plain", "graded"),
    ),
    "shifted": Style(
        colours={
            "red": (150, 12, 36),
            "green": (130, 205, 110),
            "blue": (120, 180, 250),
            "yellow": (190, 165, 20),
            "orange": (215, 100, 60),
            "purple": (85, 40, 110),
            "pink": (230, 60, 140),
            "white": (225, 225, 210),
        },
        grounds={
            "grey": (112, 116, 122),
            "black": (38, 34, 30),
            "navy": (38, 48, 110),
            "maroon": (105, 30, 52),
            "olive": (88, 92, 48),
            "teal": (38, 100, 98),
            "brown": (108, 76, 50),
            "indigo": (88, 48, 112),
        },
        patterns=("checkered", "speckled"),
    ),
}


@dataclass(frozen=True)
class Thing:
    """One object. `dx`, `dy`: canvas pixels off its quadrant's centre; `angle`: radians."""

    shape: str
    colour: str
    size: str
    texture: str
    place: tuple[int, int]
    dx: int
    dy: int
    angle: float


@dataclass(frozen=True)
class Scene:
    """The content of an image. `light` in [-1, 1] darkens or brightens it."""

    things: tuple[Thing, ...]
    ground: str
    pattern: str
    light: float


def draw_scene(style: Style, rng: random.Random) -> Scene:
    """Draw a random scene."""
    places = rng.sample(PLACES, rng.choice((1, 1, 1, 2, 2, 3)))
    things = tuple(_draw_thing(style, place, rng) for place in places)
    return Scene(things, rng.choice(list(style.grounds)), rng.choice(style.patterns), rng.uniform(-1, 1))


def _draw_thing(style: Style, place: tuple[int, int], rng: random.Random) -> Thing:
    return Thing(
        shape=rng.choice(SHAPES),
        colour=rng.choice(list(style.colours)),
        size=rng.choice(list(RADII)),
        texture=rng.choice(TEXTURES),
        place=place,
        dx=rng.randint(-1, 1),
        dy=rng.randint(-1, 1),
        angle=rng.uniform(-0.06, 0.06),
    )


def render(scene: Scene, style: Style) -> Image.Image:
    """Render a scene: RGB, `SIDE` x `SIDE` pixels."""
    canvas = _ground(style.grounds[scene.ground], scene.pattern).copy()
    for thing in scene.things:
        mask = Image.new("L", (CANVAS, CANVAS))
        _outline(ImageDraw.Draw(mask), thing)
        canvas.paste(_cloth(style.colours[thing.colour], thing.texture), mask=mask)
    small = canvas.reduce(2)
    tint = Image.new("RGB", small.size, (255, 255, 255) if scene.light > 0 else (0, 0, 0))
    return Image.blend(small, tint, 0.04 * abs(scene.light))


def jpeg(image: Image.Image, quality: int = JPEG_QUALITY) -> bytes:
    """Encode as JPEG."""
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=quality)
    return buffer.getvalue()


def _outline(pen: ImageDraw.ImageDraw, thing: Thing) -> None:
    half = CANVAS // 2
    x, y = thing.place[1] * half + half // 2 + thing.dx, thing.place[0] * half + half // 2 + thing.dy
    radius = RADII[thing.size]
    if thing.shape in ("circle", "ring"):
        pen.ellipse((x - radius, y - radius, x + radius, y + radius), fill=255)
        if thing.shape == "ring":
            hole = radius * 0.55
            pen.ellipse((x - hole, y - hole, x + hole, y + hole), fill=0)
        return
    pen.polygon(
        [(x + radius * r * math.cos(a + thing.angle), y + radius * r * math.sin(a + thing.angle)) for r, a in _CORNERS[thing.shape]],
        fill=255,
    )


def _regular(corners: int, start: float) -> list[tuple[float, float]]:
    return [(1.0, start + 2 * math.pi * k / corners) for k in range(corners)]


def _star() -> list[tuple[float, float]]:
    return [(1.1 if k % 2 == 0 else 0.45, -math.pi / 2 + math.pi * k / 5) for k in range(10)]


def _cross() -> list[tuple[float, float]]:
    arm, half = 1.0, 0.32
    points = [(-half, -arm), (half, -arm), (half, -half), (arm, -half), (arm, half), (half, half)]
    points += [(-x, -y) for x, y in points]
    return [(math.hypot(x, y), math.atan2(y, x)) for x, y in points]


_CORNERS = {"square": _regular(4, math.pi / 4), "triangle": _regular(3, -math.pi / 2), "star": _star(), "cross": _cross()}


@lru_cache(maxsize=256)
def _cloth(colour: RGB, texture: str) -> Image.Image:
    """A canvas filled with one colour and texture."""
    cloth = Image.new("RGB", (CANVAS, CANVAS), colour)
    pen, darker = ImageDraw.Draw(cloth), tuple(c * 3 // 5 for c in colour)
    if texture == "striped":
        for x in range(-CANVAS, CANVAS, 14):
            pen.line((x, CANVAS, x + CANVAS, 0), fill=darker, width=5)
    if texture == "dotted":
        for row, y in enumerate(range(0, CANVAS, 11)):
            for x in range(6 * (row % 2), CANVAS, 13):
                pen.ellipse((x - 3, y - 3, x + 3, y + 3), fill=darker)
    return cloth


@lru_cache(maxsize=64)
def _ground(colour: RGB, pattern: str) -> Image.Image:
    """A background. Patterns are faint, so that objects dominate the image."""
    ground = Image.new("RGB", (CANVAS, CANVAS), colour)
    pen, lighter = ImageDraw.Draw(ground), tuple(c + (255 - c) // 12 for c in colour)
    if pattern == "graded":
        ground.paste(Image.new("RGB", ground.size, lighter), mask=Image.linear_gradient("L").resize(ground.size))
    if pattern == "checkered":
        for y in range(0, CANVAS, 16):
            for x in range(y % 32, CANVAS, 32):
                pen.rectangle((x, y, x + 15, y + 15), fill=lighter)
    if pattern == "speckled":
        specks = random.Random(0)
        for _ in range(160):
            x, y = specks.randrange(CANVAS), specks.randrange(CANVAS)
            pen.rectangle((x, y, x + 3, y + 3), fill=lighter)
    return ground
