"""The command on the drawn world: a training run whose checkpoints are analysed, in this process."""

import json
import shutil
from pathlib import Path

import pytest

from jobs.runtime.session import shared_ray
from jobs.train import run as train
from jobs.watch import encoder_of, run, work_digest
from jobs.watching.runner import Task
from tda.config.analysis import AnalysisConfig
from tda.config.cluster import ClusterConfig
from tda.config.datasets import DatasetConfig, ToyConfig
from tda.config.jobs import TrainJob, WatchJob
from tda.config.models import EncoderConfig, TrainConfig
from tda.config.stages import EmbedConfig
from tda.config.watch import WatchConfig
from tda.errors import UserError
from tda.store.datasets.embedding_set import EmbeddingSet

MODEL = {
    "embed_dim": 16,
    "vision_cfg": {"image_size": 16, "patch_size": 8, "width": 32, "layers": 1, "head_width": 16},
    "text_cfg": {"context_length": 40, "vocab_size": 512, "width": 16, "heads": 2, "layers": 1},
}


def dataset(root: Path) -> DatasetConfig:
    return DatasetConfig(name="toy", shards=f"{root}/shards/toy/*.tar", toy=ToyConfig(pairs=60, pairs_per_shard=30))


def job(root: Path, **values: object) -> WatchJob:
    config = root / "model.json"
    root.mkdir(exist_ok=True)
    config.write_text(json.dumps(MODEL))
    given = {
        "root": str(root),
        "checkpoints": f"{root}/models/tiny",
        "once": True,
        "encoder": EncoderConfig(name="tiny", config=str(config)),
        "dataset": dataset(root),
        "watch": WatchConfig(settle_seconds=0),
        "analysis": AnalysisConfig(parts=["gap", "retrieval"]),
        "cluster": ClusterConfig(),
    }
    return WatchJob(**{**given, **values})  # type: ignore[arg-type]


@pytest.mark.long
def test_a_training_run_and_its_checkpoints(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    root = tmp_path / "root"
    watched = job(root)
    with shared_ray():
        trained = TrainConfig(steps=6, batch_size=16, warmup_steps=2, checkpoint_every=2, keep="all")
        encoder = EncoderConfig(name="tiny", config=watched.encoder.config)
        train(TrainJob(root=str(root), dataset=dataset(root), encoder=encoder, train=trained, cluster=ClusterConfig()))
        (root / "models/tiny/step_00000004.pt").write_bytes(b"cut")  # damaged since
        outcome = run(watched)
        assert outcome.line.startswith("watch tiny: 3 checkpoints, 2 analysed, 1 failed, to be tried again; step_00000004.pt: ")
        assert not outcome.whole
        assert outcome.places == [str(root / "watch/tiny/checkpoints.json")]
        assert [EmbeddingSet(str(root), "toy", f"tiny@{step}").image().shape for step in (2, 6)] == [(60, 16)] * 2
        metrics = json.loads((root / "analysis/toy/tiny@6/metrics.json").read_text())
        assert metrics["encoder"] == "tiny@6"
        assert {"gap", "retrieval"} <= metrics.keys()
        stamps = {path: path.stat().st_mtime_ns for path in (root / "analysis").rglob("*")}
        assert run(job(root, watch=WatchConfig(settle_seconds=0, last=6), once=False, interval=0.1)).line.startswith(
            "watch tiny: 3 checkpoints, 2"
        )
        assert {path: path.stat().st_mtime_ns for path in (root / "analysis").rglob("*")} == stamps
        # what is measured changed: vectors stay, numbers are added
        vectors = {path: path.stat().st_mtime_ns for path in (root / "embeddings").rglob("*@6/*.parquet")}
        run(job(root, analysis=AnalysisConfig(parts=["gap", "retrieval", "alignment"])))
        assert "alignment" in json.loads((root / "analysis/toy/tiny@6/metrics.json").read_text())
        assert {path: path.stat().st_mtime_ns for path in (root / "embeddings").rglob("*@6/*.parquet")} == vectors
    listed = json.loads((root / "watch/tiny/checkpoints.json").read_text())
    assert [(row["step"], row["state"]) for row in listed["checkpoints"]] == [(2, "succeeded"), (4, "failed"), (6, "succeeded")]
    assert listed["datasets"] == ["toy"]
    assert "lacuna watch: tiny@6: succeeded: toy / tiny@6" in capfd.readouterr().err


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"encoder": EncoderConfig(name="")}, r"encoder.name is missing: give encoder.name=VALUE; checkpoints are named VALUE@STEP"),
        ({"encoder": EncoderConfig(name="a/b")}, r"encoder.name='a/b@1"),
        ({"dataset": DatasetConfig(name="")}, r"dataset.name is missing: give dataset.name=NAME"),
        ({"dataset": DatasetConfig(name="a-minus-b")}, r"dataset a-minus-b is a view, .*: watch a instead"),
        ({"dataset": DatasetConfig(name="a", shards="/nowhere/*.tar")}, r"dataset.shards"),
        ({"datasets": ["nowhere"]}, r"dataset=nowhere is unknown"),
        ({"watch": WatchConfig(pattern="model.pt")}, r"watch.pattern='model.pt' needs \{step\} or \{epoch\} once"),
        ({"watch": WatchConfig(task="a/b/1")}, r"watch.task=a/b/1 is not in the ledger of tiny; it is set by a watcher alone"),
        ({"watch": WatchConfig(webhook="ftp://x")}, r"watch.webhook is no http:// or https:// address"),
    ],
)
def test_mistakes_are_refused_before_anything_is_looked_at(tmp_path: Path, values: dict[str, object], message: str) -> None:
    with pytest.raises(UserError, match=message):
        run(job(tmp_path / "root", **values))
    assert not (tmp_path / "root" / "watch").exists()


def test_the_work_is_what_decides_the_result(tmp_path: Path) -> None:
    def digest(**values: object) -> str:
        one = job(tmp_path / "root", **values)
        return work_digest(one, [one.dataset])

    same = digest()
    assert digest(interval=5.0, once=False, embed=EmbedConfig(batch_size=4), watch=WatchConfig(max_attempts=9)) == same
    assert digest(analysis=AnalysisConfig(parts=["gap"], device="cpu")) != same
    assert digest(embed=EmbedConfig(dtype="float32")) != same
    assert digest(encoder=EncoderConfig(name="tiny", config="other.json")) != same
    assert digest(dataset=DatasetConfig(name="other")) != same


def test_a_checkpoint_is_the_jobs_model_with_its_own_weights(tmp_path: Path) -> None:
    encoder = EncoderConfig(name="m", format="open_clip", precision="bf16", canary="c1:x", checkpoint="elsewhere", sha256="abc")
    task = Task(label="l", step=3, key="k", attempt=1, encoder="m@3", url="/copy.pt", sha256="f" * 64, config="/copy.config.json")
    made = encoder_of(job(tmp_path / "root", encoder=encoder), task)
    assert (made.name, made.checkpoint, made.sha256, made.config) == ("m@3", "/copy.pt", "f" * 64, "/copy.config.json")
    assert (made.precision, made.canary) == ("bf16", None)
    shutil.rmtree(tmp_path / "root")
