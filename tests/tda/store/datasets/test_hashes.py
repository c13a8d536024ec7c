"""Sorted hash files: what is in them is found, nothing else is, and they are made once for a content."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from repeated_rows import drawn, side, write_set

from tda.store import EmbeddingSet
from tda.store.datasets import hashes
from tda.store.datasets.hashes import COLUMNS, PLACEHOLDERS, ensure_hashes, found_in, known_values, row_hashes
from tda.store.paths import RootPaths


def _table(**columns: list[object]) -> pa.Table:
    n = len(next(iter(columns.values())))
    given = {"url": [None] * n, "caption": ["c"] * n, "width": [1] * n, "height": [1] * n} | columns
    kinds = {"url": pa.string(), "caption": pa.string(), "width": pa.int32(), "height": pa.int32()}
    return pa.table({name: pa.array(values, kinds[name]) for name, values in given.items()})


def test_a_caption_counts_with_its_images_size_and_a_url_alone() -> None:
    found = row_hashes(
        _table(url=["u", "u", None, "", "v"], caption=["a", "a", "a", "a", "b"], width=[3, 3, 4, 4, None], height=[4, 4, 3, 3, 4])
    )
    url_N, has_url_N = found["url"]
    caption_N, has_size_N = found["caption"]
    assert has_url_N.tolist() == [True, True, False, False, True]
    assert has_size_N.tolist() == [True, True, True, True, False]
    assert url_N[0] == url_N[1] != url_N[4]
    assert caption_N[0] == caption_N[1] != caption_N[2] == caption_N[3]


UNKNOWN = [
    None,
    "",
    " ",
    "\t\n",
    "\u3000",
    "\u200b",
    "\ufeff ",
    "null",
    "NULL",
    " None ",
    "NaN",
    "n/a",
    "N/A",
    "undefined",
    "<NA>",
    "-",
    "?",
]


@pytest.mark.parametrize("value", UNKNOWN)
def test_what_is_not_known_has_no_hash(value: str | None) -> None:
    found = row_hashes(_table(url=[value, "u"], caption=[value, "c"]))
    assert found["url"][1].tolist() == [False, True]
    assert found["caption"][1].tolist() == [False, True]


@given(st.text(max_size=12))
def test_a_string_with_a_letter_or_digit_beside_the_placeholders_is_known(text: str) -> None:
    word = text.strip().lower()
    known = bool(known_values(pa.chunked_array([[text]], pa.string()))[0])
    if any(sign.isalnum() for sign in word) and word not in PLACEHOLDERS:
        assert known or word.strip("\u200b\u200c\u200d\u2060\ufeff\x00") in PLACEHOLDERS
    if not text.strip():
        assert not known


def test_hashes_do_not_depend_on_chunks_or_offsets() -> None:
    captions = [f"caption {i} {'x' * (i % 7)}" for i in range(100)] + ["", "ünïcode ☃"]
    whole = _table(caption=captions)
    pieces = pa.concat_tables([_table(caption=captions[:40]), whole.slice(40, 30), whole.slice(70)])
    assert np.array_equal(row_hashes(whole)["caption"][0], row_hashes(pieces)["caption"][0])
    assert len(np.unique(row_hashes(whole)["caption"][0])) == 102


@pytest.mark.parametrize("buckets", [1, 256])
def test_files_are_sorted_and_find_what_they_hold(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, buckets: int) -> None:
    monkeypatch.setattr(hashes, "BUCKETS", buckets)
    n = 3000
    columns = side(n, "r") | {"urls": [None if i % 3 == 0 else f"u{i % 500}" for i in range(n)]}
    write_set(tmp_path, "r", (drawn(n, 0), drawn(n, 1)), columns, sizes=(1000, 1500, 500))
    rows = EmbeddingSet(str(tmp_path), "r", "e")
    files = ensure_hashes(RootPaths(str(tmp_path)), rows)
    assert files.rows == {"url": len({u for u in columns["urls"] if u}), "caption": n}
    strangers = _table(
        url=["u1", "nobody", None], caption=["r caption 5", "r caption 5", "r caption 6"], width=[105, 106, 106], height=[64] * 3
    )
    for kind, wanted in (("url", [True, False, False]), ("caption", [True, False, True])):
        with files.opened(kind) as sorted_M:
            assert isinstance(sorted_M, np.memmap)
            assert bool((np.diff(sorted_M.astype(object)) > 0).all())
            assert found_in(sorted_M, row_hashes(strangers)[kind]).tolist() == wanted
            known_N = row_hashes(rows.table(COLUMNS))[kind]
            assert np.array_equal(found_in(sorted_M, known_N), known_N[1])


def test_they_are_made_once_and_another_content_has_others(tmp_path: Path) -> None:
    paths = RootPaths(str(tmp_path))
    write_set(tmp_path, "r", (drawn(9, 0), drawn(9, 1)), side(9, "r"))
    first = ensure_hashes(paths, EmbeddingSet(paths.root, "r", "e"))
    stamps = {path: path.stat().st_mtime_ns for path in Path(first.folder).iterdir()}
    assert ensure_hashes(paths, EmbeddingSet(paths.root, "r", "e")) == first
    assert stamps == {path: path.stat().st_mtime_ns for path in Path(first.folder).iterdir()}
    write_set(tmp_path, "r", (drawn(9, 0), drawn(9, 1)), side(9, "s"))
    assert ensure_hashes(paths, EmbeddingSet(paths.root, "r", "e")).folder != first.folder


def test_on_a_store_that_is_not_local_they_are_copied_here_to_be_mapped() -> None:
    root = "memory://hashes"
    write_set(root, "r", (drawn(9, 0), drawn(9, 1)), side(9, "r") | {"urls": [None] * 9})
    rows = EmbeddingSet(root, "r", "e")
    files = ensure_hashes(RootPaths(root), rows)
    for kind, count in (("url", 0), ("caption", 9)):
        with files.opened(kind) as sorted_M:
            assert found_in(sorted_M, row_hashes(rows.table(COLUMNS))[kind]).sum() == count
