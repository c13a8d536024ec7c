"""Samples of a data set: evenly spaced positions, their rows, and the pairs that several sets share.

N rows, M in use, D dimensions.
"""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from small_rows import SOURCE, drop, identity, small_rows

from tda.store import EmbeddingSet
from tda.store.commit.transaction import publish_shard
from tda.store.datasets.sampling import evenly_spaced, read_pairs, read_stacked, shared_positions
from tda.store.paths import RootPaths

PAIRS = 12  # of a shard, dropped ones included


def publish(root: Path, encoder: str, shards: dict[str, set[int]]) -> EmbeddingSet:
    """A set whose shards hold the pairs of these ordinals; the others of `PAIRS` were dropped."""
    for seed, (shard, ordinals) in enumerate(shards.items()):
        rows = small_rows(len(ordinals), seed=10 * seed, ordinals=sorted(ordinals))
        drops = [drop(ordinal) for ordinal in sorted(set(range(PAIRS)) - ordinals)]
        publish_shard(RootPaths(str(root)), "d", encoder, shard, rows=rows, drops=drops, identity=identity(), source=SOURCE)
    return EmbeddingSet(str(root), "d", encoder)


@given(count=st.integers(1, 10_000), most=st.none() | st.integers(1, 12_000))
def test_positions_are_spread_over_all_rows(count: int, most: int | None) -> None:
    positions_M = evenly_spaced(count, most)
    assert len(positions_M) == min(count, most or count)
    assert positions_M[0] == 0
    steps = np.diff([*positions_M.tolist(), count])
    assert steps.min() >= 1
    assert steps.max() - steps.min() <= 1, "no gap is longer than another by more than a row"


def test_a_set_without_a_bound_is_used_whole() -> None:
    assert evenly_spaced(5, None).tolist() == [0, 1, 2, 3, 4]
    assert evenly_spaced(7, 3).tolist() == [0, 2, 4]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> EmbeddingSet:
    every = set(range(PAIRS))
    return publish(tmp_path_factory.mktemp("whole"), "e", {"a": every, "b": every - {3, 4}, "c": {0, 11}})


@pytest.mark.parametrize("rows", [1, 5, 7, 100])
@pytest.mark.parametrize("positions", [[0], [23], [0, 1, 2], [3, 11, 12, 21, 22], list(range(24))])
def test_rows_at_positions_are_those_of_the_whole_set(whole: EmbeddingSet, positions: list[int], rows: int) -> None:
    at_M = np.array(positions)
    image_MD, text_MD = read_pairs(whole, at_M, rows)
    assert image_MD.dtype == whole.dtype
    assert np.array_equal(image_MD, whole.image()[at_M])
    assert np.array_equal(text_MD, whole.text()[at_M])
    assert np.array_equal(read_stacked(whole, at_M, rows), np.concatenate([whole.image()[at_M], whole.text()[at_M]]))


def test_no_more_than_the_given_rows_are_read_at_once(whole: EmbeddingSet, monkeypatch: pytest.MonkeyPatch) -> None:
    spans: list[int] = []
    image = EmbeddingSet.image

    def counting(self: EmbeddingSet, rows: slice) -> np.ndarray:
        spans.append(rows.stop - rows.start)
        return image(self, rows)

    monkeypatch.setattr(EmbeddingSet, "image", counting)
    read_pairs(whole, np.array([0, 9, 10, 15, 23]), 8)
    assert spans == [1, 7, 1], "a run ends at a multiple of eight rows"


@pytest.mark.parametrize("seed", range(6))
def test_shared_pairs_are_those_of_the_same_shard_and_ordinal(tmp_path: Path, seed: int) -> None:
    rng = np.random.default_rng(seed)
    sets, pairs = [], []
    for encoder in ("x", "y", "z"):
        shards = {shard: {i for i in range(PAIRS) if rng.random() < 0.7} for shard in "abcd" if shard == "a" or rng.random() < 0.8}
        sets.append(publish(tmp_path, encoder, shards))
        pairs.append([(shard, ordinal) for shard in sorted(shards) for ordinal in sorted(shards[shard])])
    candidates_C = np.sort(rng.choice(len(pairs[0]), size=2 * len(pairs[0]) // 3, replace=False))
    shared = [pairs[0][i] for i in candidates_C if all(pairs[0][i] in other for other in pairs)]
    found = shared_positions(sets, candidates_C)
    assert [[own[i] for i in at_M] for own, at_M in zip(pairs, found, strict=True)] == [shared] * 3
    assert all(at_M.dtype == np.int64 for at_M in found)


def test_sets_without_a_common_shard_share_nothing(tmp_path: Path) -> None:
    sets = [publish(tmp_path, "x", {"a": {0, 1}}), publish(tmp_path, "y", {"b": {0, 1}}), publish(tmp_path, "z", {"a": set()})]
    for pair in (sets[:2], sets[::2]):
        assert [at_M.tolist() for at_M in shared_positions(pair, np.arange(2))] == [[], []]
    assert [at_M.tolist() for at_M in shared_positions(sets[:1], np.array([1]))] == [[1]]
    assert shared_positions(sets[:1], np.empty(0, np.int64))[0].tolist() == []


def test_ordinals_are_read_only_of_shards_that_hold_a_candidate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sets = [publish(tmp_path, encoder, {"a": {0, 1}, "b": {0, 1}, "c": {5}}) for encoder in "xy"]
    read: list[int] = []
    ordinals = EmbeddingSet.ordinals
    monkeypatch.setattr(EmbeddingSet, "ordinals", lambda self, index: read.append(index) or ordinals(self, index))
    assert [at_M.tolist() for at_M in shared_positions(sets, np.array([2, 3]))] == [[2, 3], [2, 3]]
    assert set(read) == {1}
