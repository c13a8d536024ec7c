"""Retrieval of drawn queries over a set in shards: the ranks of all pairs at the drawn rows, on any split of the work."""

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from recorded_rows import spoil, write_set

from jobs.analysis import queries
from jobs.analysis.blocks import Blocks
from jobs.analysis.layout_clusters_homology import Subject
from jobs.analysis.pairs import ranks
from jobs.analysis.queries import Asked, sampled_retrieval
from tda.config.analysis import AnalysisConfig, RetrievalConfig
from tda.config.cluster import ClusterConfig
from tda.errors import UserError
from tda.geometry import retrieval
from tda.store.datasets.embedding_set import EmbeddingSet
from tda.store.datasets.sampling import evenly_spaced, seeded

N, DIM = 901, 12


def rows() -> tuple[Any, Any]:
    rng = np.random.default_rng(0)
    image_ND = rng.standard_normal((N, DIM))
    return image_ND, image_ND + rng.standard_normal((N, DIM))


@pytest.fixture
def embeddings(tmp_path: Path) -> EmbeddingSet:
    write_set(tmp_path, "world", *rows(), shards=4)
    return EmbeddingSet(str(tmp_path), "world", "tiny")


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queries, "LEAST_RUN", 100)
    monkeypatch.setattr(queries, "GROUP", 64)
    queries._held.clear()


def settings(drawn: int = 100, most: int | None = None, seed: int = 0, block_rows: int = 40) -> AnalysisConfig:
    return AnalysisConfig(block_rows=block_rows, seed=seed, retrieval=RetrievalConfig(tile=16, max_pairs=most, queries=drawn))


def subject_of(embeddings: EmbeddingSet, analysis: AnalysisConfig, folder: Path) -> Subject:
    return Subject(embeddings=embeddings, analysis=analysis, folder=str(folder), rows_hash="rows")


