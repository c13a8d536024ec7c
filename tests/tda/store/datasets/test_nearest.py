import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from nearest_rows import drawn_matches, embedded, joined

from tda.errors import ShardError, UserError
from tda.store import EmbeddingSet
from tda.store.datasets.nearest import NearestSet, reference_hash
from tda.store.paths import RootPaths


@pytest.fixture
def paths(tmp_path: Path) -> RootPaths:
    """A reference r and two shards of d, joined with it."""
    paths = RootPaths(str(tmp_path))
    embedded(paths, "r", "r-00000", 8, seed=5)
    for shard, n in (("00001", 3), ("00000", 4)):
        joined(paths, embedded(paths, "d", shard, n))
    return paths


def test_matches_come_back_aligned_with_the_embeddings(paths: RootPaths) -> None:
    found, rows = NearestSet(paths.root, "d", "e", "r"), EmbeddingSet(paths.root, "d", "e")
    assert (len(found), found.shards, found.k, found.probes) == (len(rows), rows.shards, 1, None)
    assert found.table(["ordinal", "key"]).equals(rows.table(["ordinal", "key"]))
    wanted = [drawn_matches(n, seed=1) for n in (4, 3)]
    np.testing.assert_array_equal(found.cosines("image"), np.concatenate([m.cosine_NK[:, 0] for m in wanted]).astype(np.float32))
    assert found.matches("image").to_pylist() == [
        {"shard": "r-00000", "ordinal": int(ordinal), "key": str(ordinal)} for m in wanted for ordinal in m.ordinal_NK[:, 0]
    ]
    assert found.cosines("text").dtype == np.float32
    assert found.shard_table("00001", ["text_match"]).num_rows == 3


def test_more_matches_than_one_are_a_list(tmp_path: Path) -> None:
    paths = RootPaths(str(tmp_path))
    embedded(paths, "r", "r-00000", 8)
    joined(paths, embedded(paths, "d", "00000", 4), k=3)
    found = NearestSet(paths.root, "d", "e", "r").table()
    for modality, seed in (("image", 1), ("text", 2)):
        wanted, top = drawn_matches(4, 3, seed), found[f"{modality}_topk"].to_pylist()
        assert [[one["ordinal"] for one in row] for row in top] == wanted.ordinal_NK.tolist()
        np.testing.assert_allclose([[one["cosine"] for one in row] for row in top], wanted.cosine_NK, atol=1e-7)
        assert [row[0]["ordinal"] for row in top] == [one["ordinal"] for one in found[f"{modality}_match"].to_pylist()]


def test_publishing_again_gives_the_same_bytes(paths: RootPaths, tmp_path: Path) -> None:
    path = tmp_path / "nearest/d/e/r/00000.parquet"
    before = path.read_bytes()
    joined(paths, embedded(paths, "d", "00000", 4))
    assert path.read_bytes() == before


def _new_embeddings(paths: RootPaths) -> None:
    embedded(paths, "d", "00000", 4, seed=9)


def _one_more_shard(paths: RootPaths) -> None:
    embedded(paths, "d", "00002", 2)


def _other_settings(paths: RootPaths) -> None:
    joined(paths, embedded(paths, "d", "00000", 4), probes=4)


def _no_file(paths: RootPaths) -> None:
    Path(paths.nearest("d", "e", "r", "00000")).unlink()


def _cut_file(paths: RootPaths) -> None:
    path = Path(paths.nearest("d", "e", "r", "00000"))
    path.write_bytes(path.read_bytes()[:-9])


def _bad_record(paths: RootPaths) -> None:
    Path(paths.nearest_record("d", "e", "r", "00000")).write_text('{"schema": 1}')


@pytest.mark.parametrize(
    ("spoil", "reported"),
    [
        (_new_embeddings, "shard 00000: stale"),
        (_one_more_shard, "shard 00002: missing"),
        (_other_settings, "shard 00001: mixed"),
        (_no_file, "shard 00000: missing"),
        (_cut_file, "shard 00000: damaged"),
        (_bad_record, "shard 00000: bad_record"),
    ],
)
def test_what_does_not_fit_is_named(paths: RootPaths, spoil: Callable[[RootPaths], None], reported: str) -> None:
    spoil(paths)
    with pytest.raises(ShardError, match=reported):
        NearestSet(paths.root, "d", "e", "r").table()


def test_a_join_that_is_missing_or_of_another_reference_names_the_command(paths: RootPaths) -> None:
    with pytest.raises(UserError, match=r"no closest rows of d in other by e: python -m jobs.nearest dataset.name=d reference.name=other"):
        NearestSet(paths.root, "d", "e", "other")
    with pytest.raises(UserError, match=r"no embeddings of dataset\.name=x"):
        NearestSet(paths.root, "x", "e", "r")
    before = reference_hash(paths, "r", "e")
    embedded(paths, "r", "r-00000", 8, seed=6)
    with pytest.raises(UserError, match=f"{reference_hash(paths, 'r', 'e')[:12]}, the join of d used {before[:12]}"):
        NearestSet(paths.root, "d", "e", "r")


def test_every_row_has_a_match() -> None:
    with pytest.raises(AssertionError, match="without a match"):
        dataclasses.replace(drawn_matches(2), count_N=np.array([1, 0]))
