"""Training from shards at every epoch: the same batches for the same seed on any resume, pairs once an epoch, faults named or counted."""

from itertools import islice
from pathlib import Path
from typing import Any

import pytest
import torch
from bad_shards import BAD_PAIRS, bad_members, good_pairs, picture, write_tar

from tda.config.models import TrainConfig
from tda.encoders.training.data import read_training_pairs
from tda.encoders.training.loop import Arm, Trainer, train
from tda.encoders.training.stream import StreamedPairs, epoch_samples, image_and_caption
from tda.errors import ShardError, UserError

SETTINGS = {
    "embed_dim": 16,
    "vision_cfg": {"image_size": 16, "patch_size": 8, "width": 32, "layers": 1, "head_width": 16},
    "text_cfg": {"context_length": 40, "vocab_size": 512, "width": 16, "heads": 2, "layers": 1},
}


def arm_of(**config: Any) -> Arm:
    given = TrainConfig(**{"steps": 8, "batch_size": 8, "warmup_steps": 2, "threads": 1, **config})
    return Arm(encoder="tiny", loss="infoloob", hopfield=True, config=given, settings=SETTINGS, shards=())


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Five shards of six pairs."""
    folder = tmp_path_factory.mktemp("shards")
    return [str(write_tar(folder / f"{i}.tar", good_pairs(6, first=10 * i))) for i in range(5)]


def streamed(shards: list[str], *, batch_size: int = 8, seed: int = 0, shuffle: int = 7) -> StreamedPairs:
    return StreamedPairs(shards, SETTINGS, batch_size=batch_size, seed=seed, shuffle=shuffle)


def batches(pairs: StreamedPairs, count: int) -> list[tuple[torch.Tensor, torch.Tensor]]:
    return [pairs.next_batch() for _ in range(count)]


def same(one: list[Any], other: list[Any]) -> bool:
    return len(one) == len(other) and all(torch.equal(a, b) for x, y in zip(one, other, strict=True) for a, b in zip(x, y, strict=True))


def captions_of(shards: list[str], seed: int, epoch: int, shuffle: int = 7) -> list[str]:
    return [image_and_caption(sample)[1] for sample in epoch_samples(shards, seed, epoch, shuffle)]


def test_an_epoch_has_each_pair_once_in_an_order_of_its_own(shards: list[str]) -> None:
    first, second, other = (captions_of(shards, *at) for at in ((0, 0), (0, 1), (1, 0)))
    assert sorted(first) == sorted(second) == sorted(f"picture number {10 * i + j} of many" for i in range(5) for j in range(6))
    assert first not in (second, other)
    assert captions_of(shards, 0, 0) == first
    assert captions_of(shards, 0, 0, shuffle=30) != first


def test_pixels_and_tokens_are_those_of_pairs_in_memory(shards: list[str]) -> None:
    held = read_training_pairs(shards, SETTINGS)
    order = captions_of(shards, 0, 0)[:8]
    everything = [f"picture number {10 * i + j} of many" for i in range(5) for j in range(6)]
    wanted = held.batch(torch.tensor([everything.index(caption) for caption in order]))
    assert same([streamed(shards).next_batch()], [wanted])


@pytest.mark.parametrize("at", [0, 1, 2, 3, 5, 7])
def test_resumed_at_any_batch_the_next_ones_are_the_same(shards: list[str], at: int) -> None:
    whole = batches(streamed(shards), 10)  # three an epoch, and six pairs that are left out
    begun = streamed(shards)
    batches(begun, at)
    going_on = streamed(shards)
    going_on.restore(begun.state())
    assert same(batches(going_on, 10 - at), whole[at:])
    assert not same(whole[:3], whole[3:6])


def test_what_cannot_be_used_is_counted_and_moves_no_resume(tmp_path: Path) -> None:
    good = [member for i in range(3) for member in good_pairs(4, first=100 + 10 * i)]
    shards = [str(write_tar(tmp_path / "bad.tar", [*bad_members(), *good]))]
    usable = 12 + sum(reason is None for _, reason in BAD_PAIRS.values())
    whole = streamed(shards, batch_size=4)
    wanted = batches(whole, 9)
    assert (len(whole), whole.drops) == (usable, len(BAD_PAIRS) + 12 - usable)
    held = read_training_pairs(shards, SETTINGS)
    assert (len(held), held.drops) == (len(whole), whole.drops)
    for at in range(1, 9):
        begun, again = streamed(shards, batch_size=4), streamed(shards, batch_size=4)
        batches(begun, at)
        again.restore(begun.state())
        assert same(batches(again, 9 - at), wanted[at:])
    assert (len(again), again.drops) == (len(whole), whole.drops)


@pytest.mark.parametrize("cut", [512 * 3, -700])
def test_a_shard_that_is_cut_is_named(shards: list[str], tmp_path: Path, cut: int) -> None:
    broken = tmp_path / "cut.tar"
    broken.write_bytes(Path(shards[0]).read_bytes()[:cut])
    pairs = streamed([*shards, str(broken)], batch_size=1)
    with pytest.raises(ShardError, match=r"cut.tar.*truncated"):
        batches(pairs, 40)


def test_a_batch_larger_than_the_data_is_refused(shards: list[str]) -> None:
    with pytest.raises(UserError, match=r"train.batch_size=31 is larger than what dataset.shards hold: 30 pairs"):
        streamed(shards, batch_size=31).next_batch()
    assert len(batches(streamed(shards, batch_size=30), 2)[1][0]) == 30


def test_a_caption_in_a_side_file(tmp_path: Path) -> None:
    tar = write_tar(tmp_path / "a.tar", [("x.jpg", picture(1)), ("x.json", b'{"caption": "of the side"}')])
    assert captions_of([str(tar)], 0, 0) == ["of the side"]


def test_names_with_braces_are_names(tmp_path: Path) -> None:
    tar = write_tar(tmp_path / "x{0..3}.tar", good_pairs(2))
    assert len(captions_of([str(tar)], 0, 0)) == 2


def test_an_interrupted_run_ends_in_the_same_bits(shards: list[str], tmp_path: Path) -> None:
    options = {"steps": 8, "checkpoint_every": 3, "batch_size": 8, "stream": True, "shuffle": 7}
    arm = arm_of(**options)
    train(arm, whole := streamed(shards), str(tmp_path / "whole"), "cpu")
    assert len(whole) == 30
    stopped = Trainer(arm, streamed(shards), "cpu")
    for _ in islice(iter(stopped.advance, 0), 5):
        pass
    going_on = Trainer(arm, streamed(shards), "cpu")
    going_on.restore(stopped.state())
    while going_on.step < 8:
        going_on.advance()
    found = torch.load(tmp_path / "whole" / "model.pt", weights_only=True)
    assert all(torch.equal(found[name], value) for name, value in going_on.model.state_dict().items())


def test_a_killed_run_goes_on_from_its_files(shards: list[str], tmp_path: Path) -> None:
    arm = arm_of(checkpoint_every=3, stream=True, shuffle=7)
    train(arm, streamed(shards), str(tmp_path / "whole"), "cpu")

    class KilledError(Exception):
        pass

    class Dying(StreamedPairs):
        def next_batch(self, step: int = 0) -> Any:
            if self.state()["epoch"] == 1 and self.state()["taken"] >= 16:
                raise KilledError
            return super().next_batch(step)

    dying = Dying(shards, SETTINGS, batch_size=8, seed=0, shuffle=7)
    with pytest.raises(KilledError):
        train(arm, dying, str(tmp_path / "killed"), "cpu")
    train(arm, streamed(shards), str(tmp_path / "killed"), "cpu")
    whole, killed = (torch.load(tmp_path / name / "model.pt", weights_only=True) for name in ("whole", "killed"))
    assert all(torch.equal(whole[name], killed[name]) for name in whole)


def test_a_model_that_does_not_stream_keeps_its_identity() -> None:
    plain, streams = arm_of(), arm_of(stream=True)
    assert "stream" not in plain.content()
    assert plain.config_hash == arm_of(shuffle=3).config_hash != streams.config_hash
    assert streams.config_hash != arm_of(stream=True, shuffle=3).config_hash
    assert TrainConfig().stream is False


def test_pairs_that_do_not_fit_into_memory_are_refused_with_the_way_out(shards: list[str]) -> None:
    with pytest.raises(UserError, match=r"the pixels of dataset.shards take more than 0.0 GiB: train.stream=true reads the shards"):
        read_training_pairs(shards, SETTINGS, most_bytes=10 * 3 * 16 * 16)
    assert len(read_training_pairs(shards, SETTINGS, most_bytes=30 * 3 * 16 * 16)) == 30
