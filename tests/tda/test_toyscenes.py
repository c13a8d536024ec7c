"""Scenes of the toy world: every choice occurs in its share, and a drawing shows its scene."""

import io
import random
from collections import Counter
from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
from PIL import Image

from tda.toyscenes import PLACES, RADII, SHAPES, SIDE, STYLES, TEXTURES, Scene, Style, Thing, draw_scene, jpeg, render

PLAIN = STYLES["plain"]
THING = Thing(shape="square", colour="white", size="large", texture="solid", place=(0, 0), dx=0, dy=0, angle=0.0)
SCENE = Scene((THING,), "black", "plain", 0.0)


def pixels(scene: Scene, style: Style = PLAIN) -> np.ndarray:
    return np.asarray(render(scene, style)).astype(int)


def of(**fields: object) -> Scene:
    """A scene of one object with these fields."""
    return replace(SCENE, things=(replace(THING, **fields),))  # type: ignore[arg-type] # as given


def covered(scene: Scene) -> np.ndarray:
    """Where objects are: pixels at least half of the way from the ground to white."""
    return np.abs(pixels(scene) - pixels(replace(scene, things=()))).max(axis=2) > 118


def centre(place: tuple[int, int]) -> tuple[int, int]:
    return place[0] * SIDE // 2 + SIDE // 4, place[1] * SIDE // 2 + SIDE // 4


@pytest.mark.parametrize("style", STYLES)
def test_drawn_scenes_use_every_choice_in_its_share(style: str) -> None:
    drawn = [draw_scene(STYLES[style], random.Random(seed)) for seed in range(3000)]
    things = [thing for scene in drawn for thing in scene.things]
    assert {scene.ground for scene in drawn} == STYLES[style].grounds.keys()
    assert {scene.pattern for scene in drawn} == set(STYLES[style].patterns)
    assert {thing.colour for thing in things} == STYLES[style].colours.keys()
    assert {thing.shape for thing in things} == set(SHAPES)
    assert {thing.size for thing in things} == RADII.keys()
    assert {thing.place for thing in things} == set(PLACES)
    count = Counter(len(scene.things) for scene in drawn)
    assert [count[n] / 3000 for n in (1, 2, 3)] == pytest.approx([1 / 2, 1 / 3, 1 / 6], abs=0.03)
    solid = Counter(thing.texture for thing in things)["solid"] / len(things)
    assert solid == pytest.approx(TEXTURES.count("solid") / len(TEXTURES), abs=0.03)
    assert max(abs(scene.light) for scene in drawn) <= 1


def test_a_scene_is_a_function_of_its_generator_and_drawing_adds_no_chance() -> None:
    scenes = [draw_scene(PLAIN, random.Random(seed)) for seed in (1, 1, 2)]
    assert scenes[0] == scenes[1] != scenes[2]
    state = random.getstate()
    assert jpeg(render(scenes[0], PLAIN)) == jpeg(render(scenes[1], PLAIN))
    assert random.getstate() == state


def test_objects_of_a_scene_have_a_quadrant_each() -> None:
    for seed in range(300):
        scene = draw_scene(PLAIN, random.Random(seed))
        assert len({thing.place for thing in scene.things}) == len(scene.things)


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("shape", SHAPES)
def test_an_object_lies_in_its_quadrant_about_its_centre(shape: str, place: tuple[int, int]) -> None:
    inside = covered(of(shape=shape, place=place))
    half, (row, column) = SIDE // 2, place
    outside = inside.copy()
    outside[row * half : (row + 1) * half, column * half : (column + 1) * half] = False
    assert inside.sum() > 150
    assert outside.sum() <= 8, "only tips may cross"
    ys, xs = np.nonzero(inside)
    y, x = centre(place)
    assert abs(xs.mean() - x) < 1.5, "mirrored left and right"
    assert abs(ys.mean() - y) < 6


@pytest.mark.parametrize("colour", PLAIN.colours)
@pytest.mark.parametrize("ground", ["black", "teal"])
def test_objects_and_grounds_have_their_colours(colour: str, ground: str) -> None:
    image = pixels(replace(of(colour=colour), ground=ground))
    assert tuple(image[centre((0, 0))]) == PLAIN.colours[colour]
    assert tuple(image[-1, -1]) == PLAIN.grounds[ground]


