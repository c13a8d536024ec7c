"""The same pairs, whatever they lie in: a folder, COCO's files, lists, a Parquet of bytes give what a tar of them gives."""

import json
import os
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import fsspec
import pytest
from bad_shards import picture
from loose_pairs import COUNT, PAIRS, as_bytes, as_coco, as_folder, as_list, as_tar, digests, essence, read_all, write_list

from tda.config.datasets import DatasetConfig
from tda.errors import ShardError, UserError
from tda.store.shards.changed import Standing, standing
from tda.store.shards.origins import content_sha256, reachable, source_now
from tda.store.shards.units.plan import shard_urls
from tda.store.shards.webdataset import RawPair
from tda.store.types import Drop

MAKERS: dict[str, Callable[[Path], DatasetConfig]] = {
    "folder": as_folder,
    "coco zip": as_coco,
    "coco folder": lambda folder: as_coco(folder, zipped=False),
    "csv": lambda folder: as_list(folder, ".csv"),
    "tsv": lambda folder: as_list(folder, ".tsv"),
    "jsonl": lambda folder: as_list(folder, ".jsonl"),
    "parquet": lambda folder: as_list(folder, ".parquet"),
    "parquet bytes": as_bytes,
    "parquet plain bytes": lambda folder: as_bytes(folder, struct=False),
}


def reasons(found: list[RawPair | Drop]) -> dict[str, str]:
    return {one.key: one.reason.value for one in found if isinstance(one, Drop)}


@pytest.mark.parametrize("kind", MAKERS)
def test_every_format_gives_the_pairs_of_a_tar_in_units(kind: str, tmp_path: Path) -> None:
    for name in ("tar", "data"):
        (tmp_path / name).mkdir()
    wanted = essence(read_all(tmp_path / "root", as_tar(tmp_path / "tar")))
    dataset = MAKERS[kind](tmp_path / "data")
    found = read_all(tmp_path / "root", dataset)
    assert essence(found) == wanted == [(key, image, text) for key, image, text in PAIRS]
    assert [one.ordinal for one in found] == [0, 1, 2, 0, 1, 2, 0]
    assert list(shard_urls(str(tmp_path / "root"), dataset)) == ["00000", "00001", "00002"]


@pytest.mark.parametrize("kind", MAKERS)
def test_units_are_cut_alike_each_time_and_their_digest_is_of_the_content(kind: str, tmp_path: Path) -> None:
    dataset, root = MAKERS[kind](tmp_path), str(tmp_path / "root")
    first, before = shard_urls(root, dataset), digests(tmp_path / "root", dataset)
    assert shard_urls(root, dataset) == first
    recorded = {"path": first["00000"], **{name: getattr(source_now(first["00000"]), name) for name in ("size", "etag")}}
    for file in tmp_path.rglob("*.jpg"):
        os.utime(file, (1, 1))
    second = shard_urls(root, dataset)
    assert digests(tmp_path / "root", dataset) == before == [content_sha256(url) for url in second.values()]
    expected = Standing.SAME if kind == "coco zip" or "bytes" in kind else Standing.TOUCHED
    assert standing(recorded, source_now(second["00000"]), root) is expected


@pytest.mark.parametrize("kind", ["folder", "coco folder", "csv"])
def test_a_picture_that_is_replaced_is_another_content(kind: str, tmp_path: Path) -> None:
    dataset, root = MAKERS[kind](tmp_path), str(tmp_path / "root")
    url, before = shard_urls(root, dataset)["00001"], digests(tmp_path / "root", dataset)
    was = source_now(url)
    assert was is not None
    file = next(tmp_path.rglob("000004.jpg"))
    data = bytearray(file.read_bytes())
    data[-20] ^= 1
    file.write_bytes(bytes(data))
    os.utime(file, (5, 5))
    now = source_now(url)
    assert now is not None
    assert standing({"path": url, "size": was.size, "etag": was.etag}, now, root) is Standing.TOUCHED
    after = digests(tmp_path / "root", dataset)
    assert [one == other for one, other in zip(before, after, strict=True)] == [True, False, True]
    file.write_bytes(bytes(data) + b"more")
    assert standing({"path": url, "size": was.size, "etag": was.etag}, source_now(url), root) is Standing.CHANGED


