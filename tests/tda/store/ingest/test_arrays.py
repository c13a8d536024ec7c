"""Arrays as a source: the partitions of clip-retrieval are matched by number, and faults are named where they are met."""

import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from vector_sources import IMAGE, TEXT, N, clip_retrieval, gather, npz, squeezed_npz

from tda.errors import UserError
from tda.store.ingest.sources import open_source


def test_keys_of_clip_retrieval(tmp_path: Path) -> None:
    batches = gather(open_source(clip_retrieval(tmp_path)))[2]
    assert [key for batch in batches for key in batch.side["key"]] == [str(i) for i in range(N)]


def test_clip_retrieval_without_metadata(tmp_path: Path) -> None:
    clip_retrieval(tmp_path)
    for path in (tmp_path / "metadata").iterdir():
        path.unlink()
    assert np.array_equal(gather(open_source(str(tmp_path)))[1], TEXT)


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


def test_a_damaged_archive_is_reported_when_it_is_reached(tmp_path: Path) -> None:
    path = Path(squeezed_npz(tmp_path))
    content = bytearray(path.read_bytes())
    content[50_000:50_200] = bytes(200)
    path.write_bytes(content)
    source = open_source(str(path))
    with pytest.raises(UserError, match=r"x.npz\[image\] cannot be read"):
        list(source.batches())


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