def test_a_ring_shows_the_ground_in_its_hole_and_a_circle_does_not() -> None:
    at = centre((0, 0))
    assert tuple(pixels(of(shape="ring"))[at]) == PLAIN.grounds["black"]
    assert tuple(pixels(of(shape="circle"))[at]) == PLAIN.colours["white"]
    hole = covered(of(shape="circle")) & ~covered(of(shape="ring"))
    assert hole.sum() / covered(of(shape="circle")).sum() == pytest.approx(0.55**2, abs=0.05)


def test_areas_are_those_of_the_shapes() -> None:
    radius = RADII["large"] / 2  # pixels of the finished image
    star = 10 * 0.5 * 1.1 * 0.45 * np.sin(np.pi / 5)
    expected = {"circle": np.pi, "square": 2.0, "triangle": 3 * np.sqrt(3) / 4, "star": star, "cross": 4 * 0.64 - 0.64**2}
    for shape, area in expected.items():
        assert covered(of(shape=shape)).sum() == pytest.approx(area * radius**2, rel=0.12), shape


@pytest.mark.parametrize("shape", SHAPES)
def test_sizes_are_in_order(shape: str) -> None:
    areas = [covered(of(shape=shape, size=size)).sum() for size in ("small", "medium", "large")]
    assert areas == sorted(set(areas))


def test_every_two_shapes_and_textures_differ_in_many_pixels() -> None:
    images = [pixels(of(shape=shape)) for shape in SHAPES] + [pixels(of(texture=texture)) for texture in ("striped", "dotted")]
    for one, other in combinations(images, 2):
        assert (np.abs(one - other).max(axis=2) > 50).sum() > 25


def test_a_shift_and_an_angle_move_an_object() -> None:
    assert np.array_equal(covered(of(dx=2))[:, 1:], covered(of())[:, :-1]), "two pixels of the canvas are one of the image"
    assert np.array_equal(covered(of(dy=2))[1:], covered(of())[:-1])
    assert (covered(of(angle=0.06)) != covered(of())).any()
    assert np.array_equal(covered(of(shape="circle", angle=0.06)), covered(of(shape="circle")))


def test_light_brightens_or_darkens_the_whole() -> None:
    dark, plain, bright = (pixels(replace(SCENE, ground="teal", light=light)) for light in (-1.0, 0.0, 1.0))
    assert (dark <= plain).all()
    assert (plain <= bright).all()
    assert plain.mean() - dark.mean() > 1
    np.testing.assert_allclose(bright[-1, -1], 0.96 * np.array(PLAIN.grounds["teal"]) + 0.04 * 255, atol=1)


@pytest.mark.parametrize("pattern", ["graded", "checkered", "speckled"])
def test_patterns_are_faint_and_lighter_than_their_ground(pattern: str) -> None:
    empty = replace(SCENE, things=(), ground="teal")
    change = pixels(replace(empty, pattern=pattern)) - pixels(empty)
    assert change.min() >= 0
    assert 5 < change.max() <= 255 // 12 + 1
    assert (change.max(axis=2) > 0).mean() > 0.04


def test_a_drawing_does_not_change_cached_backgrounds() -> None:
    before = pixels(replace(SCENE, things=()))
    for seed in range(30):
        render(replace(draw_scene(PLAIN, random.Random(seed)), ground="black", pattern="plain"), PLAIN)
    assert np.array_equal(pixels(replace(SCENE, things=())), before)


@pytest.mark.parametrize("style", STYLES)
def test_a_jpeg_is_the_drawing_within_its_quality(style: str) -> None:
    for seed in range(10):
        image = render(draw_scene(STYLES[style], random.Random(seed)), STYLES[style])
        assert (image.size, image.mode) == ((SIDE, SIDE), "RGB")
        again = Image.open(io.BytesIO(jpeg(image)))
        assert (again.format, again.size) == ("JPEG", (SIDE, SIDE))
        assert np.abs(np.asarray(again).astype(int) - np.asarray(image)).mean() < 6
        assert len(jpeg(image, quality=30)) < len(jpeg(image)) < len(jpeg(image, quality=95))


def test_the_styles_share_names_and_no_colour() -> None:
    plain, shifted = STYLES["plain"], STYLES["shifted"]
    assert not set(plain.patterns) & set(shifted.patterns)
    for one, other in ((plain.colours, shifted.colours), (plain.grounds, shifted.grounds)):
        assert one.keys() == other.keys()
        assert all(one[name] != other[name] for name in one)