def test_a_folder_loses_nothing_in_silence(tmp_path: Path) -> None:
    data = tmp_path / "data"
    (data / "x").mkdir(parents=True)
    as_folder(data / "x")
    (data / "alone.jpg").write_bytes(picture(1))
    (data / "lonely.txt").write_text("no picture")
    (data / "twice.jpg").write_bytes(picture(2))
    (data / "twice.png").write_bytes(picture(2, kind="PNG"))
    (data / "twice.txt").write_text("two pictures")
    (data / "blank.jpg").write_bytes(picture(3))
    (data / "blank.txt").write_text(" ")
    (data / "side.JPG").write_bytes(picture(4))
    (data / "side.json").write_text(json.dumps({"caption": "from the side file", "url": "http://u", "width": 60, "height": 44}))
    (data / "broken.jpg").symlink_to(data / "nowhere")
    (data / "broken.txt").write_text("a link to nothing")
    os.mkfifo(data / "pipe.jpg")
    (data / "pipe.txt").write_text("a pipe")
    (data / ".hidden.jpg").write_bytes(b"x")
    (data / "notes.md").write_text("no pair")
    (data / "stats.json").write_text("{}")
    found = read_all(tmp_path / "root", DatasetConfig(name="f", shards=str(data), format="folder"), max_caption_bytes=20)
    assert reasons(found) == {
        "alone": "missing_caption",
        "lonely": "missing_image",
        "twice": "duplicate_key",
        "blank": "empty_caption",
        "broken": "missing_image",
        "pipe": "bad_member",
    } | {f"x/{key}": "caption_too_long" for key, _, text in PAIRS if len(text.encode()) > 20}
    side = next(one for one in found if one.key == "side")
    assert isinstance(side, RawPair)
    assert (side.caption, side.url, side.width) == ("from the side file", "http://u", 60)


def test_too_many_sub_folders_are_a_circle(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "again").symlink_to(tmp_path / "data")
    with pytest.raises(UserError, match="folders deep"):
        shard_urls(str(tmp_path / "root"), DatasetConfig(name="f", shards=str(tmp_path / "data"), format="folder"))


HOSTILE = [
    "../secret.jpg",
    "/etc/passwd",
    "file:///etc/passwd",
    "pics/../../x.jpg",
    "http://elsewhere/x.jpg",
    "s3://bucket/x.jpg",
    "a\0b",
    "pics//x",
    "x" * 2000,
]


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("ending", [".jsonl", ".parquet"])
def test_a_hostile_name_is_one_dropped_pair(name: str, ending: str, tmp_path: Path) -> None:
    as_list(tmp_path, ending)
    rows = [
        {"path": "pics/000001.jpg", "caption": "good"},
        {"path": name, "caption": "bad"},
        {"path": "./pics/000002.jpg", "caption": "good"},
    ]
    found = read_all(tmp_path / "root", write_list(tmp_path / f"mixed{ending}", rows))
    assert [isinstance(one, RawPair) for one in found] == [True, False, True]
    assert reasons(found) == {"000000001": "bad_member"}


def test_absolute_names_are_those_of_the_folder_that_is_named(tmp_path: Path) -> None:
    as_list(tmp_path, ".csv")
    rows = [{"image": str(tmp_path / "pics" / f"{key}.jpg"), "caption": text} for key, _, text in PAIRS]
    (tmp_path / "lists").mkdir()
    inside = write_list(tmp_path / "lists" / "a.csv", rows, images=str(tmp_path))
    assert len([one for one in read_all(tmp_path / "root", inside) if isinstance(one, RawPair)]) == COUNT
    many = write_list(tmp_path / "lists" / "b.csv", rows * 20)
    with pytest.raises(UserError, match=r"dataset\.images=FOLDER"):
        shard_urls(str(tmp_path / "root"), many)


