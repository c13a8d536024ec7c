"""`<name>-minus-<reference>` as a data set: the kept rows and no others, with an identity of their own."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from repeated_rows import N, plant_world

from tda.errors import UserError
from tda.store import EmbeddingSet
from tda.store.datasets.nearest import NearestSet
from tda.store.datasets.views import Kept, View, label, publish_kept, read_summary, recorded_name, view_of
from tda.store.paths import RootPaths

GONE = {2, 5, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 39}  # of d's second shard (10..21) only row 10 stays
STAYS = np.array([row for row in range(N) if row not in GONE])


def keep(root: Path, base: str = "d", gone: set[int] = GONE, content: str = "c1") -> None:
    """Publish a view that lacks these rows of `base`."""
    rows = EmbeddingSet(str(root), base, "e")
    start, kept = 0, []
    for index, table in enumerate(rows.tables(["ordinal"])):
        stays = np.array([start + i not in gone for i in range(len(table))], dtype=bool)
        start += len(table)
        kept.append(Kept(rows.shards[index], table["ordinal"].to_numpy()[stays], rows.rows_in_file(index)[stays]))
    publish_kept(RootPaths(str(root)), View(base, "r"), "e", iter(kept), {"content": content, "inputs": {"rows": rows.digest}})


@pytest.fixture
def root(tmp_path: Path) -> Path:
    plant_world(tmp_path)
    keep(tmp_path)
    return tmp_path


def test_names() -> None:
    assert view_of("a-minus-b") == View("a", "b")
    assert view_of("a-minus-b-minus-c") == View("a-minus-b", "c")
    assert view_of("a-minus-b-minus-c").name == "a-minus-b-minus-c"
    assert [view_of(name) for name in ("a", "a-minus-", "-minus-b", "aminusb")] == [None] * 4
    assert recorded_name("a-minus-b-minus-c") == "a"


def test_every_reader_sees_the_kept_rows_alone(root: Path) -> None:
    base, view = EmbeddingSet(str(root), "d", "e"), EmbeddingSet(str(root), "d-minus-r", "e")
    assert (len(view), view.shards, view.rows_per_shard) == (len(STAYS), base.shards, [8, 1, 17])
    assert (view.dim, view.dtype, view.meta) == (base.dim, base.dtype, base.meta)
    assert np.array_equal(view.image(), base.image()[STAYS])
    assert np.array_equal(view.text(slice(5, 15)), base.text()[STAYS[5:15]])
    assert view.table().to_pylist() == base.table().take(pa.array(STAYS)).to_pylist()
    assert view.captions() == [base.captions()[row] for row in STAYS]
    for rows in (1, 4, 100):
        blocks = list(view.blocks(rows))
        assert [block.start for block in blocks] == list(range(0, len(STAYS), rows))
        assert np.array_equal(np.concatenate([block.image_ND for block in blocks]), view.image())
        assert np.array_equal(np.concatenate([block.text_ND for block in blocks]), view.text())


def test_closest_rows_are_those_of_the_kept(root: Path) -> None:
    base, view = NearestSet(str(root), "d", "e", "r"), NearestSet(str(root), "d-minus-r", "e", "r")
    assert len(view) == len(STAYS)
    assert np.array_equal(view.cosines("image"), base.cosines("image")[STAYS])
    assert view.matches("text").to_pylist() == base.matches("text").take(pa.array(STAYS)).to_pylist()
    assert view.digest != base.digest


def test_a_view_of_a_view(root: Path) -> None:
    keep(root, "d-minus-r", {0, 25})
    again = EmbeddingSet(str(root), "d-minus-r-minus-r", "e")
    assert np.array_equal(again.image(), EmbeddingSet(str(root), "d", "e").image()[np.delete(STAYS, [0, 25])])
    assert len(NearestSet(str(root), "d-minus-r-minus-r", "e", "r")) == len(STAYS) - 2


def test_identity_follows_the_kept_rows(root: Path) -> None:
    before = EmbeddingSet(str(root), "d-minus-r", "e").digest
    assert before == EmbeddingSet(str(root), "d-minus-r", "e").digest != EmbeddingSet(str(root), "d", "e").digest
    keep(root, gone={1}, content="c2")
    assert EmbeddingSet(str(root), "d-minus-r", "e").digest != before


def test_nothing_kept_is_an_empty_set(root: Path) -> None:
    keep(root, gone=set(range(N)))
    view = EmbeddingSet(str(root), "d-minus-r", "e")
    assert (len(view), view.image().shape, list(view.blocks(8)), view.captions()) == (0, (0, view.dim), [], [])


def test_a_set_that_was_recorded_under_such_a_name_is_itself(root: Path) -> None:
    plant_world(root / "other")
    (root / "other/embeddings/d").rename(root / "embeddings/d-minus-r")
    assert len(EmbeddingSet(str(root), "d-minus-r", "e")) == N


def test_what_is_not_made_or_not_whole_names_the_command(root: Path) -> None:
    command = f"python -m jobs.dedupe dataset.name=d reference.name=r encoder.name=e root={root}"
    folder = root / "dedupe/d/e/r"
    summary = (folder / "summary.json").read_text()
    (folder / "summary.json").write_text(summary.replace('"schema": 1', '"schema": 9'))
    with pytest.raises(UserError, match=r"summary.json is not of schema 1") as refused:
        EmbeddingSet(str(root), "d-minus-r", "e")
    assert command in str(refused.value)
    (folder / "summary.json").write_text(summary.replace('"content": "c1"', '"content": "c9"'))
    with pytest.raises(UserError, match=r"does not match its summary.json"):
        EmbeddingSet(str(root), "d-minus-r", "e").image()
    (folder / "summary.json").write_text(summary)
    (folder / "kept.parquet").write_bytes(b"PAR1 cut")
    with pytest.raises(UserError, match=r"kept.parquet cannot be read"):
        EmbeddingSet(str(root), "d-minus-r", "e").table(["key"])
    (folder / "summary.json").unlink()
    with pytest.raises(UserError, match=r"d-minus-r is not made yet for encoder.name=e: python -m jobs.dedupe"):
        EmbeddingSet(str(root), "d-minus-r", "e")


def test_a_base_that_has_other_rows_by_now_makes_it_stale(root: Path) -> None:
    for record in (root / "embeddings").rglob("_records/*.json"):
        record.unlink()  # the first record would win
    plant_world(root, seed=9)
    with pytest.raises(UserError, match=r"is stale: d has other rows by e now; make it again: python -m jobs.dedupe"):
        EmbeddingSet(str(root), "d-minus-r", "e")


def test_row_groups_do_not_follow_shards(root: Path) -> None:
    import pyarrow.parquet as pq

    kept = pq.read_table(root / "dedupe/d/e/r/kept.parquet")
    assert kept.column_names == ["shard", "ordinal", "row"]
    assert pq.read_metadata(root / "dedupe/d/e/r/kept.parquet").num_row_groups == 1
    assert kept.num_rows == read_summary(RootPaths(str(root)), View("d", "r"), "e")["rows_kept"] == len(STAYS)
    assert sorted(set(kept["shard"].to_pylist())) == ["00000", "00001", "00002"]


@pytest.mark.parametrize(
    ("settings", "name"),
    [
        ({"rule": "image", "threshold": 0.95, "text_threshold": 0.1, "exact": ["url", "caption"]}, "image-0.95"),
        ({"rule": "both", "threshold": 1}, "both-1.0"),
        ({"rule": "either", "threshold": 0.9, "text_threshold": 0.8}, "either-0.9-0.8"),
        ({"rule": "text", "threshold": 0.9, "text_threshold": -0.5, "exact": []}, "text--0.5-exact.none"),
        ({"rule": "text", "threshold": 0.9, "exact": ["url"], "self": True}, "text-0.9-exact.url-self"),
    ],
)
def test_labels_say_what_is_not_the_default(settings: dict[str, Any], name: str) -> None:
    assert label(settings) == name
    labelled = View("d", "r").labelled(name)
    assert view_of(f"d-minus-r@{name}") == labelled
    assert (labelled.plain, labelled.name) == (View("d", "r"), f"d-minus-r@{name}")
    assert RootPaths("/x").dedupe_dir("d", "e", labelled.reference) == f"/x/dedupe/d/e/r/views/{name}"
