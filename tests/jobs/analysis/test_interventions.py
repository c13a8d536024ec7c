"""The part interventions through `jobs.analyze`: the library's numbers on the sample, and notes instead of numbers of few pairs."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from recorded_rows import write_set

from jobs.analyze import run
from jobs.planning.analysis import part_costs
from jobs.planning.costs import Machines
from jobs.planning.work import Size
from tda.config.analysis import AnalysisConfig, InterventionsConfig
from tda.config.cluster import ClusterConfig
from tda.config.datasets import DatasetConfig
from tda.config.jobs import AnalyzeJob
from tda.config.models import EncoderConfig
from tda.errors import UserError
from tda.geometry.modalities.interventions import interventions
from tda.store.datasets.embedding_set import EmbeddingSet

CHOSEN: dict[str, Any] = {"shifts": [0.5], "dropped": [2], "draws": 100}


def write(root: Path, count: int) -> EmbeddingSet:
    rng = np.random.default_rng(0)
    image_ND = rng.standard_normal((count, 16)) + 0.2
    write_set(root, "world", image_ND, image_ND + 0.3 * rng.standard_normal((count, 16)) - 0.4)
    return EmbeddingSet(str(root), "world", "tiny")


def measured(root: Path, **options: Any) -> dict[str, Any]:
    config = AnalysisConfig(parts=["interventions"], block_rows=40, interventions=InterventionsConfig(**{**CHOSEN, **options}))
    names = {"dataset": DatasetConfig(name="world"), "encoder": EncoderConfig(name="tiny")}
    run(AnalyzeJob(root=str(root), analysis=config, cluster=ClusterConfig(), **names))
    found: dict[str, Any] = json.loads((root / "analysis/world/tiny/metrics.json").read_text())["interventions"]
    return found


@pytest.mark.usefixtures("ray_cluster")
def test_numbers_are_the_librarys_on_all_pairs_or_on_the_sample(tmp_path: Path) -> None:
    embeddings = write(tmp_path, 120)
    whole = measured(tmp_path)
    assert whole == interventions(embeddings.image(), embeddings.text(), **CHOSEN, seed=0)
    assert [(one["kind"], one["amount"]) for one in whole["points"]] == [
        ("none", 0), ("shift", 0.5), ("shift", 1), ("centre", 1), ("drop", 2), ("rotate", 1)
    ]  # fmt: skip
    fewer = measured(tmp_path, sample=50)
    assert (fewer["fit_pairs"], fewer["pairs"]) == (25, 25)


@pytest.mark.usefixtures("ray_cluster")
def test_too_few_pairs_have_a_note(tmp_path: Path) -> None:
    write(tmp_path, 15)
    found = measured(tmp_path)
    assert (found["points"], found["notes"]) == ([], ["15 pairs are too few for interventions"])


@pytest.mark.parametrize("options", [{"sample": 15}, {"draws": 99}, {"dropped": [0]}, {"shifts": [11.0]}])
def test_bounds(options: dict[str, Any]) -> None:
    ((field, value),) = options.items()
    shown = value[0] if isinstance(value, list) else value
    with pytest.raises(UserError, match=rf"analysis.interventions.{field}=.*{shown}"):
        InterventionsConfig(**options)


def test_the_plan_grows_with_the_sample_and_not_with_the_pairs() -> None:
    def seconds(pairs: int, **options: Any) -> float:
        analysis = AnalysisConfig(parts=["interventions"], interventions=InterventionsConfig(**options))
        (cost,) = part_costs(Size(pairs=pairs, dim=512, itemsize=2), analysis, Machines.of(ClusterConfig().hardware))
        assert cost.stage == "interventions"
        return cost.core_seconds

    assert seconds(10**6) == seconds(10**9)
    assert seconds(10**6, sample=2000) < seconds(10**6) / 2
    assert seconds(1000, dropped=[1]) < seconds(1000)