LISTS = {
    "no caption column": ([{"path": "a.jpg", "words": "x"}], "has no column for the caption"),
    "no image column": ([{"file_": "a.jpg", "caption": "x"}], "has no column for the image"),
}


@pytest.mark.parametrize("case", LISTS)
@pytest.mark.parametrize("ending", [".csv", ".jsonl", ".parquet"])
def test_a_list_without_a_column_is_one_line(case: str, ending: str, tmp_path: Path) -> None:
    rows, message = LISTS[case]
    with pytest.raises(UserError, match=message):
        shard_urls(str(tmp_path / "root"), write_list(tmp_path / f"x{ending}", rows))


def test_columns_are_named_and_unknown_roles_refused(tmp_path: Path) -> None:
    as_list(tmp_path, ".csv")
    rows = [{"caption": "wrong", "where": "pics/000000.jpg", "said": "right"}]
    dataset = write_list(tmp_path / "x.csv", rows, columns={"image": "where", "caption": "said"})
    assert essence(read_all(tmp_path / "root", dataset)) == [("000000000", PAIRS[0][1], "right")]
    for columns, message in (
        ({"image": "where", "caption": "absent"}, "has no column 'absent'"),
        ({"picture": "where"}, "dataset.columns.picture is unknown"),
    ):
        with pytest.raises(UserError, match=message):
            shard_urls(str(tmp_path / "root"), write_list(tmp_path / "x.csv", rows, columns=columns))


@pytest.mark.parametrize("columns", ["filepath", ["image"], {"image": 3}])
def test_columns_that_are_no_mapping_are_one_line(columns: Any, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"dataset\.columns=.* names no columns"):
        shard_urls(str(tmp_path / "root"), write_list(tmp_path / "x.csv", [{"image": "a", "caption": "b"}], columns=columns))


def test_lines_that_are_no_rows_are_dropped_and_blank_ones_are_nothing(tmp_path: Path) -> None:
    as_list(tmp_path, ".csv")
    good = json.dumps({"image": "pics/000000.jpg", "caption": "good"})
    lines = [
        good,
        "",
        "not json",
        "[1]",
        json.dumps({"image": 3, "caption": "x"}),
        json.dumps({"image": "pics/000001.jpg"}),
        "  ",
        "[" * 100_000,
    ]
    lines += [
        json.dumps({"image": "pics/none.jpg", "caption": "x"}),
        '{"image": "pics/000001.jpg", "caption": "\\ud800"}',
        "x" * (2**20 + 5),
    ]
    (tmp_path / "x.jsonl").write_text("\n".join(lines))
    found = read_all(tmp_path / "root", DatasetConfig(name="l", shards=str(tmp_path / "x.jsonl"), format="list"))
    expected = ["bad_row", "bad_row", "missing_image", "missing_caption", "bad_row", "missing_image", "caption_not_utf8", "bad_row"]
    assert [one.reason.value for one in found if isinstance(one, Drop)] == expected
    (tmp_path / "x.csv").write_text("filepath\ttitle\npics/000000.jpg\tone, two\npics/000001.jpg\tx\ty\n")
    found = read_all(tmp_path / "root", DatasetConfig(name="l", shards=str(tmp_path / "x.csv"), format="list"))
    assert [one.caption if isinstance(one, RawPair) else one.reason.value for one in found] == ["one, two", "bad_row"]


COCO: dict[str, Any] = {
    "no JSON": "{",
    "a list": "[]",
    "no images": json.dumps({"annotations": []}),
    "instances": json.dumps({"images": [], "annotations": [{"image_id": 1, "bbox": []}]}),
    "null": json.dumps({"images": [None], "annotations": []}),
    "deep": "[" * 100_000,
}


