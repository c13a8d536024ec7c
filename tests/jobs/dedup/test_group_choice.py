"""Which row of a group of repeats stays, and a set that is deduped without a reference."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from repeated_rows import N, dedupe_job, drawn, gone, join_exactly, side, summary_of, towards, write_set
from typed import typed

from jobs.dedup.group_choice import kept_of_each, pair_cosines
from jobs.dedupe import run
from tda.errors import UserError
from tda.store.datasets.embedding_set import EmbeddingSet

GROUPS = ({3, 12, 27}, {5, 6, 8}, {30, 31})  # near by image one after the other; near; of one URL


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """`s`: three groups of repeats whose rows differ in size, caption and cosine of the pair."""
    rng = np.random.default_rng(7)
    image_ND, text_ND, columns = drawn(N, 60), drawn(N, 61), side(N, "s")
    image_ND[12] = towards(image_ND[3], 0.97, rng)
    image_ND[27] = towards(image_ND[12], 0.96, rng)
    for row in (6, 8):
        image_ND[row] = towards(image_ND[5], 0.9995, rng)
    columns["urls"][31] = columns["urls"][30]
    columns["widths"][27] = None
    for row in (27, 8, 31):
        columns["captions"][row] += " and more words"
    columns["captions"][5] = "unknown" + " " * 50  # stands for no caption, however long
    for row in (12, 6, 30):
        text_ND[row] = towards(image_ND[row], 0.9, rng)
    write_set(tmp_path, "s", (image_ND, text_ND), columns, sizes=(11, 11, 18))
    return tmp_path


def _stays(root: Path, reference: str) -> set[int]:
    return set.union(*GROUPS) - gone(root, "s", reference)


@pytest.mark.parametrize("k", [None, 8])
@pytest.mark.parametrize(
    ("keep", "stays"),
    [
        ("first", {3, 5, 30}),
        ("largest", {12, 8, 31}),  # 27 is larger, but its size is not known
        ("width", {12, 8, 31}),
        ("height", {3, 5, 30}),  # all equal: the first
        ("caption", {27, 8, 31}),
        ("pair_cosine", {12, 6, 30}),
    ],
)
def test_which_row_of_a_group_stays(root: Path, keep: str, stays: set[int], k: int | None) -> None:
    if k is not None:
        join_exactly(root, "s", "s", k=k)
    done = run(dedupe_job(root, "s", "", keep=keep))
    assert done.whole
    assert _stays(root, "s") == stays
    assert summary_of(root, "s", "s")["dropped"] == {"within": 5}
    assert run(dedupe_job(root, "s", "", keep=keep)).line == done.line


def test_each_choice_is_a_view_of_its_own(root: Path) -> None:
    run(dedupe_job(root, "s", ""))
    run(dedupe_job(root, "s", "", keep="largest"))
    assert (_stays(root, "s"), _stays(root, "s@image-0.95-self-keep.largest")) == ({3, 5, 30}, {12, 8, 31})
    assert len(EmbeddingSet(str(root), "s-minus-s@image-0.95-self-keep.largest", "e")) == N - 5


def test_without_a_reference_is_the_set_against_itself(root: Path) -> None:
    run(dedupe_job(root, "s", "s", self=True))
    content = summary_of(root, "s", "s")["content"]
    run(dedupe_job(root, "s", ""))
    assert summary_of(root, "s", "s")["content"] == content


def test_a_choice_without_groups_is_refused(root: Path) -> None:
    write_set(root, "r", (drawn(9, 0), drawn(9, 1)), side(9, "r"))
    join_exactly(root, "s", "r")
    with pytest.raises(UserError, match=r"dedupe.keep=largest chooses among repeats within the set: dedupe.self=true"):
        run(dedupe_job(root, "s", "r", keep="largest"))
    with pytest.raises(UserError, match=r"dedupe.keep='area' is unknown; choose one of: first, largest, width"):
        dedupe_job(root, "s", "", keep="area")


def test_rows_that_are_gone_already_are_not_chosen(root: Path) -> None:
    """Of a group whose best row repeats the reference, the best of what is left stays."""
    rows = EmbeddingSet(str(root), "s", "e")
    first_N: Any = np.arange(N)
    first_N[[12, 27]] = 3
    stays_N = np.ones(N, dtype=bool)
    stays_N[12] = False
    assert kept_of_each(rows, first_N, stays_N, "largest")[3] == 3
    assert kept_of_each(rows, first_N, ~stays_N, "largest")[3] == 12


def test_cosines_of_pairs(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = EmbeddingSet(str(root), "s", "e")
    cosine_N = pair_cosines(rows)
    image_ND, text_ND = rows.image().astype(np.float64), rows.text().astype(np.float64)
    wanted_N = (image_ND * text_ND).sum(1) / np.linalg.norm(image_ND, axis=1) / np.linalg.norm(text_ND, axis=1)
    np.testing.assert_allclose(cosine_N, wanted_N, atol=1e-6)
    monkeypatch.setattr("jobs.dedup.group_choice.BLOCK", 7)
    np.testing.assert_array_equal(pair_cosines(rows), cosine_N)


def test_as_it_is_typed(root: Path) -> None:
    done = typed("dedupe", "dataset.name=s", "encoder.name=e", f"root={root}", "dedupe.keep=largest", cwd=root)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(f"s-minus-s / e: {N - 5} of {N} pairs kept, 5 dropped (within 5)")