@pytest.mark.usefixtures("ray_cluster")
class TestRanks:
    @pytest.mark.parametrize("most", [None, 333])
    def test_they_are_those_of_all_pairs_at_the_drawn_rows(self, embeddings: EmbeddingSet, tmp_path: Path, most: int | None) -> None:
        analysis, seen = settings(most=most), list[tuple[str, int, int]]()
        subject = subject_of(embeddings, analysis, tmp_path)
        metrics, tables = sampled_retrieval(subject, "hash", ClusterConfig(), lambda *line: seen.append(line))
        candidate_C = evenly_spaced(N, most)
        whole = retrieval.ranks(embeddings.image()[candidate_C], embeddings.text()[candidate_C])
        table = tables["ranks"]
        at_Q = np.searchsorted(candidate_C, table["row"])
        assert len(table["row"]) == 100
        assert (np.diff(table["row"]) > 0).all()
        np.testing.assert_array_equal(candidate_C[at_Q], table["row"])
        np.testing.assert_array_equal(table["image_to_text"], whole[0][at_Q])
        np.testing.assert_array_equal(table["text_to_image"], whole[1][at_Q])
        assert (metrics["retrieval"]["pairs_used"], metrics["retrieval"]["n_queries"]) == (len(candidate_C), 100)
        runs = 2 * len(Asked.of(N, analysis).runs())
        assert seen == [("retrieval", done + 1, runs) for done in range(runs)]

    def test_equal_images_share_their_captions_in_other_blocks_too(self, tmp_path: Path) -> None:
        """Every image stands three times, far apart: in the drawn queries as where all pairs are asked, and blocks have other names."""
        image_ND, text_ND = rows()
        image_ND = np.tile(image_ND[: N // 3 + 1], (3, 1))[:N]
        write_set(tmp_path, "world", image_ND, image_ND + (text_ND - rows()[0]), shards=4)
        embeddings, analysis = EmbeddingSet(str(tmp_path), "world", "tiny"), settings()
        _, tables = sampled_retrieval(subject_of(embeddings, analysis, tmp_path), "hash", ClusterConfig(), lambda *_: None)
        whole, row_Q = retrieval.ranks(embeddings.image(), embeddings.text()), tables["ranks"]["row"]
        np.testing.assert_array_equal(tables["ranks"]["image_to_text"], whole[0][row_Q])
        np.testing.assert_array_equal(tables["ranks"]["text_to_image"], whole[1][row_Q])
        found = ranks(embeddings, AnalysisConfig(block_rows=50, retrieval=RetrievalConfig(tile=16)), ClusterConfig())
        for own, wanted in zip(found[1:], whole, strict=True):
            np.testing.assert_array_equal(own, wanted)
        assert any(name.startswith("shared-") for name in Blocks.of(str(tmp_path), "retrieval", "hash").kept())

    def test_a_run_goes_on_with_the_blocks_that_are_missing(
        self, embeddings: EmbeddingSet, tmp_path: Path, capfd: pytest.CaptureFixture[str]
    ) -> None:
        subject, blocks = subject_of(embeddings, settings(), tmp_path), Blocks.of(str(tmp_path), "retrieval", "hash")
        first = sampled_retrieval(subject, "hash", ClusterConfig(), lambda *_: None)
        names = sorted(name for name in blocks.kept() if name.startswith("ranks-"))
        lost, broken, untouched = names[3], names[5], names[8]
        files = {name: Path(blocks.folder) / file for name, file in blocks.kept().items()}
        files[lost].unlink()
        files[broken].write_bytes(b"PAR1")
        seen, before = list[tuple[str, int, int]](), files[untouched].stat().st_mtime_ns
        capfd.readouterr()
        again = sampled_retrieval(subject, "hash", ClusterConfig(), lambda *line: seen.append(line))
        assert [line[1:] for line in seen] == [(len(names) - 1, len(names)), (len(names), len(names))]
        assert f"retrieval: {len(names) - 2} of {len(names)} blocks were measured before and are kept" in capfd.readouterr().err
        assert files[untouched].stat().st_mtime_ns == before
        assert again[0] == first[0]
        np.testing.assert_array_equal(again[1]["ranks"]["image_to_text"], first[1]["ranks"]["image_to_text"])
        other = sampled_retrieval(subject, "other", ClusterConfig(), lambda *_: None)
        assert other[0] == first[0]


def test_without_the_file_of_drawn_rows_they_are_read_from_the_set(embeddings: EmbeddingSet, tmp_path: Path) -> None:
    """Another run may have published the part and removed its blocks."""
    analysis = settings()
    asked, group = Asked.of(N, analysis), slice(0, 64)
    found = queries._queries(embeddings, asked, Blocks.of(str(tmp_path), "retrieval", "hash"), analysis, group)
    np.testing.assert_array_equal(found.image_QD, embeddings.image()[asked.row_Q[group]])


def test_runs_cover_every_candidate_once_and_are_few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queries, "LEAST_RUN", 2048)
    for pairs in (20_001, 1_000_000, 100_000_000, 2_000_000_000):
        runs = Asked.of(pairs, settings(20_000)).runs()
        assert (runs[0].start, runs[-1].stop) == (0, pairs)
        assert all(one.stop == two.start for one, two in pairwise(runs))
        assert len(runs) <= queries.MOST_RUNS
        assert max(run.stop - run.start for run in runs) >= 2000


def test_every_row_is_as_likely_and_another_seed_draws_others() -> None:
    chosen = [seeded(50, 10, seed) for seed in range(2000)]
    assert all(len(set(one.tolist())) == 10 and (np.diff(one) > 0).all() for one in chosen)
    share_N = np.bincount(np.concatenate(chosen), minlength=50) / 2000
    assert np.abs(share_N - 0.2).max() < 0.04
    assert (Asked.of(N, settings()).row_Q == Asked.of(N, settings()).row_Q).all()
    assert set(Asked.of(N, settings(seed=1)).row_Q.tolist()) != set(Asked.of(N, settings()).row_Q.tolist())


def test_a_row_that_is_not_finite_is_named_by_its_place_in_the_set(embeddings: EmbeddingSet, tmp_path: Path) -> None:
    spoil(tmp_path, "world", rows()[0][777])
    analysis = settings(10, seed=5)
    asked, blocks = Asked.of(N, analysis), Blocks.of(str(tmp_path), "retrieval", "hash")
    assert 777 not in asked.row_Q
    with pytest.raises(UserError, match=r"image: row 777 has norm"):
        queries._counts_of(embeddings, asked, blocks, analysis, "ranks-0-0", slice(0, 10), slice(700, N))
    assert blocks.kept() == {}


SAMPLED = [(None, None, None), (901, None, None), (5000, None, None), (900, None, 900), (300, 300, None), (300, 400, 300)]


@pytest.mark.parametrize(("drawn", "most", "expected"), SAMPLED)
def test_all_pairs_are_queries_where_there_are_no_more(drawn: int | None, most: int | None, expected: int | None) -> None:
    assert RetrievalConfig(queries=drawn, max_pairs=most).sampled(N) == expected
