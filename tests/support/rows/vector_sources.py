"""The same few thousand pairs in every form that `jobs.ingest` reads, and what a source streams of them."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from small_rows import unit

from tda.store.ingest.batch import Batch, VectorSource

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


def gather(source: VectorSource, start: int = 0) -> tuple[np.ndarray, np.ndarray, list[Batch]]:
    batches = list(source.batches(start))
    assert [batch.start for batch in batches] == list(np.cumsum([start, *map(len, batches)])[:-1])
    return np.concatenate([batch.image_BD for batch in batches]), np.concatenate([batch.text_BD for batch in batches]), batches


def saved(folder: Path, **arrays: np.ndarray) -> str:
    np.savez(folder / "x.npz", **arrays)
    return str(folder / "x.npz")


def made(folder: Path) -> Path:
    folder.mkdir()
    return folder


def written(path: Path, content: bytes) -> str:
    path.write_bytes(content)
    return str(path)
