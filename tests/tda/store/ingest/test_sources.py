import subprocess
import sys
import zipfile
from pathlib import Path

import fsspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from small_rows import SOURCE, identity, small_rows, unit

from tda.errors import UserError
from tda.store.commit.transaction import publish_shard
from tda.store.ingest.sources import Batch, VectorSource, fingerprint, open_source
from tda.store.paths import RootPaths

N = 9_500
IMAGE, TEXT = unit(N, dtype="float32"), unit(N, seed=1, dtype="float32")
CAPTIONS = [f"caption {i}" for i in range(N)]


def npz(folder: Path) -> str:
    np.savez(folder / "x.npz", image=IMAGE, text=TEXT, other=np.zeros(3))
    return str(folder / "x.npz")


def squeezed_npz(folder: Path) -> str:
    np.savez_compressed(folder / "x.npz", image=IMAGE, text=TEXT)
    return str(folder / "x.npz")


def clip_retrieval(folder: Path) -> str:
    for name in ("img_emb", "text_emb", "metadata"):
        (folder / name).mkdir()
    for part, (low, high) in enumerate([(0, 5000), (5000, 5001), (5001, N)]):
        number = {0: "0", 1: "1", 2: "10"}[part]
        np.save(folder / f"img_emb/img_emb_{number}.npy", IMAGE[low:high])
        np.save(folder / f"text_emb/text_emb_{number}.npy", TEXT[low:high])
        table = pa.table(
            {"image_path": [str(i) for i in range(low, high)], "caption": CAPTIONS[low:high], "similarity": [0.3] * (high - low)}
        )
        pq.write_table(table, folder / f"metadata/metadata_{number}.parquet", row_group_size=777)
    return str(folder)


def parquet(folder: Path) -> str:
    for name, (low, high) in {"a": (0, 6000), "b": (6000, N)}.items():
        columns = {"image": list(IMAGE[low:high]), "text": list(TEXT[low:high]), "caption": CAPTIONS[low:high]}
        pq.write_table(pa.table(columns), folder / f"{name}.parquet", row_group_size=2500)
    return str(folder)


def parquet_glob(folder: Path) -> str:
    parquet(folder)
    return f"{folder}/*.parquet"


FORMS = [npz, squeezed_npz, clip_retrieval, parquet, parquet_glob]


def gather(source: VectorSource, start: int = 0) -> tuple[np.ndarray, np.ndarray, list[Batch]]:
    batches = list(source.batches(start))
    assert [batch.start for batch in batches] == list(np.cumsum([start, *map(len, batches)])[:-1])
    return np.concatenate([batch.image_BD for batch in batches]), np.concatenate([batch.text_BD for batch in batches]), batches


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


def test_keys_of_clip_retrieval(tmp_path: Path) -> None:
    batches = gather(open_source(clip_retrieval(tmp_path)))[2]
    assert [key for batch in batches for key in batch.side["key"]] == [str(i) for i in range(N)]


def test_clip_retrieval_without_metadata(tmp_path: Path) -> None:
    clip_retrieval(tmp_path)
    for path in (tmp_path / "metadata").iterdir():
        path.unlink()
    assert np.array_equal(gather(open_source(str(tmp_path)))[1], TEXT)


