"""Pairs of .npy, tensors of a .pt and Gram matrices, as sources of `jobs.ingest`."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from small_rows import unit

from jobs.ingest import run
from jobs.ingestion.open import open_job_source
from tda.config.datasets import DatasetConfig
from tda.config.jobs import IngestJob
from tda.config.models import EncoderConfig
from tda.errors import UserError
from tda.store.datasets.embedding_set import EmbeddingSet

N = 50
IMAGE, TEXT = unit(N, dtype="float32"), unit(N, seed=1, dtype="float32")
CAPTIONS = [f"caption {i}" for i in range(N)]


def job(root: Path, source: str, **more: Any) -> IngestJob:
    return IngestJob(
        root=str(root), source=source, dataset=DatasetConfig(name="d"), encoder=EncoderConfig(name="e"), **{"rows_per_shard": 20, **more}
    )


def npy_folder(folder: Path) -> dict[str, Any]:
    np.save(folder / "image.npy", IMAGE)
    np.save(folder / "text.npy", TEXT)
    pq.write_table(pa.table({"caption": CAPTIONS}), folder / "metadata.parquet")
    return {"source": str(folder)}


def npy_braces(folder: Path) -> dict[str, Any]:
    np.save(folder / "img-feats.npy", IMAGE)
    np.save(folder / "txt-feats.npy", TEXT)
    return {"source": f"{folder}/{{img,txt}}-feats.npy"}


def tensors(folder: Path) -> dict[str, Any]:
    torch.save({"image": torch.from_numpy(IMAGE), "text": torch.from_numpy(TEXT), "captions": CAPTIONS}, folder / "x.pt")
    return {"source": str(folder / "x.pt")}


def other_tensors(folder: Path) -> dict[str, Any]:
    torch.save({"img": torch.from_numpy(IMAGE).double(), "txt": torch.from_numpy(TEXT).double().requires_grad_()}, folder / "x.pth")
    return {"source": str(folder / "x.pth"), "image_column": "img", "text_column": "txt"}


@pytest.mark.parametrize("form", [npy_folder, npy_braces, tensors, other_tensors])
def test_every_form_gives_the_same_rows(tmp_path: Path, form: Any) -> None:
    given = form(tmp_path)
    assert run(job(tmp_path / "root", **given)).whole
    found = EmbeddingSet(str(tmp_path / "root"), "d", "e")
    assert np.allclose(found.image(), IMAGE, atol=1e-6)
    assert np.allclose(found.text(), TEXT, atol=1e-6)
    assert found.captions() == (CAPTIONS if form in (npy_folder, tensors) else [""] * N)
    assert "(0 new)" in run(job(tmp_path / "root", **given)).line


def test_bfloat16_tensors_are_read(tmp_path: Path) -> None:
    torch.save({"image": torch.from_numpy(IMAGE).bfloat16(), "text": torch.from_numpy(TEXT).bfloat16()}, tmp_path / "x.pt")
    (batch,) = open_job_source(job(tmp_path, str(tmp_path / "x.pt"))).batches()
    assert np.allclose(batch.image_BD, IMAGE, atol=0.01)


@pytest.mark.parametrize("form", ["npz", "npy"])
def test_a_gram_matrix_has_its_cosines(tmp_path: Path, form: str) -> None:
    rows = np.concatenate([IMAGE, TEXT]).astype(np.float64)
    path = tmp_path / ("grams.npz" if form == "npz" else "clip.npy")
    np.savez(path, clip=rows @ rows.T) if form == "npz" else np.save(path, rows @ rows.T)
    assert run(job(tmp_path / "root", str(path), gram="clip")).whole
    found = EmbeddingSet(str(tmp_path / "root"), "d", "e")
    assert np.allclose(found.image() @ found.text().T, IMAGE @ TEXT.T, atol=1e-5)


@pytest.mark.parametrize("arm", ["clip", "cloob_infoNCE", "clip_infoLOOB", "cloob"])
def test_the_published_matrices_have_the_gap_that_is_known_of_them(tmp_path: Path, shared_data: Path, arm: str) -> None:
    assert run(job(tmp_path, f"{shared_data}/ablation_grams_coco100.npz", gram=arm)).whole
    found = EmbeddingSet(str(tmp_path), "d", "e")
    gap = float(np.linalg.norm(found.image().mean(axis=0) - found.text().mean(axis=0)))
    expected = json.loads((shared_data / "expected.json").read_text())["expected"]["ablation_grams_coco100"][arm]["gap_norm"]
    assert gap == pytest.approx(expected, abs=1e-3)


@pytest.mark.parametrize(
    ("make", "more", "reported"),
    [
        (lambda f: np.savez(f / "x.npz", a=np.eye(4)), {"gram": "b"}, r"has no array 'b'; it has: a"),
        (lambda f: np.savez(f / "x.npz", a=np.ones((4, 6))), {"gram": "a"}, r"\[a\] has shape \(4, 6\)"),
        (lambda f: np.savez(f / "x.npz", a=np.eye(4) * 3), {"gram": "a"}, "on its diagonal"),
        (lambda f: np.save(f / "x.npy", np.eye(4)), {"gram": "y"}, r"or the file y\.npy"),
        (lambda f: torch.save({"a": torch.ones(2)}, f / "x.pt"), {}, r"has no tensors 'image' and 'text'; it has: a: image_column="),
        (lambda f: torch.save([1], f / "x.pt"), {}, "it has: a list"),
        (lambda f: torch.save({"image": torch.ones(2, 2, dtype=torch.int64), "text": torch.ones(2, 2)}, f / "x.pt"), {}, "torch.int64"),
        (lambda f: torch.save({"image": torch.ones(2, 2), "text": torch.ones(3, 2)}, f / "x.pt"), {}, r"of shapes \(2, 2\) and \(3, 2\)"),
        (lambda f: torch.save({"image": torch.ones(2, 2), "text": torch.ones(2, 2), "captions": 3}, f / "x.pt"), {}, "no list of texts"),
        (lambda f: (f / "x.pt").write_bytes(b"no tensors"), {}, "cannot be read"),
        (lambda f: (f / "x.bin").write_bytes(b""), {}, r"or with image\.npy and text\.npy, a \.pt, or Parquet"),
    ],
)
def test_what_is_no_such_source_is_one_line(tmp_path: Path, make: Any, more: dict[str, Any], reported: str) -> None:
    make(tmp_path)
    (path,) = tmp_path.iterdir()
    with pytest.raises(UserError, match=reported) as error:
        open_job_source(job(tmp_path / "root", str(path), **more))
    assert "\n" not in str(error.value)


def test_one_of_a_pair_is_missing(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", IMAGE)
    with pytest.raises(UserError, match=r"b\.npy is not there"):
        open_job_source(job(tmp_path, f"{tmp_path}/{{a,b}}.npy"))


def test_a_large_matrix_is_refused_before_it_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jobs.ingestion.open.MOST_ROWS", 6)
    np.savez(tmp_path / "x.npz", a=np.eye(8))
    with pytest.raises(UserError, match=r"has 8 rows; a Gram matrix of at most 6 is factored"):
        open_job_source(job(tmp_path, f"{tmp_path}/x.npz", gram="a"))
