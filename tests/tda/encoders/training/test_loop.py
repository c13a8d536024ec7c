"""Training: batches and rates as functions of the step, the same bits after an interruption, files that can be trusted."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch

from tda.config.datasets import ToyConfig
from tda.config.models import TrainConfig
from tda.encoders import load
from tda.encoders.losses import cloob, info_loob, info_nce
from tda.encoders.training.checkpoints import Snapshots
from tda.encoders.training.data import TrainingPairs, read_training_pairs
from tda.encoders.training.loop import Arm, Trainer, batch_rows, learning_rate, train
from tda.errors import LacunaError, UserError
from tda.store.shards.expand import expand_shards
from tda.toyworld import write_toy

SETTINGS = {
    "embed_dim": 16,
    "vision_cfg": {"image_size": 16, "patch_size": 8, "width": 32, "layers": 1, "head_width": 16},
    "text_cfg": {"context_length": 40, "vocab_size": 512, "width": 16, "heads": 2, "layers": 1},
}


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> TrainingPairs:
    folder = tmp_path_factory.mktemp("toy")
    write_toy(ToyConfig(pairs=60, pairs_per_shard=30), str(folder))
    return read_training_pairs(expand_shards(f"{folder}/*.tar"), SETTINGS)


def _arm(loss: str = "infoloob", *, hopfield: bool = True, **config: Any) -> Arm:
    small = {"steps": 8, "batch_size": 16, "warmup_steps": 2, "checkpoint_every": 3, "threads": 1}
    return Arm(encoder="tiny", loss=loss, hopfield=hopfield, config=TrainConfig(**{**small, **config}), settings=SETTINGS, shards=())


def test_batches_are_epochs_of_permutations() -> None:
    epoch = np.concatenate([batch_rows(50, 16, seed=3, step=step) for step in range(3)])
    assert len(set(epoch.tolist())) == 48
    following = np.concatenate([batch_rows(50, 16, seed=3, step=step) for step in range(3, 6)])
    assert len(set(following.tolist())) == 48
    assert epoch.tolist() != following.tolist()
    assert batch_rows(50, 16, seed=3, step=1).tolist() == epoch[16:32].tolist()
    assert batch_rows(50, 16, seed=4, step=1).tolist() != epoch[16:32].tolist()


def test_rate_warms_up_and_ends_at_zero() -> None:
    config = TrainConfig(steps=100, warmup_steps=10, learning_rate=1.0)
    rates = [learning_rate(step, config) for step in range(101)]
    assert rates[0] == pytest.approx(0.1)
    assert rates[9] == rates[10] == max(rates) == 1.0
    assert rates[10:] == sorted(rates[10:], reverse=True)
    assert rates[100] == pytest.approx(0.0)


def test_retrieval_joins_late(pairs: TrainingPairs) -> None:
    trainer = Trainer(_arm(steps=10, hopfield_after=0.4), pairs, "cpu")
    x_BD, y_BD = (torch.nn.functional.normalize(torch.randn(6, 16, generator=torch.Generator().manual_seed(k)), dim=1) for k in (0, 1))
    for step, expected in ((3, info_loob(x_BD, y_BD, 30.0)), (4, cloob(x_BD, y_BD, 30.0, 8.0))):
        trainer.step = step
        torch.testing.assert_close(trainer._objective()(x_BD, y_BD), 15 * expected)


@pytest.mark.parametrize(("loss", "hopfield"), [("infonce", False), ("infonce", True), ("infoloob", False), ("infoloob", True)])
def test_interrupted_and_resumed_ends_in_the_same_bits(pairs: TrainingPairs, tmp_path: Path, loss: str, *, hopfield: bool) -> None:
    arm = _arm(loss, hopfield=hopfield)
    train(arm, pairs, str(tmp_path / "unbroken"), "cpu")

    class KilledError(Exception):
        pass

    def kill(progress: Any) -> None:
        raise KilledError(progress.step)

    folder = str(tmp_path / "broken")
    snapshots, first = Snapshots(folder, arm.config_hash), Trainer(arm, pairs, "cpu")
    for _ in range(5):
        first.advance()
        if first.step == 3:
            snapshots.save(first.step, first.state())
    with pytest.raises(KilledError):
        train(arm, pairs, folder, "cpu", kill)  # from step 3; dies when it reports the last step
    train(arm, pairs, folder, "cpu")
    assert (tmp_path / "broken" / "model.pt").read_bytes() == (tmp_path / "unbroken" / "model.pt").read_bytes()
    curves = [pq.read_table(tmp_path / name / "curve.parquet").drop_columns("seconds").to_pydict() for name in ("broken", "unbroken")]
    assert curves[0] == curves[1]
    assert curves[0]["step"] == list(range(1, 9))


def test_every_parameter_learns_but_the_temperature(pairs: TrainingPairs) -> None:
    trainer = Trainer(_arm(hopfield=False), pairs, "cpu")
    before = {name: value.clone() for name, value in trainer.model.named_parameters()}
    for _ in range(3):
        trainer.advance()
    still = [name for name, value in trainer.model.named_parameters() if torch.equal(value, before[name])]
    assert still == ["logit_scale"]
    assert float(trainer.model.logit_scale.exp()) == pytest.approx(30.0)


class TestTemperature:
    def test_it_is_that_of_the_loss_unless_given(self) -> None:
        assert [_arm(loss).inv_tau for loss in ("infonce", "infoloob")] == [100.0, 30.0]
        assert _arm("infonce", inv_tau=7.0).inv_tau == 7.0

    def test_a_model_that_was_trained_before_there_were_two_is_still_known(self) -> None:
        """The configuration hash of the last version named inv_tau and no learned temperature."""
        arm = _arm("infoloob")
        assert arm.content()["inv_tau"] == 30.0
        assert "learn_temperature" not in arm.content()
        assert arm.config_hash == _arm("infoloob", inv_tau=30.0).config_hash != _arm("infoloob", learn_temperature=True).config_hash

    def test_logits_are_scaled_by_it(self, pairs: TrainingPairs) -> None:
        x_BD, y_BD = (torch.nn.functional.normalize(torch.randn(6, 16, generator=torch.Generator().manual_seed(k)), dim=1) for k in (0, 1))
        found = Trainer(_arm("infonce", hopfield=False), pairs, "cpu")._objective()(x_BD, y_BD)
        torch.testing.assert_close(found, info_nce(x_BD, y_BD, 100.0))

    @pytest.mark.parametrize("loss", ["infonce", "infoloob"])
    def test_a_learned_one_starts_as_clips_and_never_exceeds_100(self, pairs: TrainingPairs, tmp_path: Path, loss: str) -> None:
        trainer = Trainer(_arm(loss, hopfield=False, learn_temperature=True), pairs, "cpu")
        first = float(trainer.model.logit_scale.detach())
        assert np.exp(first) == pytest.approx(1 / 0.07, rel=1e-5)
        trainer.advance()
        assert float(trainer.model.logit_scale.detach()) != first, "it learns"
        with torch.no_grad():
            trainer.model.logit_scale.fill_(9.0)
        trainer.advance()
        assert float(trainer.model.logit_scale.detach().exp()) <= 100.0 * (1 + 1e-6)
        done = train(_arm(loss, learn_temperature=True), pairs, str(tmp_path), "cpu")["training"]
        assert 1.0 <= done["final_inv_tau"] <= 100.0
        assert done["inv_tau"] == pytest.approx(1 / 0.07)

    def test_a_given_one_is_not_learned(self) -> None:
        with pytest.raises(UserError, match=r"^train\.inv_tau=30 is not used where train\.learn_temperature=true"):
            _arm(inv_tau=30.0, learn_temperature=True)

    def test_a_model_of_another_temperature_names_the_setting_that_keeps_it(self, pairs: TrainingPairs, tmp_path: Path) -> None:
        train(_arm("infonce", inv_tau=30.0), pairs, str(tmp_path), "cpu")
        with pytest.raises(UserError, match=r"a model of inv_tau=30\.0, not 100\.0: keep it with train\.inv_tau=30\.0, or train anew"):
            train(_arm("infonce"), pairs, str(tmp_path), "cpu")
        with pytest.raises(UserError, match=r"use another encoder\.name or root"):
            train(_arm("infoloob", inv_tau=30.0), pairs, str(tmp_path), "cpu")


def test_finished_model_is_left_alone_and_another_refused(pairs: TrainingPairs, tmp_path: Path) -> None:
    folder = str(tmp_path / "model")
    said = train(_arm(), pairs, folder, "cpu")
    stamps = {file.name: file.stat().st_mtime_ns for file in (tmp_path / "model").iterdir()}
    assert train(_arm(checkpoint_every=100), pairs, folder, "cpu") == said  # what changes no weight is no other model
    assert {file.name: file.stat().st_mtime_ns for file in (tmp_path / "model").iterdir()} == stamps
    with pytest.raises(
        UserError, match=r"holds a model of seed=0, not 1: keep it with train\.seed=0, or train anew under another encoder\.name or root"
    ):
        train(_arm(seed=1), pairs, folder, "cpu")


def test_with_keep_all_every_step_checkpoint_loads_as_a_model(pairs: TrainingPairs, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    train(_arm(keep="all", checkpoint_every=1, steps=4), pairs, str(folder), "cpu")
    (tmp_path / "model.json").write_text(json.dumps(SETTINGS))
    steps = [load("open_clip", str(folder / f"step_0000000{n}.pt"), str(tmp_path / "model.json"), "cpu") for n in (1, 2, 3, 4)]
    final = load("open_clip", str(folder / "model.pt"), str(tmp_path / "model.json"), "cpu")
    images = torch.rand(2, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    vectors = [encoder.encode_image(images) for encoder in (*steps, final)]
    assert torch.equal(vectors[3], vectors[4])
    assert not torch.allclose(vectors[2], vectors[3])


def test_bad_settings(pairs: TrainingPairs, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"train.batch_size=64 is larger than the data set: 60 pairs"):
        train(_arm(batch_size=64), pairs, str(tmp_path / "a"), "cpu")
    with pytest.raises(UserError, match=r"train.hopfield_after=1.5 is out of range; it must be from 0 to 1"):
        _arm(hopfield_after=1.5)
    with pytest.raises(LacunaError, match=r"try a smaller train\.learning_rate"):
        train(_arm(learning_rate=1e30, warmup_steps=0), pairs, str(tmp_path / "b"), "cpu")
    assert json.loads(json.dumps(_arm().content()))["loss"] == "infoloob"
