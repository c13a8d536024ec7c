"""Repeats within one data set: the first of each group stays, by lists of neighbours of any length or by comparing all rows."""

from pathlib import Path

import numpy as np
import pytest
from repeated_rows import N, dedupe_job, drawn, gone, join_exactly, plant_world, side, summary_of, towards, write_set

from jobs.dedup import self_duplicates as within
from jobs.dedupe import run
from tda.errors import UserError
from tda.store import EmbeddingSet


@pytest.fixture
def root(tmp_path: Path) -> Path:
    plant_world(tmp_path)
    return tmp_path


class TestWithin:
    """Repeats of the set itself: the first of each group stays, whatever the number of near rows."""

    @staticmethod
    def chain(root: Path, *, k: int | None) -> None:
        """Rows 3 - 12 - 27 near one after the other, not 3 and 27; 5, 6 and eight more nearly alike; 30 and 31 of one URL."""
        rng = np.random.default_rng(7)
        image_ND, text_ND, columns = drawn(N, 60), drawn(N, 61), side(N, "s")
        image_ND[12] = towards(image_ND[3], 0.97, rng)
        image_ND[27] = towards(image_ND[12], 0.96, rng)
        for row in (5, 6, 8, 9, 14, 15, 20, 21, 34, 39):
            image_ND[row] = towards(image_ND[5], 0.9995, rng) if row != 5 else image_ND[5]
        columns["urls"][31] = columns["urls"][30]
        write_set(root, "s", (image_ND, text_ND), columns, sizes=(11, 11, 18))
        if k is not None:
            join_exactly(root, "s", "s", k=k)

    @pytest.mark.parametrize("k", [None, 1, 3, 8, 12, N])
    def test_groups_do_not_depend_on_how_long_the_lists_are(self, tmp_path: Path, k: int | None) -> None:
        self.chain(tmp_path, k=k)
        assert run(dedupe_job(tmp_path, "s", "s", self=True)).whole
        assert gone(tmp_path, "s", "s") == {12, 27, 6, 8, 9, 14, 15, 20, 21, 34, 39, 31}
        reported = summary_of(tmp_path, "s", "s")["within"]
        assert (reported["groups"], reported["largest_group"]) == (3, 10)
        compared = {None: N, 1: N, 3: 11, 8: 10, 12: 0, N: 0}  # of 3 entries 12's are all near: itself, 3 and 27
        assert reported["compared_with_all"] == compared[k]

    @pytest.mark.parametrize("k", [None, 4])
    @pytest.mark.parametrize(("rule", "rows"), [("both", set()), ("either", {12, 27, 6, 8, 9, 14, 15, 20, 21, 34, 39, 2}), ("text", {2})])
    def test_rules(self, tmp_path: Path, rule: str, rows: set[int], k: int | None) -> None:
        self.chain(tmp_path, k=None)
        embedded = EmbeddingSet(str(tmp_path), "s", "e")
        text_ND = embedded.text()
        text_ND[2] = towards(text_ND[0], 0.99, np.random.default_rng(1))
        write_set(tmp_path, "s", (embedded.image(), text_ND), side(N, "s"), sizes=(11, 11, 18))
        if k is not None:
            join_exactly(tmp_path, "s", "s", k=k)
        run(dedupe_job(tmp_path, "s", "s", self=True, rule=rule))
        assert gone(tmp_path, "s", "s") == rows

    def test_after_the_reference_and_only_among_what_stays(self, root: Path) -> None:
        """Rows 2 and 11 repeat the reference; near row 2 stand 3 and 4: with 2 gone, 3 is the first of those two."""
        embedded = EmbeddingSet(str(root), "d", "e")
        image_ND, rng = embedded.image(), np.random.default_rng(2)
        image_ND[3] = towards(image_ND[2], 0.96, rng)
        image_ND[4] = towards(image_ND[3], 0.999, rng)
        assert image_ND[4] @ image_ND[2] > 0.95
        reference_MD = EmbeddingSet(str(root), "r", "e").image()
        assert max(float(reference_MD[7] @ image_ND[row]) for row in (3, 4)) < 0.97
        write_set(root, "d", (image_ND, embedded.text()), side(N, "d"), sizes=(10, 12, 18))
        join_exactly(root, "d", "r")
        run(dedupe_job(root, self=True, threshold=0.97, exact=[]))
        assert gone(root) == {2, 11, 23, 4}
        assert summary_of(root)["dropped"] == {"image": 3, "within": 1}

    def test_in_pieces_of_any_size(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.chain(tmp_path, k=None)
        monkeypatch.setattr(within, "ASKED", 7)
        monkeypatch.setattr(within, "BLOCK", 9)
        run(dedupe_job(tmp_path, "s", "s", self=True))
        assert gone(tmp_path, "s", "s") == {12, 27, 6, 8, 9, 14, 15, 20, 21, 34, 39, 31}

    def test_too_many_rows_name_the_command_that_finds_neighbours(self, tmp_path: Path) -> None:
        self.chain(tmp_path, k=None)
        with pytest.raises(
            UserError, match=r"would compare 40 rows .* python -m jobs.nearest dataset.name=s reference.name=s .* nearest.k=8"
        ):
            run(dedupe_job(tmp_path, "s", "s", self=True, exact_rows=39))
