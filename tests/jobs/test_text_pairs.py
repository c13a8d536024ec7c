"""Two texts a pair, from their shards to the page: the same store, analysis and report as images and captions, under their own names."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bad_shards import write_tar
from text_pairs import BAD_LINES, MODALITIES, members, small_carp, story, write_lines, write_table

from jobs import analyze, report
from jobs.embed import embed
from jobs.runtime.app import Outcome
from tda.config.cluster import ClusterConfig
from tda.config.datasets import DatasetConfig
from tda.config.jobs import AnalyzeJob, ReportJob
from tda.config.models import EncoderConfig
from tda.config.stages import EmbedConfig, ReportConfig
from tda.encoders import load_configured
from tda.errors import UserError
from tda.store.commit.quarantine import read_quarantine
from tda.store.commit.records import recorded
from tda.store.datasets.embedding_set import EmbeddingSet
from tda.store.paths import RootPaths

CLUSTER = ClusterConfig(cpus_per_actor=0.5, actors=1)


@pytest.fixture(scope="module")
def carp(tmp_path_factory: pytest.TempPathFactory) -> EncoderConfig:
    return EncoderConfig(name="carp_l", **small_carp(tmp_path_factory.mktemp("carp")))  # type: ignore[arg-type]  # strings all


def run(root: Path, shards: Any, carp: EncoderConfig, **limits: Any) -> Outcome:
    dataset = DatasetConfig(name="stories", shards=shards, modalities=list(MODALITIES))
    return embed(str(root), dataset, [carp], EmbedConfig(batch_size=8, **limits), CLUSTER)


@pytest.mark.usefixtures("ray_cluster")
def test_from_shards_to_the_page(carp: EncoderConfig, tmp_path: Path) -> None:
    shards, root = tmp_path / "shards", tmp_path / "root"
    shards.mkdir()
    stories = [story(i) for i in range(60)]
    lines: list[Any] = [*stories[:20], *(line for line, _ in BAD_LINES)]
    write_lines(shards / "a.jsonl", lines)
    write_table(shards / "b.parquet", stories[20:40])
    write_tar(shards / "c.tar", members(stories[40:]))
    cut = shards / "d.parquet"
    cut.write_bytes((shards / "b.parquet").read_bytes()[:-50])

    done = run(root, f"{shards}/*", carp, max_drop_fraction=0.5, dtype="float32")
    assert not done.whole
    assert done.line.startswith(f"stories / carp_l: 60 of {60 + len(BAD_LINES)} pairs embedded, {len(BAD_LINES)} dropped (")
    assert done.line.endswith(f"1 shard failed: {cut} (truncated)")
    cut.unlink()
    assert run(root, f"{shards}/*", carp, max_drop_fraction=0.5, dtype="float32").whole

    made = EmbeddingSet(str(root), "stories", "carp_l")
    assert made.meta["modalities"] == list(MODALITIES)
    assert made.captions() == [row["review"] for row in stories]
    encoder = load_configured(carp, "cpu")
    for found_ND, modality in ((made.image(), "passage"), (made.text(), "review")):
        wanted_ND = encoder.encode(modality, encoder.tokenize([row[modality] for row in stories])).numpy()
        np.testing.assert_allclose(found_ND, wanted_ND, atol=1e-5)
    quarantine = read_quarantine(RootPaths(str(root)), "stories", "carp_l").to_pylist()
    assert [(row["ordinal"], row["reason"]) for row in quarantine] == [(20 + i, reason) for i, (_, reason) in enumerate(BAD_LINES)]
    records = recorded(RootPaths(str(root)), "stories", "carp_l")
    assert {record.canary["digest"] for record in records.values() if record.canary} == {records["a"].canary["digest"]}  # type: ignore[index]

    analysed = analyze.run(
        AnalyzeJob(root=str(root), dataset=DatasetConfig(name="stories"), encoder=EncoderConfig(name="carp_l"), cluster=CLUSTER)
    )
    assert analysed.whole
    metrics = json.loads((root / "analysis/stories/carp_l/metrics.json").read_text())
    assert metrics["modalities"] == list(MODALITIES)
    assert metrics["separability"]["train"]["accuracy"] > 0.9  # two towers of random weights lie apart
    assert "top-1 passage to review" in analysed.line
    assert metrics["mixing"]["ambient"] > metrics["mixing"]["chance"]
    assert metrics["umap"]["pairs_used"] == metrics["clusters"]["pairs_used"] == 60
    assert all(name in metrics for name in ("per_cluster", "local_dimension", "dimension", "homology"))

    config = ReportConfig(models={"carp_l": "CARP"}, datasets={"stories": "Stories"})
    assert report.run(ReportJob(root=str(root), report=config)).whole
    page = (root / "report/index.html").read_text()
    for reported in (
        "The shape of passage-review embeddings",
        "A linear classifier of review rows against passage rows",
        "Passage to review",
        "Cosine between passage and review",
        "Singular values of review embeddings",
        "review is the positive class",
    ):
        assert reported in page, reported
    for foreign in ("image rows", "text rows", "Text to image", "image embeddings", "an image", "{first}", "{second}"):
        assert foreign not in page, foreign
    table = (root / "report/table1.csv").read_text().splitlines()
    assert table[1].startswith("stories,carp_l (CARP),")
    assert table[1].split(",")[5] == ""  # the paper's .989 is of 5,000 pairs, which these 60 do not compare with


def test_modalities_are_checked_at_the_door(carp: EncoderConfig, tmp_path: Path) -> None:
    shard = str(write_lines(tmp_path / "a.jsonl", [story(0)]))
    with pytest.raises(UserError) as refused:
        embed(str(tmp_path / "root"), DatasetConfig(name="s", shards=shard), [carp], EmbedConfig(), CLUSTER)
    assert str(refused.value) == (
        "dataset.modalities=[image,text], but encoder carp_l embeds [passage,review]: set dataset.modalities=[passage,review]"
    )
    dataset = DatasetConfig(name="s", shards=shard, modalities=list(MODALITIES))
    with pytest.raises(UserError, match=r"but encoder clip embeds \[image,text\]"):
        embed(str(tmp_path / "root"), dataset, [EncoderConfig(name="clip")], EmbedConfig(), CLUSTER)
    assert not (tmp_path / "root").exists()
