"""Every form of a source streams the same rows; what is none is reported in one line."""

from pathlib import Path

import fsspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from vector_sources import (
    CAPTIONS,
    IMAGE,
    TEXT,
    N,
    clip_retrieval,
    gather,
    made,
    npz,
    parquet,
    parquet_glob,
    saved,
    squeezed_npz,
    written,
)

from tda.errors import UserError
from tda.store.ingest.sources import fingerprint, open_source

FORMS = [npz, squeezed_npz, clip_retrieval, parquet, parquet_glob]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("start", [0, 1, 5000, 6001])
def test_every_form_streams_the_same_rows(tmp_path: Path, form: object, start: int) -> None:
    source = open_source(form(tmp_path))  # type: ignore[operator]
    image, text, batches = gather(source, start)
    assert (source.rows, source.dim) == (N, 8)
    assert np.array_equal(image, IMAGE[start:])
    assert np.array_equal(text, TEXT[start:])
    if "caption" in batches[0].side:
        assert [caption for batch in batches for caption in batch.side["caption"]] == CAPTIONS[start:]


def test_other_names_of_arrays_and_columns(tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", a=IMAGE, b=TEXT)
    assert np.array_equal(gather(open_source(str(tmp_path / "x.npz"), "b", "a"))[0], TEXT)
    pq.write_table(pa.table({"a": list(IMAGE), "text": CAPTIONS, "b": list(TEXT)}), tmp_path / "x.parquet")
    assert np.array_equal(gather(open_source(str(tmp_path / "x.parquet"), "a", "b"))[0], IMAGE)


def test_sources_on_an_object_store(tmp_path: Path) -> None:
    fs = fsspec.filesystem("memory")
    fs.put(npz(tmp_path), "/bucket-of-sources/x.npz")
    (tmp_path / "cr").mkdir()
    fs.put(clip_retrieval(tmp_path / "cr"), "/bucket-of-sources/cr", recursive=True)
    for url in ("memory://bucket-of-sources/x.npz", "memory://bucket-of-sources/cr"):
        assert np.array_equal(gather(open_source(url))[0], IMAGE)


def test_what_cannot_be_a_source_is_reported_in_one_line(tmp_path: Path) -> None:
    faults = {
        "is not there": str(tmp_path / "none"),
        "none.npz is not there": str(tmp_path / "none.npz"),
        "is not an .npz": written(tmp_path / "junk.npz", b"junk"),
        r"has no array 'text'; it has: image": saved(made(tmp_path / "1"), image=IMAGE),
        "3 image rows and 4 text rows": saved(made(tmp_path / "2"), image=IMAGE[:3], text=TEXT[:4]),
        "image rows of 8 dimensions and text rows of 7": saved(made(tmp_path / "3"), image=IMAGE, text=TEXT[:, :7].copy()),
        r"shape \(8,\)": saved(made(tmp_path / "4"), image=IMAGE[0], text=TEXT[0]),
        "object": saved(made(tmp_path / "5"), image=np.array([[None]]), text=TEXT),
        "has no rows": saved(made(tmp_path / "6"), image=IMAGE[:0], text=TEXT[:0]),
        "matches no .npz": str(made(tmp_path / "7")),
        "is not a Parquet file": written(tmp_path / "junk.parquet", b"<html>"),
        "Parquet$": str(tmp_path / "*.nothing"),
    }
    for reported, url in faults.items():
        with pytest.raises(UserError, match=reported) as caught:
            open_source(url)
        assert "\n" not in str(caught.value)


def test_the_fingerprint_is_of_content_and_not_of_names(tmp_path: Path) -> None:
    first = fingerprint([written(tmp_path / "a", b"12"), written(tmp_path / "b", b"3")])
    assert first == fingerprint([written(tmp_path / "c", b"12"), written(tmp_path / "d", b"3")])
    assert first[0] != fingerprint([written(tmp_path / "a", b"1"), written(tmp_path / "b", b"23")])[0]
    assert first[1] == 3
