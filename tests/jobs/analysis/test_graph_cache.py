"""The stored neighbour graph: found once for its rows, by blocks of which those that are kept are not found again."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from jobs.analysis import graph_cache
from jobs.analysis.graph_cache import stored_graph
from tda.geometry.neighbors import graph
from tda.geometry.neighbors.graph import GraphSearch, Knn, knn_graph

N, K = 230, 6
HASH = "a" * 64


@pytest.fixture(name="x_ND")
def many_rows(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Rows that are many for these settings."""
    monkeypatch.setattr(graph, "EXACT_ROWS", 50)
    monkeypatch.setattr(graph_cache, "EXACT_ROWS", 50)
    monkeypatch.setattr(graph, "TILED_ROWS", 20)
    monkeypatch.setattr(graph, "GRAPH_ROWS", 40)
    return np.random.default_rng(0).standard_normal((N, 12)).astype(np.float16)


def same(one: Knn, two: Knn) -> bool:
    np.testing.assert_array_equal(one.index_NK, two.index_NK)
    np.testing.assert_array_equal(one.distance_NK, two.distance_NK)
    return one.exact == two.exact


def stored(folder: Path, x_ND: Any, rows_hash: str = HASH, k: int = K) -> Knn:
    return stored_graph(str(folder), rows_hash, x_ND, k, seed=0, device="cpu")


def counted(monkeypatch: pytest.MonkeyPatch, die_at: int | None = None) -> list[int]:
    """The blocks that are found, by their first row; the process dies before one of them."""
    found, real = list[int](), GraphSearch.of

    def of(self: GraphSearch, rows: slice) -> Knn:
        if rows.start == die_at:
            raise KeyboardInterrupt
        found.append(rows.start)
        return real(self, rows)

    monkeypatch.setattr(GraphSearch, "of", of)
    return found


def killed(folder: Path, x_ND: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run that ends after three of six blocks."""
    with monkeypatch.context() as patch:
        counted(patch, die_at=120)
        with pytest.raises(KeyboardInterrupt):
            stored(folder, x_ND)


def test_a_graph_found_by_blocks_is_the_graph_and_leaves_one_file(x_ND: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert same(stored(tmp_path, x_ND), knn_graph(x_ND, K, device="cpu"))
    assert [path.name for path in tmp_path.iterdir()] == [f"_neighbours_{N}.parquet"]
    again = counted(monkeypatch)
    assert same(stored(tmp_path, x_ND), knn_graph(x_ND, K, method="approximate", device="cpu"))
    assert again == [0, 40, 80, 120, 160, 200], "by knn_graph alone: the stored one was read"


def test_a_killed_run_goes_on_with_the_blocks_that_are_missing(
    x_ND: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = knn_graph(x_ND, K, device="cpu")
    killed(tmp_path, x_ND, monkeypatch)
    (folder,) = tmp_path.iterdir()
    kept = sorted(folder.iterdir())
    assert len(kept) == 3
    kept[1].write_bytes(kept[1].read_bytes()[:-9])
    found = counted(monkeypatch)
    assert same(stored(tmp_path, x_ND), whole)
    assert found == [40, 120, 160, 200], "a damaged block counts as missing"
    assert "neighbours: 3 of 6 blocks were found before and are kept" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == [f"_neighbours_{N}.parquet"]


def test_the_graph_of_very_many_rows_stays_in_its_blocks(x_ND: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(graph_cache, "WHOLE_ROWS", 200)
    whole = knn_graph(x_ND, K, device="cpu")
    assert same(stored(tmp_path, x_ND), whole)
    (folder,) = tmp_path.iterdir()
    assert len(list(folder.iterdir())) == 6
    found = counted(monkeypatch)
    assert same(stored(tmp_path, x_ND), whole)
    assert found == []
    other_ND = x_ND[::-1].copy()
    assert same(stored(tmp_path, other_ND, "b" * 64), knn_graph(other_ND, K, device="cpu"))


def test_a_graph_of_other_rows_is_found_anew(x_ND: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    killed(tmp_path, x_ND, monkeypatch)
    other_ND = x_ND[::-1].copy()
    assert same(stored(tmp_path, other_ND, "b" * 64), knn_graph(other_ND, K, device="cpu"))
    assert same(stored(tmp_path, x_ND), knn_graph(x_ND, K, device="cpu"))
    found = counted(monkeypatch)
    assert stored(tmp_path, x_ND, k=K - 1).k == K
    assert found == [], "more neighbours than are wanted serve"
    assert stored(tmp_path, x_ND, k=K + 1).k == K + 1


def test_few_rows_are_compared_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    x_ND = np.random.default_rng(1).standard_normal((60, 5))
    found = counted(monkeypatch)
    assert same(stored(tmp_path, x_ND), knn_graph(x_ND, K, device="cpu"))
    assert found == []
