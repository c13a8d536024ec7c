"""`jobs.plan`: an experiment's cost, held to what a run of it really did."""

from pathlib import Path

import pytest
import torch
from typed import typed

from jobs.embed import embed_sets
from jobs.experiment.datasets_and_encoders import embedded_names, encoder_of, joins_of, views_of
from jobs.plan import plan, run
from jobs.planning.calibrate import calibrated, measured
from tda.config.cluster import ClusterConfig, HardwareConfig
from tda.config.datasets import DatasetConfig, ToyConfig
from tda.config.jobs import PlanJob
from tda.config.models import Arm
from tda.config.stages import EmbedConfig
from tda.encoders import load_configured
from tda.encoders.flops import counting, model_cost
from tda.encoders.formats import open_clip as clip
from tda.encoders.pipeline.shard import embed_shard
from tda.encoders.weights.local_copy import read_config
from tda.errors import UserError
from tda.store.datasets.views import View

ENCODERS = ["toy_infonce", "toy_cloob"]
SIZES = {"toy_heldout": 80, "toy_train": 160}


def job(root: Path, **fields: object) -> PlanJob:
    given = {"datasets": ["toy_heldout-minus-toy_train"], "reference": "toy_train", "encoders": ENCODERS, "pairs": SIZES}
    return PlanJob(root=str(root), **{**given, **fields})


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory, ray_cluster: None) -> Path:  # noqa: ARG001 (Ray for the jobs)
    """A toy run of random weights: embedded."""
    root = tmp_path_factory.mktemp("root")
    encoders = [encoder_of(job(root), name) for name in ENCODERS]
    for encoder in encoders:
        torch.manual_seed(0)
        Path(str(encoder.checkpoint)).parent.mkdir(parents=True)
        torch.save(clip.build(read_config(encoder.config)).state_dict(), str(encoder.checkpoint))
    datasets = [
        DatasetConfig(name=name, shards=f"{root}/shards/{name}/*.tar", toy=ToyConfig(pairs=pairs, pairs_per_shard=40, seed=pairs))
        for name, pairs in SIZES.items()
    ]
    assert all(outcome.whole for outcome in embed_sets(str(root), datasets, encoders, EmbedConfig(), ClusterConfig(actors=1)))
    return root


def test_flops_are_those_of_the_run(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Counted while a shard is embedded, against the plan of as many pairs; captions are cut to their length, the plan takes them whole."""
    monkeypatch.setattr("tda.encoders.pipeline.device.gemm_rate", lambda *_: 1.0)  # what measures the device is not the run's work,
    monkeypatch.setattr("tda.encoders.pipeline.device.flops_of", lambda *_: 0.0)  # nor what counts it
    encoders = {name: load_configured(encoder_of(job(root), name), "cpu") for name in ENCODERS}
    with counting() as counter:
        embed_shard(str(root / "shards/toy_heldout/00000.tar"), encoders, EmbedConfig())
    models = {name: model_cost(encoder_of(job(root), name)) for name in ENCODERS}
    planned = next(iter(plan(job(root), models))).flops / SIZES["toy_heldout"] * 40
    assert 0.6 * planned < counter.get_total_flops() <= planned


def test_bytes_are_those_of_the_run(root: Path) -> None:
    models = {name: model_cost(encoder_of(job(root), name)) for name in ENCODERS}
    costs = {cost.stage: cost for cost in plan(job(root), models)}
    for name in SIZES:
        read = sum(path.stat().st_size for path in (root / "shards" / name).glob("*.tar"))
        written = sum(path.stat().st_size for path in root.glob(f"embeddings/{name}/*/*.parquet"))
        assert costs[f"embed {name}"].read == pytest.approx(read)
        assert costs[f"embed {name}"].written == pytest.approx(written, rel=1.0)  # a small file is half schema
    assert sum(name.startswith(("embed", "nearest")) for name in costs) == 2 + 2


def test_rates_are_calibrated_where_the_devices_are_of_a_kind(root: Path) -> None:
    models = {name: model_cost(encoder_of(job(root), name)) for name in ENCODERS}
    found = measured(str(root), "toy_train", models)
    assert (found.pairs, found.device) == (160, "cpu")
    assert found.flops == 160 * sum(model.pair for model in models.values())
    assert found.rate is not None
    here = calibrated(HardwareConfig(cores=3), found)
    assert here.measured
    assert here.rate == pytest.approx(3 * found.rate)
    assert not calibrated(HardwareConfig(gpus=8, tflops=790, gpu_bytes=141e9), found).measured
    assert not calibrated(HardwareConfig(), measured(str(root), "nowhere", models)).measured


def test_an_experiment_names_what_is_embedded_and_joined(root: Path) -> None:
    two = job(root, datasets=["a-minus-r", "a-minus-r-minus-s", "b"], reference="t")
    assert embedded_names(two) == ["a", "b", "r", "s", "t"]
    assert views_of(two) == [View("a", "r"), View("a-minus-r", "s")]
    assert joins_of(two) == [("a", "r"), ("a", "s"), ("a", "t"), ("b", "t")]
    assert joins_of(job(root, datasets=["toy_train"])) == []


def test_a_size_that_nobody_knows_is_asked_for(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"the size of dataset files_of_mine is not known|dataset=files_of_mine is unknown"):
        run(job(tmp_path, datasets=["files_of_mine"], reference=None))


def test_an_experiment_is_planned_to_its_last_stage(root: Path) -> None:
    arms = {name: Arm(loss="infoloob") for name in ENCODERS}
    whole = job(root, arms=arms, train_dataset="toy_train")
    costs = list(plan(whole, {name: model_cost(encoder_of(whole, name)) for name in ENCODERS}))
    stages = [cost.stage.partition(" ")[0] for cost in costs]
    assert list(dict.fromkeys(stages)) == ["train", "embed", "nearest", "dedupe", "analyze", "report"]
    assert stages.count("train") == stages.count("dedupe") == len(ENCODERS)
    assert all(cost.hours > 0 and cost.memory > 0 for cost in costs if "comparisons" not in cost.stage)
    analysed = [cost.stage for cost in costs if cost.stage.startswith("analyze toy_heldout-minus-toy_train, toy_cloob: ")]
    assert {"retrieval", "umap, mixing", "homology"} <= {stage.rpartition(": ")[2] for stage in analysed}


@pytest.mark.parametrize(
    ("overrides", "reported"),
    [
        (["experiment=paper", "cluster=h200x8"], "embed laion2b"),
        (["experiment=paper", "cluster=h200x8"], "analyze coco, cloob_vitb16_laion400m: retrieval"),
        (["experiment=paper", "cluster=h200x8"], "M: rows of the reference"),
        (["experiment=paper", "cluster=h200x8", "nearest.probes=null"], "2 modalities x 2 N D M"),
    ],
)
def test_as_it_is_typed(tmp_path: Path, overrides: list[str], reported: str) -> None:
    (tmp_path / "root").mkdir()
    done = typed("plan", *overrides, "root=root", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert reported in done.stdout
    assert done.stdout.splitlines()[-1].startswith("plan: ")
    assert "GPU-hours" in done.stdout.splitlines()[-1]
    assert list(tmp_path.rglob("*")) == [tmp_path / "root"], "a plan writes nothing"
