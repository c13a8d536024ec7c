"""Our reader in webdataset's own pipeline: its samples on whole tars, and named errors where its reader is silent."""

import logging
import tarfile
from pathlib import Path
from typing import Any

import pytest
import webdataset as wds
from bad_shards import good_pairs, picture, write_tar
from hypothesis import given, settings
from hypothesis import strategies as st

from tda.errors import ShardError, UserError
from tda.store.shards import guarded_samples
from tda.store.shards.expand import expand_shards
from tda.store.types import Drop

LOCAL = ("__local_path__",)


def theirs(*urls: Path) -> list[dict[str, Any]]:
    pipeline = wds.DataPipeline(wds.SimpleShardList([str(url) for url in urls]), wds.tarfile_to_samples())
    return [{name: value for name, value in sample.items() if name not in LOCAL} for sample in pipeline]


def ours(*urls: Path, **options: Any) -> list[dict[str, Any]]:
    return list(wds.DataPipeline(wds.SimpleShardList([str(url) for url in urls]), guarded_samples(**options)))


KEYS = st.text("abcXYZ019-_", min_size=1, max_size=8)
ENDINGS = st.sets(st.sampled_from(["txt", "json"]), min_size=1)


@given(pairs=st.lists(st.tuples(KEYS, st.sampled_from(["jpg", "PNG", "webp", "jpeg"]), ENDINGS), max_size=12, unique_by=lambda one: one[0]))
@settings(max_examples=60, deadline=None)
def test_on_whole_tars_samples_are_those_of_webdataset(pairs: list[Any], tmp_path_factory: pytest.TempPathFactory) -> None:
    tar = tmp_path_factory.mktemp("whole") / "a.tar"
    members: list[tuple[str, bytes]] = []
    for number, (key, image, others) in enumerate(pairs):
        side = {"txt": f"caption {number}".encode(), "json": b'{"caption": "c", "n": 1}'}
        members += [(f"x/{key}.{image}", bytes([number]) * 9), *((f"x/{key}.{other}", side[other]) for other in sorted(others))]
    write_tar(tar, members)
    assert ours(tar) == theirs(tar)


def test_their_stages_come_before_and_after(tmp_path: Path) -> None:
    urls = [str(write_tar(tmp_path / f"{i}.tar", good_pairs(4, first=4 * i))) for i in range(3)]
    stages = [
        wds.SimpleShardList(urls, seed=1),
        wds.split_by_node,
        wds.split_by_worker,
        guarded_samples(),
        wds.shuffle(5, seed=3),
        wds.decode("rgb"),
        wds.to_tuple("jpg", "txt"),
    ]
    first, again = (list(wds.DataPipeline(*stages)) for _ in range(2))
    assert sorted(caption for _, caption in first) == sorted(f"picture number {i} of many" for i in range(12))
    assert {image.shape for image, _ in first} == {(44, 60, 3)}
    assert [caption for _, caption in again] == [caption for _, caption in first]


def cut(tar: Path, at: int) -> Path:
    tar.write_bytes(tar.read_bytes()[:at])
    return tar


def test_where_webdataset_is_silent_this_reader_names_what_is_lost(tmp_path: Path) -> None:
    whole = write_tar(tmp_path / "whole.tar", good_pairs(6))
    with tarfile.open(whole) as archive:
        ends = [member.offset for member in archive]
    for place in (ends[4], ends[4] + 100, ends[5]):  # at a header, inside one, between the members of a pair
        broken = cut(write_tar(tmp_path / "cut.tar", good_pairs(6)), place)
        assert len(theirs(broken)) < 6
        with pytest.raises(ShardError, match="truncated"):
            ours(broken)
    drops: list[Drop] = []
    half = write_tar(tmp_path / "half.tar", [("a.jpg", picture(1)), ("b.jpg", picture(2)), ("b.txt", b"b"), ("c.txt", b"c")])
    assert [sample["__key__"] for sample in theirs(half)] == ["a", "b", "c"]
    assert [sample["__key__"] for sample in ours(half, on_drop=lambda _, drop: drops.append(drop))] == ["b"]
    assert all(isinstance(drop, Drop) for drop in drops)
    assert sorted((drop.key, drop.reason.value) for drop in drops) == [("a", "missing_caption"), ("c", "missing_image")]
    apart = write_tar(tmp_path / "apart.tar", [("a.jpg", picture(1)), ("b.jpg", picture(2)), ("a.txt", b"a"), ("b.txt", b"b")])
    assert len(theirs(apart)) == 4
    assert [(sample["__key__"], sample["txt"]) for sample in ours(apart)] == [("a", b"a"), ("b", b"b")]
    dots = write_tar(
        tmp_path / "dots.tar", [(f"v1.{i}.{end}", data) for i in (0, 1) for end, data in (("jpg", picture(i)), ("txt", b"%d" % i))]
    )
    assert len(theirs(dots)) == 1
    assert [(sample["__key__"], sample["txt"]) for sample in ours(dots)] == [("v1.0", b"0"), ("v1.1", b"1")]


def test_drops_are_logged_and_a_handler_goes_on(tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    half = write_tar(tmp_path / "half.tar", [("a.jpg", picture(1)), *good_pairs(1)])
    gone, seen = tmp_path / "gone.tar", list[Exception]()
    monkeypatch.setattr(logging.getLogger("lacuna.shards"), "disabled", False)  # Hydra's set-up of logging disables what is there before it
    with caplog.at_level(logging.WARNING, "lacuna.shards"):
        found = ours(gone, half, handler=lambda error: seen.append(error) or True)  # type: ignore[func-returns-value]  # None, then true
    assert [sample["__key__"] for sample in found] == ["000000"]
    assert (len(seen), "1 pairs dropped (missing_caption 1)" in caplog.text) == (1, True)
    with pytest.raises(ShardError, match="missing"):
        ours(gone, half)


def test_members_by_option_and_no_commands(tmp_path: Path) -> None:
    tar = write_tar(tmp_path / "a.tar", [("1.input.jpg", picture(1)), ("1.label.txt", b"one")])
    (sample,) = ours(tar, members={"image": ["input.jpg"], "caption": ["label.txt"]})
    assert (sample["__key__"], sample["label.txt"]) == ("1", b"one")
    mark = tmp_path / "ran"
    with pytest.raises(UserError, match="runs a command"):
        list(guarded_samples()([f"pipe:touch {mark}"]))
    with pytest.raises(UserError, match="runs a command"):
        expand_shards(f"pipe:touch {mark}")
    assert not mark.exists()


@pytest.mark.parametrize(
    "pattern", ["{000..003}.tar", "{0..9..3}.tar", "{a..c}-{0..1}.tar", "a.tar::{b,c}.tar", "x{01..02}.tar::y.tar", "{1..1}.tar"]
)
def test_patterns_mean_what_they_mean_to_webdataset(pattern: str, tmp_path: Path) -> None:
    from webdataset.shardlists import expand_urls

    full = "::".join(f"{tmp_path}/{part}" for part in pattern.split("::"))
    wanted = expand_urls(full)
    Path(wanted[0]).touch()
    assert expand_shards(full) == wanted