def test_other_names_of_arrays_and_columns(tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", a=IMAGE, b=TEXT)
    assert np.array_equal(gather(open_source(str(tmp_path / "x.npz"), "b", "a"))[0], TEXT)
    pq.write_table(pa.table({"a": list(IMAGE), "text": CAPTIONS, "b": list(TEXT)}), tmp_path / "x.parquet")
    assert np.array_equal(gather(open_source(str(tmp_path / "x.parquet"), "a", "b"))[0], IMAGE)


def test_our_own_table_is_a_source(tmp_path: Path) -> None:
    publish_shard(RootPaths(str(tmp_path)), "d", "e", "0", rows=small_rows(50), drops=[], identity=identity(), source=SOURCE)
    image, _, batches = gather(open_source(RootPaths(str(tmp_path)).embedding("d", "e", "0")))
    assert np.array_equal(image, small_rows(50).image_ND)
    assert batches[0].side["key"][3] == "000000003"


def test_sources_on_an_object_store(tmp_path: Path) -> None:
    fs = fsspec.filesystem("memory")
    fs.put(npz(tmp_path), "/bucket-of-sources/x.npz")
    (tmp_path / "cr").mkdir()
    fs.put(clip_retrieval(tmp_path / "cr"), "/bucket-of-sources/cr", recursive=True)
    for url in ("memory://bucket-of-sources/x.npz", "memory://bucket-of-sources/cr"):
        assert np.array_equal(gather(open_source(url))[0], IMAGE)


def saved(folder: Path, **arrays: np.ndarray) -> str:
    np.savez(folder / "x.npz", **arrays)
    return str(folder / "x.npz")


def test_what_cannot_be_a_source_is_reported_in_one_line(tmp_path: Path) -> None:
    faults = {
        "is not there": str(tmp_path / "none"),
        "none.npz is not there": str(tmp_path / "none.npz"),
        "is not an .npz": _written(tmp_path / "junk.npz", b"junk"),
        r"has no array 'text'; it has: image": saved(_made(tmp_path / "1"), image=IMAGE),
        "3 image rows and 4 text rows": saved(_made(tmp_path / "2"), image=IMAGE[:3], text=TEXT[:4]),
        "image rows of 8 dimensions and text rows of 7": saved(_made(tmp_path / "3"), image=IMAGE, text=TEXT[:, :7].copy()),
        r"shape \(8,\)": saved(_made(tmp_path / "4"), image=IMAGE[0], text=TEXT[0]),
        "object": saved(_made(tmp_path / "5"), image=np.array([[None]]), text=TEXT),
        "has no rows": saved(_made(tmp_path / "6"), image=IMAGE[:0], text=TEXT[:0]),
        "matches no .npz": str(_made(tmp_path / "7")),
        "is not a Parquet file": _written(tmp_path / "junk.parquet", b"<html>"),
        "Parquet$": str(tmp_path / "*.nothing"),
    }
    for reported, url in faults.items():
        with pytest.raises(UserError, match=reported) as caught:
            open_source(url)
        assert "\n" not in str(caught.value)


def test_a_folder_that_lacks_a_part_is_reported(tmp_path: Path) -> None:
    clip_retrieval(tmp_path)
    np.save(tmp_path / "text_emb/text_emb_10.npy", TEXT[:7])
    with pytest.raises(UserError, match=r"img_emb_10.npy has 4499 image rows and 7 text rows"):
        open_source(str(tmp_path))
    (tmp_path / "text_emb/text_emb_10.npy").unlink()
    with pytest.raises(UserError, match=r"3 in img_emb/, 2 in text_emb/, 3 in metadata/"):
        open_source(str(tmp_path))


def test_a_number_twice_is_refused_and_what_is_left_out_is_named(tmp_path: Path) -> None:
    clip_retrieval(tmp_path)
    np.save(tmp_path / "img_emb/img_emb_old.npy", IMAGE[:5])
    assert open_source(str(tmp_path)).notes == [
        f"source={tmp_path}: img_emb/img_emb_old.npy is left out, it is no img_emb_<number>.npy",
        f"source={tmp_path} has no partition 2, 3, 4, 5, 6, ... of 0 to 10",
    ]
    for name in ("img_emb", "text_emb"):
        np.save(tmp_path / f"{name}/{name}_01.npy", IMAGE[5000:5001])
    with pytest.raises(UserError, match=r"has partition 1 twice: img_emb_01\.npy and img_emb_1\.npy in img_emb/"):
        open_source(str(tmp_path))


def test_a_number_far_away_costs_nothing(tmp_path: Path) -> None:
    for name in ("img_emb", "text_emb"):
        (tmp_path / name).mkdir()
        np.save(tmp_path / f"{name}/{name}_999999999999999999.npy", IMAGE[:9])
    assert "has no partition 0, 1, 2, 3, 4, ... of 0 to 999999999999999999" in open_source(str(tmp_path)).notes[0]


def test_an_array_twice_in_an_npz_is_refused(tmp_path: Path) -> None:
    source = npz(tmp_path)
    with zipfile.ZipFile(source, "a") as archive, pytest.warns(UserWarning, match="Duplicate"):
        archive.writestr("image.npy", b"")
    with pytest.raises(UserError, match="has more than one array 'image'"):
        open_source(source)


def test_metadata_of_another_length_is_reported(tmp_path: Path) -> None:
    clip_retrieval(tmp_path)
    pq.write_table(pa.table({"caption": ["x"]}), tmp_path / "metadata/metadata_1.parquet")
    pq.write_table(pa.table({"caption": ["x"]}), tmp_path / "metadata/metadata_0.parquet")
    with pytest.raises(UserError, match=r"metadata_0.parquet has 1 rows"):
        open_source(str(tmp_path))


def test_columns_that_are_missing_or_unequal_are_reported(tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    pq.write_table(pa.table({"image": list(IMAGE)}), path)
    with pytest.raises(UserError, match="no column 'text'; it has: image"):
        open_source(str(path))
    pq.write_table(pa.table({"image": list(IMAGE), "text": list(TEXT[:, :5].copy())}), path)
    with pytest.raises(UserError, match="5 and 8 dimensions"):
        open_source(str(path))


def test_a_damaged_archive_is_reported_when_it_is_reached(tmp_path: Path) -> None:
    path = Path(squeezed_npz(tmp_path))
    content = bytearray(path.read_bytes())
    content[50_000:50_200] = bytes(200)
    path.write_bytes(content)
    source = open_source(str(path))
    with pytest.raises(UserError, match=r"x.npz\[image\] cannot be read"):
        list(source.batches())


def test_the_fingerprint_is_of_content_and_not_of_names(tmp_path: Path) -> None:
    first = fingerprint([_written(tmp_path / "a", b"12"), _written(tmp_path / "b", b"3")])
    assert first == fingerprint([_written(tmp_path / "c", b"12"), _written(tmp_path / "d", b"3")])
    assert first[0] != fingerprint([_written(tmp_path / "a", b"1"), _written(tmp_path / "b", b"23")])[0]
    assert first[1] == 3


STREAM = """
import resource, sys
from tda.store.ingest.sources import open_source
source = open_source(sys.argv[1])
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
rows = sum(len(batch) for batch in source.batches())
print(rows, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


def test_a_large_npz_is_streamed_in_little_memory(tmp_path: Path) -> None:
    big = np.zeros((400_000, 64), np.float32)
    np.savez_compressed(tmp_path / "big.npz", image=big, text=big)
    done = subprocess.run([sys.executable, "-c", STREAM, str(tmp_path / "big.npz")], capture_output=True, text=True, check=True)
    rows, grown = map(int, done.stdout.split())
    unit_bytes = 1 if sys.platform == "darwin" else 1024  # of ru_maxrss
    assert rows == 400_000
    assert grown * unit_bytes < big.nbytes / 4, "an array is 102 MB, a batch of it 1 MB"


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder


def _written(path: Path, content: bytes) -> str:
    path.write_bytes(content)
    return str(path)


def test_a_file_without_captions_says_so_and_a_named_column_is_read(tmp_path: Path) -> None:
    columns = {"image": list(IMAGE[:5]), "text": list(TEXT[:5]), "alt": CAPTIONS[:5]}
    pq.write_table(pa.table(columns), tmp_path / "x.parquet")
    source = open_source(str(tmp_path / "x.parquet"))
    assert source.notes == [
        f"source={tmp_path}/x.parquet has no column caption, TEXT, text: captions stay empty; caption_column= names one"
    ]
    named = open_source(str(tmp_path / "x.parquet"), side={"caption": "alt"})
    assert named.notes == []
    assert next(named.batches()).side["caption"] == CAPTIONS[:5]
    with pytest.raises(UserError, match=r"source=.*x\.parquet: caption_column=none is no column; there are: image, text, alt"):
        open_source(str(tmp_path / "x.parquet"), side={"caption": "none"})


def test_a_vector_column_twice_is_one_line(tmp_path: Path) -> None:
    table = pa.table([list(IMAGE[:5]), list(IMAGE[:5]), list(TEXT[:5])], names=["image", "image", "text"])
    pq.write_table(table, tmp_path / "x.parquet")
    with pytest.raises(UserError, match=r"source=.*x\.parquet: column image stands in the file 2 times"):
        open_source(str(tmp_path / "x.parquet"))
