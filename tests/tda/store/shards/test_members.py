"""Tars whose members have other names: by a setting, and what is no pair without one."""

import json
from pathlib import Path
from typing import Any

import pytest
from bad_shards import write_tar
from hypothesis import given, settings
from hypothesis import strategies as st
from raw_tars import JPG, outcomes, pair, read

from tda.errors import UserError
from tda.store.datasets.row_lookup import encoded_images
from tda.store.shards import IMAGE_TEXT, read_shard
from tda.store.shards.members import Members
from tda.store.shards.webdataset import RawPair
from tda.store.types import Drop

INSTRUCT = {"image": ["input.jpg"], "caption": ["caption", "json:TEXT"]}
BOTH = {"image": ["jpg", "png"], "caption": ["txt"]}


def read_by(path: Path, given: dict[str, Any], members: list[tuple[str, bytes]], **limits: int) -> list[RawPair | Drop]:
    named, wide = Members.of(given), {"max_member_bytes": 10**6, "max_caption_bytes": 1000, **limits}
    found = list(read_shard(str(write_tar(path / "x.tar", members)), IMAGE_TEXT, members=named, **wide))
    assert sorted(one.ordinal for one in found) == list(range(len(found))), "every pair once"
    return sorted(found, key=lambda one: one.ordinal)


def side(**fields: Any) -> bytes:
    return json.dumps(fields).encode()


def test_image_and_caption_are_the_members_that_are_named(tmp_path: Path) -> None:
    members = [("0.edited.jpg", b"other"), ("0.input.jpg", JPG), ("0.caption", b"first"), ("0.json", side(TEXT="second", url="u", width=7))]
    (found,) = read_by(tmp_path, INSTRUCT, members)
    assert found == RawPair(0, "0", JPG, "first", "u", 7, None)


def test_a_field_of_json_is_a_caption_where_the_first_is_not_there(tmp_path: Path) -> None:
    found = read_by(
        tmp_path, INSTRUCT, [("0.input.jpg", JPG), ("0.json", side(TEXT="of json")), ("1.INPUT.JPG", JPG), ("1.Caption", b"text")]
    )
    assert [(one.key, one.caption) for one in found if isinstance(one, RawPair)] == [("0", "of json"), ("1", "text")]


@pytest.mark.parametrize("order", [("jpg", "png"), ("png", "jpg")])
def test_of_several_images_the_first_entry_counts_whatever_their_order_in_the_tar(tmp_path: Path, order: tuple[str, str]) -> None:
    members = [(f"0.{ending}", ending.encode()) for ending in order] + [("0.txt", b"c")]
    assert [one.image for one in read_by(tmp_path, BOTH, members) if isinstance(one, RawPair)] == [b"jpg"]


def test_what_is_missing_is_named_with_what_was_asked(tmp_path: Path) -> None:
    found = read_by(tmp_path, INSTRUCT, [("0.input.jpg", JPG), ("0.json", side(caption="not asked")), ("1.caption", b"alone")])
    assert [(one.reason.value, one.detail) for one in found if isinstance(one, Drop)] == [
        ("missing_caption", "it has input.jpg, json, and none of caption, json:TEXT"),
        ("missing_image", "it has caption, and none of input.jpg"),
    ]


def test_limits_hold_for_named_members(tmp_path: Path) -> None:
    long = [("0.input.jpg", bytes(5000)), ("0.caption", b"c"), ("1.input.jpg", JPG), ("1.caption", b"x" * 2000)]
    found = read_by(tmp_path, INSTRUCT, [*long, ("2.input.jpg", JPG), ("2.json", side(TEXT="y" * 2000))], max_member_bytes=4000)
    assert [one.reason.value for one in found if isinstance(one, Drop)] == ["member_too_large", "caption_too_long", "caption_too_long"]


def test_a_lone_surrogate_in_json_is_a_reason(tmp_path: Path) -> None:
    (found,) = read_by(tmp_path, INSTRUCT, [("0.input.jpg", JPG), ("0.json", b'{"TEXT": "\\ud800"}')])
    assert isinstance(found, Drop)
    assert found.reason.value == "caption_not_utf8"


@pytest.mark.parametrize(
    ("given", "reported"),
    [
        ({"image": ["jpg"]}, "needs both parts"),
        (["jpg"], "needs both parts"),
        ({"image": [], "caption": ["txt"]}, r"dataset\.members\.image=\[\] names no member: give endings such as jpg"),
        ({"image": ["jpg"], "caption": 3}, r"dataset\.members\.caption=3 names no member"),
        ({"image": ["a b"], "caption": ["txt"]}, "give the ending of a member's name"),
        ({"image": ["../x"], "caption": ["txt"]}, "give the ending of a member's name"),
        ({"image": ["json:picture"], "caption": ["txt"]}, "an image is a member of its own"),
        ({"image": ["jpg"], "caption": ["json:"]}, "ENDING:FIELD"),
        ({"image": ["jpg"], "caption": ["txt", "jpg"]}, "names jpg as image and as caption"),
    ],
)
def test_a_setting_that_names_no_members_is_refused_in_one_line(given: Any, reported: str) -> None:
    with pytest.raises(UserError, match=reported) as error:
        Members.of(given)
    assert "\n" not in str(error.value)