@pytest.mark.parametrize("case", COCO)
def test_annotations_that_are_none_are_one_line(case: str, tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(COCO[case])
    with pytest.raises(UserError, match="is no captions file of COCO"):
        shard_urls(str(tmp_path / "root"), DatasetConfig(name="c", shards=str(tmp_path / "a.json"), images=str(tmp_path), format="coco"))


def test_what_coco_lacks_is_dropped_with_its_reason(tmp_path: Path) -> None:
    images = [{"id": i, "file_name": name} for i, name in enumerate(["a.jpg", "no.jpg", "../up.jpg", "silent.jpg", "bomb.jpg"])]
    notes = [{"image_id": i, "caption": f"number {i}"} for i in (0, 1, 2, 4, 77)]
    (tmp_path / "a.json").write_text(json.dumps({"images": images, "annotations": notes}))
    with zipfile.ZipFile(tmp_path / "p.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for name in ("a.jpg", "silent.jpg"):
            archive.writestr(name, picture(1))
        archive.writestr("bomb.jpg", bytes(70 * 2**20))
    dataset = DatasetConfig(name="c", shards=str(tmp_path / "a.json"), images=str(tmp_path / "p.zip"), format="coco")
    found = read_all(tmp_path / "root", dataset)
    expected = {
        "no": "missing_image",
        "../up": "missing_image",
        "silent": "missing_caption",
        "bomb": "member_too_large",
        "77": "missing_image",
    }
    assert reasons(found) == expected
    (tmp_path / "p.zip").write_bytes(b"PK no zip")
    with pytest.raises(UserError, match="is no zip archive"):
        shard_urls(str(tmp_path / "root"), dataset)
    with pytest.raises(UserError, match=r"dataset\.images is missing"):
        shard_urls(str(tmp_path / "root"), DatasetConfig(name="c", shards=str(tmp_path / "a.json"), format="coco"))


def test_any_store_a_folder_and_a_list_on_one_that_is_not_this_machine(tmp_path: Path) -> None:
    fs = fsspec.filesystem("memory")
    for key, image, text in PAIRS:
        fs.pipe(f"/pics[1] #é/{key}.jpg", image)
        fs.pipe(f"/pics[1] #é/{key}.txt", text.encode())
    wanted = [(key, image, text) for key, image, text in PAIRS]
    folder = DatasetConfig(name="f", shards="memory://pics[1] #é", format="folder", rows_per_shard=3)
    assert essence(read_all(tmp_path / "root", folder)) == wanted
    fs.pipe("/l.csv", "\n".join(["key,image,caption", *(f'{key},pics[1] #é/{key}.jpg,"{text}"' for key, _, text in PAIRS)]).encode())
    listed = DatasetConfig(name="l", shards="memory://l.csv", format="list")
    assert essence(read_all(tmp_path / "root", listed)) == wanted
    assert not reachable(str(tmp_path / "root"), shard_urls(str(tmp_path / "root"), listed)["00000"])
    for path in [path for path in fs.store if path.startswith(("/pics", "/l.csv"))]:
        fs.rm_file(path)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"lacuna_unit": 2}', '{"lacuna_unit": 1, "rows": null, "base": 3}', "null\n1"])
def test_a_damaged_unit_is_named(text: str, tmp_path: Path) -> None:
    url = tmp_path / "00000.0123456789ab.unit"
    url.write_text(text)
    with pytest.raises(ShardError, match="damaged"):
        content_sha256(str(url))
    url.unlink()
    assert source_now(str(url)) is None


def test_what_holds_nothing_is_refused(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "x.txt").write_text("a.jpg")
    cases = {
        "holds no pair": DatasetConfig(name="f", shards=str(tmp_path / "empty"), format="folder"),
        "is no folder": DatasetConfig(name="f", shards=str(tmp_path / "nowhere"), format="folder"),
        "is no list": DatasetConfig(name="f", shards=str(tmp_path / "x.txt"), format="list"),
        "takes a path": DatasetConfig(name="f", shards=None, format="folder"),
        "holds pictures with captions": DatasetConfig(name="f", shards="x", format="list", modalities=["a", "b"]),
    }
    for message, dataset in cases.items():
        with pytest.raises(UserError, match=message):
            shard_urls(str(tmp_path / "root"), dataset)
