"""Two texts a pair from JSONL, Parquet and tar: every line is a pair or a named drop, every cut a named shard error."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from bad_shards import write_tar
from text_pairs import BAD_LINES, MODALITIES, members, story, write_lines, write_table

from tda.errors import ShardError
from tda.store.shards import check_shard, read_shard, text_pairs
from tda.store.shards.text_pairs import TextPair, read_texts
from tda.store.types import Drop, Reason, Stage

ROWS = [story(i) for i in range(20)]


def read(path: Path, **limits: Any) -> list[TextPair | Drop]:
    return sorted(read_texts(str(path), MODALITIES, **limits), key=lambda pair: pair.ordinal)


@pytest.mark.parametrize("kind", ["jsonl", "parquet", "tar"])
def test_every_container_gives_the_same_pairs(tmp_path: Path, kind: str) -> None:
    path = tmp_path / f"a.{kind}"
    if kind == "jsonl":
        write_lines(path, ROWS)
    elif kind == "parquet":
        write_table(path, ROWS)
    else:
        write_tar(path, members(ROWS))
    pairs = read(path)
    assert [pair.members for pair in pairs if isinstance(pair, TextPair)] == [(row["passage"], row["review"]) for row in ROWS]
    assert [(pair.ordinal, pair.key) for pair in pairs] == [(i, f"{i:09d}") for i in range(20)]
    assert pairs[3].caption == ROWS[3]["review"]  # type: ignore[union-attr]  # all are pairs
    assert check_shard(str(path), MODALITIES).size == path.stat().st_size
    assert list(read_shard(str(path), MODALITIES, max_member_bytes=1, max_caption_bytes=65_536)) == pairs


def test_keys_and_addresses_are_kept(tmp_path: Path) -> None:
    rows = [{**story(0), "key": "tale-1", "url": "https://example.org/1"}, {**story(1), "key": 7, "url": 3}, {**story(2), "key": None}]
    found = [(pair.key, pair.url) for pair in read(write_lines(tmp_path / "a.jsonl", rows)) if isinstance(pair, TextPair)]
    assert found == [("tale-1", "https://example.org/1"), ("7", None), ("000000002", None)]
    (pair,) = read(write_table(tmp_path / "a.parquet", rows[:1]))
    assert isinstance(pair, TextPair)
    assert (pair.key, pair.url) == ("tale-1", "https://example.org/1")


def test_every_bad_line_is_a_named_drop_and_moves_no_other(tmp_path: Path) -> None:
    mixed: list[Any] = []
    for i, (line, _) in enumerate(BAD_LINES):
        mixed += [story(i), line]
    found = read(write_lines(tmp_path / "a.jsonl", mixed))
    assert [pair.ordinal for pair in found] == list(range(2 * len(BAD_LINES)))
    assert [pair.members[0] for pair in found[::2] if isinstance(pair, TextPair)] == [story(i)["passage"] for i in range(len(BAD_LINES))]
    drops = [drop for drop in found[1::2] if isinstance(drop, Drop)]
    assert [drop.reason.value for drop in drops] == [reason for _, reason in BAD_LINES]
    assert {drop.stage for drop in drops} == {Stage.READ}
    assert drops[3].detail == "review"
    assert drops[5].detail == "passage is int, not text"


def test_a_last_line_without_its_end_is_a_drop(tmp_path: Path) -> None:
    path = write_lines(tmp_path / "a.jsonl", ROWS)
    path.write_bytes(path.read_bytes()[:-20])
    found = read(path)
    assert [type(pair) for pair in found] == [TextPair] * 19 + [Drop]
    path.write_bytes(write_lines(path, ROWS).read_bytes().rstrip())  # no newline at the end, but whole
    assert len([pair for pair in read(path) if isinstance(pair, TextPair)]) == 20


def test_rows_of_a_table_are_judged_as_lines_are(tmp_path: Path) -> None:
    columns = {
        "passage": pa.array([b"good", b"caf\xe9", b"", None, b"x" * 70_000], pa.binary()).cast(pa.binary()),
        "review": pa.array(["good", "latin", "empty", "absent", "long"]).dictionary_encode(),
    }
    pq.write_table(pa.table(columns), tmp_path / "a.parquet")
    found = read(tmp_path / "a.parquet")
    reasons = [drop.reason for drop in found if isinstance(drop, Drop)]
    assert isinstance(found[0], TextPair)
    assert reasons == [Reason.CAPTION_NOT_UTF8, Reason.EMPTY_CAPTION, Reason.MISSING_CAPTION, Reason.CAPTION_TOO_LONG]


def test_members_of_a_tar_are_judged_as_captions_are(tmp_path: Path) -> None:
    pairs = {
        "a.b/good": (b"one", b"two"),
        "empty": (b"", b"two"),
        "latin": (b"caf\xe9", b"two"),
        "long": (b"x" * 70_000, b"two"),
        "alone": (None, b"two"),
    }
    texts = [(f"{key}.{modality}.txt", text) for key, both in pairs.items() for modality, text in zip(MODALITIES, both, strict=True)]
    found = read(write_tar(tmp_path / "a.tar", [(name, text) for name, text in texts if text is not None]))
    assert [pair.key for pair in found] == list(pairs)
    assert isinstance(found[0], TextPair)
    assert [drop.reason.value for drop in found[1:] if isinstance(drop, Drop)] == [
        "empty_caption",
        "caption_not_utf8",
        "caption_too_long",
        "missing_caption",
    ]


def test_unusable_shards_are_named(tmp_path: Path) -> None:
    table = write_table(tmp_path / "whole.parquet", ROWS).read_bytes()
    wanted = {
        "empty.jsonl": (b"", "empty"),
        "page.jsonl": (b"<html>404</html>", "not_jsonl"),
        "page.parquet": (b"<html>404</html>", "not_parquet"),
        "cut.parquet": (table[:-100], "truncated"),
        "hole.parquet": (table[:4] + b"\0" * 40 + table[-8:], "damaged"),
    }
    for name, (content, reason) in wanted.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(ShardError, match=name) as caught:
            read(tmp_path / name)
        assert caught.value.reason == reason
    for name in ("absent.jsonl", "absent.parquet"):
        with pytest.raises(ShardError, match="missing"):
            check_shard(str(tmp_path / name), MODALITIES)
    other = write_table(tmp_path / "other.parquet", [{"story": "a", "review": "b"}])
    with pytest.raises(ShardError, match=r"no_column \(passage; it has: story, review\)"):
        read(other)


def test_a_passage_that_unpacks_beyond_memory_is_refused_by_the_footer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text_pairs, "MAX_COLUMN_BYTES", 2**20)
    path = str(tmp_path / "0.parquet")
    table = pa.table({"passage": ["a" * 2**21, "b"], "review": ["r", "s"], "other": ["o" * 2**22, "p"]})
    pq.write_table(table, path, compression="zstd", use_dictionary=False)
    with pytest.raises(
        ShardError, match=r"too_large \(column passage of row group 0 unpacks to 20\d+ bytes from \d+: write it with shorter"
    ):
        next(read_texts(path, ("passage", "review")))
    assert len(list(read_texts(path, ("review", "review")))) == 2  # a column that is not read costs nothing
    words = " ".join(map(str, np.random.default_rng(0).integers(0, 10**9, 200_000).tolist()))
    pq.write_table(pa.table({"passage": [words, "b"], "review": ["r", "s"]}), path, compression="zstd", use_dictionary=False)
    assert [type(one).__name__ for one in read_texts(path, ("passage", "review"))] == ["Drop", "TextPair"]


@pytest.mark.parametrize("blank", [b"\n", b"  \n", b"\r\n", b"\t\n", b"\n\n\n"])
def test_blank_lines_are_nothing(tmp_path: Path, blank: bytes) -> None:
    lines = write_lines(tmp_path / "a.jsonl", ROWS[:4]).read_bytes().splitlines(keepends=True)
    (tmp_path / "b.jsonl").write_bytes(blank + blank.join(lines) + blank)
    assert read(tmp_path / "b.jsonl") == read(tmp_path / "a.jsonl")
