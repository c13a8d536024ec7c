"""The ablation as a job: arms side by side, a killed actor, a finished model, mistakes."""

import json
import os
import signal
import threading
import time
from pathlib import Path

import pytest

from jobs.runtime.session import ray_session
from jobs.train import run, train_arms
from tda.config.cluster import ClusterConfig
from tda.config.datasets import DatasetConfig, ToyConfig
from tda.config.jobs import TrainJob
from tda.config.models import EncoderConfig, TrainConfig
from tda.errors import UserError

MODEL = {
    "embed_dim": 16,
    "vision_cfg": {"image_size": 16, "patch_size": 8, "width": 32, "layers": 1, "head_width": 16},
    "text_cfg": {"context_length": 40, "vocab_size": 512, "width": 16, "heads": 2, "layers": 1},
}


def _job(root: Path, name: str = "tiny", loss: str = "infonce", *, steps: int = 6, seed: int = 0, batch_size: int = 16) -> TrainJob:
    root.mkdir(exist_ok=True)
    config = root / "model.json"
    config.write_text(json.dumps(MODEL))
    return TrainJob(
        root=str(root),
        loss=loss,
        hopfield=loss == "infoloob",
        dataset=DatasetConfig(name="toy", shards=f"{root}/shards/toy/*.tar", toy=ToyConfig(pairs=60, pairs_per_shard=30)),
        encoder=EncoderConfig(name=name, config=str(config), checkpoint=f"{root}/models/{name}/model.pt"),
        train=TrainConfig(steps=steps, seed=seed, batch_size=batch_size, warmup_steps=2, checkpoint_every=2),
        cluster=ClusterConfig(),
    )


def _kill_an_actor_once(root: Path, sentinel: str) -> threading.Thread:
    """Kill the training actor that this process started, when the checkpoint is there."""

    def kill() -> None:
        deadline = time.monotonic() + 120
        while not (root / sentinel).exists() and time.monotonic() < deadline:
            time.sleep(0.005)
        for process in _descendants(os.getpid()):
            if b"ArmTrainer" in Path(f"/proc/{process}/cmdline").read_bytes():
                os.kill(process, signal.SIGKILL)

    killer = threading.Thread(target=kill)
    killer.start()
    return killer


def _descendants(parent: int) -> list[int]:
    children = [int(child) for task in Path(f"/proc/{parent}/task").iterdir() for child in (task / "children").read_text().split()]
    return children + [below for child in children for below in _descendants(child)]


def test_arms_side_by_side_then_again_then_an_actor_killed(tmp_path: Path) -> None:
    root, broken = tmp_path / "root", tmp_path / "broken"
    with ray_session(ClusterConfig()):
        outcomes = train_arms([_job(root, "nce", steps=60), _job(root, "cloob", "infoloob", steps=60)])
        assert [outcome.whole for outcome in outcomes] == [True, True]
        assert [outcome.places for outcome in outcomes] == [[str(root / "models" / name)] for name in ("nce", "cloob")]
        assert outcomes[1].line.startswith("cloob: infoloob + Hopfield, 60 steps on 60 pairs, final loss ")
        again = train_arms([_job(root, "nce", steps=60)])
        assert again[0].line.endswith("already trained")
        killer = _kill_an_actor_once(broken, "models/nce/step_00000002.json")
        resumed = run(_job(broken, "nce", steps=60))
        killer.join()
    assert resumed.whole
    assert (broken / "models/nce/model.pt").read_bytes() == (root / "models/nce/model.pt").read_bytes()


def test_mistakes_cost_no_actor(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"encoder.name=same is trained twice"):
        train_arms([_job(tmp_path / "r", "same"), _job(tmp_path / "r", "same", "infoloob")])
    job = _job(tmp_path / "r")
    job.dataset = DatasetConfig(name="none", shards=str(tmp_path / "none-{0..1}.tar"))
    with pytest.raises(UserError, match="none-"):
        run(job)
    job = _job(tmp_path / "r")
    job.encoder.config = str(tmp_path / "missing.json")
    with pytest.raises(UserError, match=r"missing\.json"):
        run(job)
    with pytest.raises(UserError, match="loss='infonice' is unknown; choose one of: infonce, infoloob"):
        TrainJob(root="r", loss="infonice")
