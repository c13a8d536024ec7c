import inspect

import pytest

from tda.errors import UserError
from tda.store.paths import TOP_FOLDERS, RootPaths


def test_names_are_those_that_were_published() -> None:
    paths = RootPaths("s3://bucket/root/")
    assert paths.embedding("coco", "clip", "00000") == "s3://bucket/root/embeddings/coco/clip/00000.parquet"
    assert paths.record("coco", "clip", "00000") == "s3://bucket/root/embeddings/coco/clip/_records/00000.json"
    assert paths.quarantine("coco", "clip", "00000") == "s3://bucket/root/quarantine/coco/clip/00000.parquet"
    assert paths.metrics("coco", "clip") == "s3://bucket/root/analysis/coco/clip/metrics.json"
    assert paths.model_dir("clip") == "s3://bucket/root/models/clip"
    assert paths.report() == "s3://bucket/root/report/index.html"
    assert paths.toy_shards_dir("toy") == "s3://bucket/root/shards/toy"


def test_the_top_folders_are_those_of_the_files() -> None:
    methods = [method for name, method in inspect.getmembers(RootPaths, inspect.isfunction) if not name.startswith("_")]
    urls = [method(RootPaths("/r"), *("x" for _ in list(inspect.signature(method).parameters)[1:])) for method in methods]
    assert {url.split("/")[2] for url in urls} == set(TOP_FOLDERS)


@pytest.mark.parametrize("name", ["", "..", "a/b", "_records", ".hidden", "a b", "a\n", "é", "x" * 161])
def test_a_name_that_cannot_name_a_folder_is_refused_by_its_key(name: str) -> None:
    with pytest.raises(UserError, match=r"dataset\.name="):
        RootPaths("/r").embeddings_dir(name, "clip")
    with pytest.raises(UserError, match=r"encoder\.name="):
        RootPaths("/r").model_dir(name)
    with pytest.raises(UserError, match="shard="):
        RootPaths("/r").record("coco", "clip", name)


def test_a_cell_of_a_sweep_has_results_of_its_own_and_the_rows_of_the_root_around_it() -> None:
    cell = RootPaths("/r/sweeps/s/0123abcd-k=1")
    assert cell.metrics("coco", "clip") == "/r/sweeps/s/0123abcd-k=1/analysis/coco/clip/metrics.json"
    assert cell.report() == "/r/sweeps/s/0123abcd-k=1/report/index.html"
    assert cell.embeddings_dir("coco", "clip") == "/r/embeddings/coco/clip"
    assert cell.record("coco", "clip", "00000") == "/r/embeddings/coco/clip/_records/00000.json"
