"""Rows whose URL or caption the reference has too: found once for a pair of data sets, and again when either changes."""

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from repeated_rows import M, N, drawn, plant_world, side, write_set

from jobs.dedup import exact_matches
from jobs.dedup.exact_matches import exact_flags, has, known_texts
from tda.store.datasets.embedding_set import EmbeddingSet
from tda.store.paths import RootPaths

NAMES = ("d", "e", "r")


def flags(root: Path, *kinds: str) -> np.ndarray:
    rows, reference = (EmbeddingSet(str(root), name, "e") for name in ("d", "r"))
    return exact_flags(RootPaths(str(root)), NAMES, rows, reference, kinds)


def file_of(root: Path) -> Path:
    return root / "dedupe/d/e/r/exact.parquet"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    plant_world(tmp_path)
    return tmp_path


def test_planted_urls_and_captions_are_found_and_no_others(root: Path) -> None:
    both_N = flags(root, "url", "caption")
    assert np.flatnonzero(has(both_N, "url")).tolist() == [13, 23]
    assert np.flatnonzero(has(both_N, "caption")).tolist() == [17, 23]
    assert np.flatnonzero(flags(root, "caption")).tolist() == [17, 23]
    assert not flags(root).any()


def test_a_caption_counts_with_the_size_of_its_image(root: Path) -> None:
    columns, theirs = side(N, "d"), side(M, "r")
    columns["captions"][3] = theirs["captions"][5]
    write_set(root, "d", (drawn(N, 1), drawn(N, 2)), columns, sizes=(10, 12, 18))
    assert not flags(root, "caption").any()
    columns["widths"][3] = theirs["widths"][5]
    write_set(root, "d", (drawn(N, 1), drawn(N, 2)), columns, sizes=(10, 12, 18))
    assert np.flatnonzero(flags(root, "caption")).tolist() == [3]


def test_flags_of_every_kind_are_kept_for_the_next_threshold(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    flags(root, "url")
    monkeypatch.setattr(exact_matches, "ensure_hashes", lambda *_: pytest.fail("hashes were looked up again"))
    assert np.flatnonzero(flags(root, "caption")).tolist() == [17, 23]


def test_flags_of_other_rows_are_found_again(root: Path) -> None:
    flags(root, "url")
    columns, theirs = side(N, "d"), side(M, "r")
    columns["urls"][4] = theirs["urls"][50]
    write_set(root, "d", (drawn(N, 1), drawn(N, 2)), columns, sizes=(10, 12, 18))
    assert np.flatnonzero(flags(root, "url")).tolist() == [4]


@pytest.mark.parametrize("damage", ["torn", "short"])
def test_a_damaged_file_is_made_again(root: Path, damage: str) -> None:
    expected_N = flags(root, "url", "caption")
    if damage == "torn":
        file_of(root).write_bytes(file_of(root).read_bytes()[:50])
    else:
        table = pq.read_table(file_of(root))
        assert "content" in json.loads(next(iter(table.schema.metadata.values())))
        pq.write_table(table.slice(0, 5), file_of(root))
    np.testing.assert_array_equal(flags(root, "url", "caption"), expected_N)
    assert pa.parquet.read_metadata(file_of(root)).num_rows == N


def test_a_text_is_known_by_its_caption_with_and_without_flags(root: Path) -> None:
    columns = side(N, "d")
    columns["captions"][3], columns["captions"][7] = "", " null "
    write_set(root, "d", (drawn(N, 1), drawn(N, 2)), columns, sizes=(10, 12, 18))
    rows = EmbeddingSet(str(root), "d", "e")
    for known_N in (known_texts(rows), known_texts(rows, flags(root, "url"))):
        assert np.flatnonzero(~known_N).tolist() == [3, 7]


def test_where_no_caption_is_known_every_text_vector_counts(root: Path) -> None:
    write_set(root, "d", (drawn(N, 1), drawn(N, 2)), side(N, "d") | {"captions": [""] * N}, sizes=(10, 12, 18))
    assert known_texts(EmbeddingSet(str(root), "d", "e")).all()
    assert not file_of(root).exists()