def test_a_setting_is_written_down_as_it_is_read() -> None:
    named = Members.of({"image": "jpg", "caption": [".txt", "json:TEXT"]})
    assert named is not None
    assert named.plain() == {"image": ["jpg"], "caption": ["txt", "json:TEXT"]}
    assert Members.of(named.plain()) == named
    assert Members.of(None) is None


def test_pictures_of_a_sheet_are_the_named_members(tmp_path: Path) -> None:
    path = str(write_tar(tmp_path / "x.tar", [("0.edited.jpg", b"other"), ("0.input.jpg", JPG), ("0.caption", b"c")]))
    assert list(encoded_images({path: [0]}, {path: INSTRUCT})) == [(path, 0, JPG)]


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.sampled_from("ab"), st.sampled_from(["input.jpg", "caption", "json", "jpg", "bin"])), max_size=10))
def test_whatever_is_in_a_tar_each_key_is_read_or_dropped(tmp_path_factory: pytest.TempPathFactory, names: list[tuple[str, str]]) -> None:
    path = tmp_path_factory.getbasetemp() / "named"
    path.mkdir(exist_ok=True)
    found = read_by(path, INSTRUCT, [(f"{key}.{ending}", side(TEXT="t")) for key, ending in names])
    assert {one.key for one in found} == {key for key, ending in names if ending in ("input.jpg", "caption", "json")}


# What is no pair, or is one, without a setting.


@pytest.mark.parametrize("ending", ["jfif", "jpe", "gif", "avif", "bmp", "GIF"])
def test_other_pictures_are_pictures(tmp_path: Path, ending: str) -> None:
    (found,) = read(tmp_path, [(f"a.{ending}", JPG), ("a.txt", b"c")])
    assert isinstance(found, RawPair)
    assert found.image == JPG


@pytest.mark.parametrize(
    "members", [[("a.gif", b"G"), ("a.jpg", JPG), ("a.txt", b"c")], [("a.jpg", JPG), ("a.bmp", b"B"), ("a.gif", b"G"), ("a.txt", b"c")]]
)
def test_other_pictures_do_not_count_beside_one_of_the_first(tmp_path: Path, members: list[tuple[str, bytes]]) -> None:
    (found,) = read(tmp_path, members)
    assert isinstance(found, RawPair)
    assert found.image == JPG


def test_what_is_wrong_with_an_only_picture_is_named(tmp_path: Path) -> None:
    found = read(tmp_path, [("a.gif", bytes(3000)), ("a.txt", b"c"), ("b.gif", bytes(3000)), *pair("b")], max_member_bytes=2000)
    assert outcomes(found) == [("a", "member_too_large"), ("b", None)]


@pytest.mark.parametrize("name", ["__meta__", "__meta__/x.json", "__meta__.json", "folder/__index__.txt", "__x__/a.jpg"])
def test_notes_on_the_archive_are_no_pair(tmp_path: Path, name: str) -> None:
    assert outcomes(read(tmp_path, [(name, b"{}"), *pair("a"), (name, b"{}")])) == [("a", None)]


@pytest.mark.parametrize("name", ["__a", "a__", "_meta_", "x__meta__"])
def test_keys_with_underscores_are_keys(tmp_path: Path, name: str) -> None:
    assert outcomes(read(tmp_path, pair(name))) == [(name, None)]


@pytest.mark.parametrize("word", ["seg", "depth", "mask", "SEG"])
def test_a_picture_that_annotates_a_pair_is_no_pair(tmp_path: Path, word: str) -> None:
    members = [
        (f"a.{word}.png", b"S"),
        *pair("a"),
        *pair("b"),
        (f"b.{word}.png", b"S"),
        ("c.jpg", JPG),
        (f"c.{word}.png", b"S"),
        ("c.txt", b"c"),
    ]
    found = read(tmp_path, members)
    assert outcomes(found) == [("a", None), ("b", None), ("c", None)]
    assert [one.image for one in found if isinstance(one, RawPair)] == [JPG] * 3


def test_the_count_of_pairs_is_that_of_img2dataset(tmp_path: Path) -> None:
    (tmp_path / "x_stats.json").write_text('{"successes": 2}')
    assert len(read(tmp_path, [*pair("a"), ("a.seg.png", b"S"), *pair("b"), ("b.seg.png", b"S")])) == 2


def test_an_annotation_with_a_caption_is_a_pair_and_one_of_no_pair_is_named(tmp_path: Path) -> None:
    assert outcomes(read(tmp_path, [*pair("a"), *pair("a.seg")])) == [("a", None), ("a.seg", None)]
    assert outcomes(read(tmp_path, [*pair("a"), ("b.seg.png", JPG)])) == [("a", None), ("b.seg", "missing_caption")]
    assert outcomes(read(tmp_path, [("a.seg.png", JPG), *pair("a"), ("a.seg.txt", b"late")])) == [("a", None), ("a.seg", "interleaved")]
