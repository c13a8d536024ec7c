"""Pairs that are not in tars, embedded as shards: the vectors of a tar, resumed, held to their content, replayed, looked up."""

import os
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
from loose_pairs import COUNT, as_bytes, as_coco, as_folder, as_list, as_tar

from jobs.embed import embed
from jobs.runtime.app import Outcome
from jobs.train import _task
from jobs.watch import work_digest
from tda.config.cluster import ClusterConfig
from tda.config.datasets import DatasetConfig
from tda.config.jobs import TrainJob, WatchJob
from tda.config.models import EncoderConfig
from tda.config.stages import EmbedConfig
from tda.encoders.training.data import read_training_pairs
from tda.errors import UserError
from tda.store.commit.records import recorded
from tda.store.datasets.embedding_set import EmbeddingSet
from tda.store.datasets.row_lookup import Gone, encoded_images
from tda.store.paths import RootPaths

pytestmark = pytest.mark.usefixtures("ray_cluster")


@pytest.fixture(scope="module")
def tiny(shared_golden: Path) -> EncoderConfig:
    file = shared_golden / "openclip_vit_tiny"
    return EncoderConfig(name="tiny", config=f"{file}.json", checkpoint=f"{file}.safetensors")


def embed_one(root: Path, dataset: DatasetConfig, tiny: EncoderConfig, *, replay: bool = False, **limits: object) -> Outcome:
    cluster = ClusterConfig(cpus_per_actor=0.5, actors=1)
    return embed(str(root), dataset, [tiny], EmbedConfig(**limits), cluster, replay=replay)  # type: ignore[arg-type]  # as given


def test_every_format_gives_the_vectors_of_the_tar_and_is_resumed(tiny: EncoderConfig, tmp_path: Path) -> None:
    root = tmp_path / "root"
    made = {}
    for maker in (as_tar, as_folder, as_coco, lambda folder: as_list(folder, ".csv"), as_bytes):
        dataset = maker(tmp_path)
        assert embed_one(root, dataset, tiny).whole
        made[dataset.name] = EmbeddingSet(str(root), dataset.name, "tiny")
        again = embed_one(root, dataset, tiny)
        assert again.whole
        assert f"({len(made[dataset.name].shards)} done before)" in again.line
    for name in "fclb":
        np.testing.assert_allclose(made[name].image().astype(float), made["t"].image().astype(float), atol=2e-3)
        assert made[name].captions() == made["t"].captions()
        assert [record.rows_in for record in recorded(RootPaths(str(root)), name, "tiny").values()] == [3, 3, 1]


def test_content_that_is_touched_stays_done_and_content_that_changed_is_refused(tiny: EncoderConfig, tmp_path: Path) -> None:
    data, root = tmp_path / "data", tmp_path / "root"
    data.mkdir()
    dataset = as_folder(data)
    assert embed_one(root, dataset, tiny).whole
    for file in data.iterdir():
        os.utime(file, (1, 1))
    assert "3 done before" in embed_one(root, dataset, tiny).line
    (data / "000004.txt").write_text("picture number 9, é")
    with pytest.raises(UserError, match=r"00001\.[0-9a-f]{12}\.unit has changed since it was embedded"):
        embed_one(root, dataset, tiny)
    assert "2 done before" in embed_one(root, dataset, tiny, changed="redo").line
    assert EmbeddingSet(str(root), "f", "tiny").captions()[4] == "picture number 9, é"
    with pytest.raises(UserError, match="has changed"):
        embed_one(root, replace(dataset, rows_per_shard=4), tiny)


def test_a_dropped_picture_is_replayed_and_pictures_are_found_again(tiny: EncoderConfig, tmp_path: Path) -> None:
    data, root = tmp_path / "data", tmp_path / "root"
    data.mkdir()
    dataset = as_folder(data)
    small = embed_one(root, dataset, tiny, max_pixels=10, max_drop_fraction=1)
    assert f"{COUNT} dropped (image_too_large {COUNT})" in small.line
    assert f"{COUNT} of {COUNT} pairs embedded" in embed_one(root, dataset, tiny, replay=True).line
    path = recorded(RootPaths(str(root)), "f", "tiny")["00001"].source["path"]
    found = list(encoded_images({path: [0, 2]}))
    assert [(one[1], one[2]) for one in found if not isinstance(one, Gone)] == [
        (0, (data / "000003.jpg").read_bytes()),
        (2, (data / "000005.jpg").read_bytes()),
    ]


def test_training_reads_them_too(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    job = TrainJob(
        root=str(tmp_path / "root"), dataset=as_folder(data), encoder=EncoderConfig(name="m", config="pkg://conf/model/toy.json")
    )
    task = _task(job)
    assert [name for name, _ in task.arm.shards] == ["00000", "00001", "00002"]
    pairs = read_training_pairs(task.urls, task.arm.settings)
    assert (len(pairs), pairs.drops) == (COUNT, 0)


def test_the_digest_of_a_watched_training_run_is_that_of_the_last_version() -> None:
    job = WatchJob(root="r", checkpoints="c", encoder=EncoderConfig(name="e"))
    tars, units = DatasetConfig(name="d", shards="x"), DatasetConfig(name="d", shards="x", format="folder")
    assert set(asdict(tars)) > {"format", "images", "columns", "rows_per_shard"}
    assert work_digest(job, [tars]) != work_digest(job, [units])
