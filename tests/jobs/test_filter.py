"""`jobs.filter`: views of rows that filters let through, under every encoder, taken by name by the other jobs."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from repeated_rows import DIM, N, drawn, side, write_set
from typed import typed

from jobs.filter import run
from jobs.verify import run as verify
from tda.config.datasets import DatasetConfig
from tda.config.filters import FilterConfig
from tda.config.jobs import FilterJob, VerifyJob
from tda.config.models import EncoderConfig
from tda.errors import UserError
from tda.store.datasets.embedding_set import EmbeddingSet
from tda.store.datasets.views import View, command_for
from tda.store.paths import RootPaths

NAMED = "d-minus-filtered.min_side.64-max_aspect.2.0"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """`d`: widths 100 to 139 by a height of 64, all but the last three known; `f` has other vectors."""
    write_set(tmp_path, "r", (drawn(9, 1), drawn(9, 2)), side(9, "r"))
    columns = side(N, "d")
    columns["widths"][-3:] = [None] * 3
    write_set(tmp_path, "d", (drawn(N, 3), drawn(N, 4)), columns, sizes=(10, 12, 18))
    write_set(tmp_path, "d", (drawn(N, 5), drawn(N, 6)), columns, sizes=(10, 12, 18), encoder="f")
    return tmp_path


def _job(root: Path, dataset: str = "d", encoder: str = "e", **settings: Any) -> FilterJob:
    sides = {"dataset": DatasetConfig(name=dataset), "encoder": EncoderConfig(name=encoder)}
    return FilterJob(root=str(root), filter=FilterConfig(**settings), **sides)


def _kept(root: Path, name: str, encoder: str = "e") -> list[int]:
    table = EmbeddingSet(str(root), name, encoder).table(["shard", "ordinal"]).to_pylist()
    first = {"00000": 0, "00001": 10, "00002": 22}
    return [first[row["shard"]] + row["ordinal"] for row in table]


def test_counted_by_reason_and_taken_by_name(root: Path) -> None:
    done = run(_job(root, min_side=64, max_aspect=2.0))
    assert (done.whole, done.line) == (True, f"{NAMED} / e: 29 of 40 pairs kept, 11 dropped (size unknown 3, too long a shape 8)")
    assert _kept(root, NAMED) == list(range(29))
    assert done.numbers["matched.too_long_a_shape"] == 8
    assert verify(VerifyJob(root=str(root))).whole
    assert run(_job(root, min_side=64, max_aspect=2.0)).line == done.line


def test_views_of_views_and_of_other_settings_stand_beside(root: Path) -> None:
    run(_job(root, min_side=64, max_aspect=2.0))
    run(_job(root, NAMED, max_aspect=1.8))
    run(_job(root, pair_cosine="top:0.5"))
    assert _kept(root, f"{NAMED}-minus-filtered.max_aspect.1.8") == list(range(16))
    assert len(_kept(root, "d-minus-filtered.pair_cosine.top.0.5")) == 20
    assert _kept(root, NAMED) == list(range(29))


def test_one_encoder_decides_for_all(root: Path) -> None:
    run(_job(root, pair_cosine="top:0.5", name="good"))
    done = run(_job(root, encoder="f", pair_cosine="top:0.5", by="e", name="good"))
    assert _kept(root, "d-minus-good") == _kept(root, "d-minus-good", "f")
    assert done.line.startswith("d-minus-good / f (decided by e): 20 of 40 pairs kept")
    run(_job(root, encoder="f", pair_cosine="top:0.5", name="own"))
    assert _kept(root, "d-minus-own", "f") != _kept(root, "d-minus-good", "f")


def test_a_pair_that_the_deciding_encoder_has_not_embedded_is_not_kept(root: Path) -> None:
    write_set(root, "d", (drawn(10, 5), drawn(10, 6)), side(10, "d"), encoder="g", sizes=(10,))
    done = run(_job(root, min_side=1, by="g"))
    assert "10 of 40 pairs kept, 30 dropped (unmeasured 30)" in done.line


def test_made_again_when_the_rows_change(root: Path) -> None:
    run(_job(root, min_side=64, name="big"))
    write_set(root, "d", (drawn(N, 13), drawn(N, 14)), side(N, "d"), sizes=(10, 12, 18))
    again = r"make it again: python -m jobs.filter dataset.name=d encoder.name=e root=\S+ filter.name=big filter.min_side=64"
    with pytest.raises(UserError, match=again):
        EmbeddingSet(str(root), "d-minus-big", "e")
    assert "40 of 40 pairs kept, 0 dropped" in run(_job(root, min_side=64, name="big")).line
    assert len(_kept(root, "d-minus-big")) == N


def test_changed_rows_of_a_view_are_found(root: Path) -> None:
    run(_job(root, min_side=64, name="big"))
    kept = root / "dedupe/d/e/big/kept.parquet"
    kept.write_bytes(kept.read_bytes()[:-8] + b"12345678")
    done = verify(VerifyJob(root=str(root)))
    assert not done.whole
    run(_job(root, min_side=64, name="big"))
    assert verify(VerifyJob(root=str(root))).whole


class TestRefusals:
    def test_settings(self, root: Path) -> None:
        with pytest.raises(UserError, match=r"no filter is set: give one, as filter.pair_cosine=top:0.3"):
            run(_job(root))
        run(_job(root, min_side=64, name="big"))
        with pytest.raises(UserError, match=r"d-minus-big was made by other settings \(min_side: 64, .*\): give these a filter.name"):
            run(_job(root, min_side=65, name="big"))
        with pytest.raises(UserError, match=r"filter.name=r is a data set of this root"):
            run(_job(root, min_side=65, name="r"))
        with pytest.raises(UserError, match=r"filter.name=a-minus-b holds -minus-, which divides the names of views"):
            run(_job(root, min_side=65, name="a-minus-b"))
        with pytest.raises(UserError, match=r"filter.name='../x' cannot name a file"):
            run(_job(root, min_side=65, name="../x"))

    def test_nothing_to_filter(self, root: Path) -> None:
        with pytest.raises(UserError, match=r"holds no embeddings of dataset.name=moon"):
            run(_job(root, "moon", min_side=1))
        write_set(root, "none", (np.empty((0, DIM)), np.empty((0, DIM))), side(0, "none"))
        with pytest.raises(UserError, match=r"dataset.name=none has no pairs by encoder.name=e: there is nothing to filter"):
            run(_job(root, "none", min_side=1))

    def test_nothing_left_is_not_whole(self, root: Path) -> None:
        done = run(_job(root, min_side=10_000))
        assert not done.whole
        assert "0 of 40 pairs kept, 40 dropped (size unknown 3, too small 37); no pair is left" in done.line

    def test_a_view_that_is_not_made_names_its_job(self, root: Path) -> None:
        wanted = "python -m jobs.filter dataset.name=d encoder.name=e"
        assert command_for(RootPaths(str(root)), View("d", "filtered.x"), "e").startswith(wanted)
        with pytest.raises(UserError, match=wanted):
            EmbeddingSet(str(root), "d-minus-filtered.min_side.64", "e")


def test_long_settings_have_a_short_name(root: Path) -> None:
    every = {"min_side": 1, "max_aspect": 100.0, "min_words": 1, "min_characters": 1, "max_characters": 10_000, "min_letters": 0.0}
    done = run(_job(root, **every, max_caption_rows=1000, pair_cosine="-1", unknown="keep"))
    assert done.line.startswith("d-minus-filtered.")
    assert len(done.line.partition(" / ")[0]) < 60
    assert "40 of 40" in done.line


def test_as_it_is_typed(root: Path) -> None:
    words = ["dataset.name=d", "encoder.name=e", f"root={root}"]
    done = typed("filter", *words, "filter.pair_cosine=top:0.3", cwd=root)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("d-minus-filtered.pair_cosine.top.0.3 / e: 12 of 40 pairs kept, 28 dropped (pair cosine 28)")
    done = typed("filter", *words, "filter=datacomp_basic", cwd=root)
    assert "(size unknown 3, too small 37)" in done.stdout
    assert done.returncode == 1
    swept = typed("filter", "-m", *words, "filter.pair_cosine=top:0.3,top:0.6,0.0", cwd=root)
    assert swept.returncode == 0, swept.stdout + swept.stderr
    assert len(_kept(root, "d-minus-filtered.pair_cosine.top.0.6")) == 24
    done = typed("filter", *words, "filter.pair_cosine=best", cwd=root)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
