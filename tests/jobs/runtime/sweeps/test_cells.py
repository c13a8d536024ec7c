"""Cells: which keys are swept, what a cell is called, and where its results go."""

from typing import Any

import pytest
from omegaconf import DictConfig, OmegaConf

from jobs.runtime.sweeps.cells import Cell, cell_of, current_cell, default_name, is_multirun, swept_keys, working_on
from tda.config.jobs import AnalyzeJob, DedupeJob, EmbedJob, PaperJob, TrainJob

SCHEMAS: dict[str, type] = {"analyze": AnalyzeJob, "dedupe": DedupeJob, "embed": EmbedJob, "train": TrainJob, "paper": PaperJob}
NAMES = {"root": "/r", "dataset": {"name": "d"}, "encoder": {"name": "e"}}


def config(job: str = "analyze", **values: Any) -> DictConfig:
    merged = OmegaConf.merge(OmegaConf.structured(SCHEMAS[job]), NAMES if job != "paper" else {"root": "/r"}, values)
    assert isinstance(merged, DictConfig)
    return merged


def made(job: str, words: list[str], keys: list[str], **values: Any) -> Cell:
    return cell_of(job, config(job, **values), words, keys, None)


def test_keys_with_several_values_are_swept() -> None:
    words = [
        "root='/a,b'",
        "a.b=1,2",
        "c=[1,2]",
        "+d=range(1,4)",
        "e=choice(x,y)",
        "f=interval(0,1)",
        "g=[1],[2]",
        "-m",
        "h=1",
        "broken=[}",
    ]
    assert swept_keys(words) == ["a.b", "d", "e", "f", "g"]
    assert is_multirun(["root=r", "-m"])
    assert not is_multirun(["root=r", "name=-m"])


@pytest.mark.parametrize(
    ("job", "keys", "name"),
    [
        ("dedupe", ["encoder.name", "dedupe.threshold"], "dedupe-encoder-threshold"),
        ("dedupe", ["dedupe.threshold", "encoder"], "dedupe-encoder-threshold"),
        ("analyze", ["analysis.mixing.k", "analysis.compare.k"], "analyze-analysis.compare.k-analysis.mixing.k"),
        ("nearest", ["dataset@reference"], "nearest-dataset_reference"),
    ],
)
def test_a_sweep_is_called_by_its_job_and_keys(job: str, keys: list[str], name: str) -> None:
    assert default_name(job, keys) == name


def test_a_cell_has_a_folder_of_its_hash_and_values() -> None:
    words = ["dataset.name=d", "encoder.name=e", "analysis.mixing.k=5", "analysis.parts=[gap]", "analysis.seed=1"]
    settings = {"mixing": {"k": 5}, "parts": ["gap"], "seed": 1}
    cell = made("analyze", words, ["encoder.name", "analysis.mixing.k", "analysis.parts"], analysis=settings)
    assert cell.values == {"encoder.name": "e", "analysis.mixing.k": 5, "analysis.parts": ["gap"]}
    assert cell.words == "encoder.name=e analysis.mixing.k=5 analysis.parts=[gap]"
    assert cell.names == {"dataset": "d", "encoder": "e"}
    assert cell.name[8:] == "-encoder.name=e-k=5-parts=_gap_"
    assert cell.root == f"/r/sweeps/analyze-encoder-k-parts/{cell.name}"


def test_the_hash_is_of_what_changes_the_result() -> None:
    words = ["analysis.mixing.k=5"]
    keys = ["analysis.mixing.k"]
    first = made("analyze", words, keys, analysis={"mixing": {"k": 5}})
    elsewhere = {"root": "/moved", "cluster": {"actors": 3}, "sweep": {"parallel": 2, "objective": "gap", "name": "n"}}
    moved = made("analyze", words, keys, analysis={"mixing": {"k": 5}}, **elsewhere)
    assert moved.name == first.name
    assert made("analyze", words, keys, analysis={"mixing": {"k": 5}, "seed": 1}).name != first.name
    shards = [
        made("embed", ["embed.dtype=float32"], ["embed.dtype"], root=root, dataset={"shards": f"{root}/a.tar"}) for root in ("/a", "/b/c")
    ]
    assert shards[0].name == shards[1].name
    grids = [made("paper", ["sweep.max_pairs=9"], ["sweep.max_pairs"], sweep={"max_pairs": pairs}) for pairs in (8, 9)]
    assert grids[0].name != grids[1].name, "a grid of layouts is a result of an experiment"


@pytest.mark.parametrize(
    ("job", "words", "keys", "main"),
    [
        ("analyze", ["encoder.name=e", "dataset.name=d"], ["encoder.name", "dataset.name"], True),
        ("analyze", ["analysis.umap.n_neighbors=5", "encoder.name=e"], ["encoder.name", "analysis.umap.n_neighbors"], True),
        ("analyze", ["analysis.umap.n_neighbors=5", "analysis.seed=1"], ["analysis.umap.n_neighbors", "analysis.seed"], False),
        ("analyze", ["analysis.umap.spread=2"], ["analysis.umap.spread"], False),
        ("dedupe", ["dedupe.rule=text", "encoder.name=e"], ["dedupe.rule", "encoder.name"], True),
        ("train", ["arm=cloob"], ["arm"], True),
        ("train", ["arm=cloob", "encoder=mine"], ["arm"], False),
        ("train", ["arm=cloob", "encoder=mine"], ["arm", "encoder"], True),
        ("embed", ["encoder.checkpoint=a.pt"], ["encoder.checkpoint"], False),
    ],
)
def test_results_with_a_place_by_name_go_there(job: str, words: list[str], keys: list[str], main: bool) -> None:
    assert (made(job, words, keys).root == "/r") == main


def test_without_several_values_all_that_is_given_is_the_cell() -> None:
    words = ["root=/r", "dataset.name=d", "encoder.name=e", "analysis.seed=1", "cluster.actors=2", "sweep.name=n"]
    assert made("analyze", words, [], analysis={"seed": 1}).values == {"analysis.seed": 1}
    assert made("analyze", words[:3], []).values == {"dataset.name": "d", "encoder.name": "e"}


def test_cells_of_embeddings_hold_their_own() -> None:
    assert made("embed", ["embed.dtype=float32"], ["embed.dtype"]).name[8] == "@"
    assert made("paper", ["dedupe.threshold=0.9"], ["dedupe.threshold"]).name[8] == "@"
    assert made("paper", ["analysis.seed=1"], ["analysis.seed"]).name[8] == "-"


def test_secrets_are_in_no_name_and_no_value() -> None:
    words = ["dataset.shards=s3://user:hush@bucket/a.tar"]
    cell = made("embed", words, ["dataset.shards"], dataset={"shards": "s3://user:hush@bucket/a.tar"})
    assert "hush" not in f"{cell.name} {cell.values}"


def test_the_cell_that_is_worked_on() -> None:
    cell = made("dedupe", ["dedupe.rule=text"], ["dedupe.rule"])
    assert current_cell() is None
    with working_on(cell):
        assert current_cell() is cell
    assert current_cell() is None
