"""The closest pairs: in order over all shards, with the captions and cosines of their own rows."""

from pathlib import Path

import numpy as np
import pytest
from drawn_world import ENCODER, plant_drawn_world

from tda.report.contact.pairs import closest_pairs, pairs_of
from tda.store.datasets.embedding_set import EmbeddingSet
from tda.store.datasets.nearest import NearestSet
from tda.store.datasets.row_lookup import RowId

NAMES = ("toy_heldout", ENCODER, "toy_train")


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(plant_drawn_world(tmp_path_factory.mktemp("root")))


@pytest.mark.parametrize("modality", ["image", "text"])
def test_pairs_are_the_closest_in_order(root: str, modality: str) -> None:
    nearest = NearestSet(root, *NAMES)
    found = closest_pairs(nearest, modality, 25)
    cosines = nearest.cosines(modality)
    order = np.argsort(-cosines, kind="stable")[:25]
    assert [cosine for cosine, _, _ in found] == [float(x) for x in cosines[order]]
    rows = EmbeddingSet(root, "toy_heldout", ENCODER).table(["shard", "ordinal"]).to_pylist()
    assert [query for _, query, _ in found] == [RowId(**rows[row]) for row in order]
    matches = nearest.matches(modality).to_pylist()
    assert [match for _, _, match in found] == [RowId(matches[row]["shard"], matches[row]["ordinal"]) for row in order]


def test_fewer_are_the_first_of_more_and_all_is_the_most(root: str) -> None:
    nearest = NearestSet(root, *NAMES)
    everything = closest_pairs(nearest, "image", 10_000)
    assert len(everything) == len(nearest)
    assert closest_pairs(nearest, "image", 7) == everything[:7]
    assert closest_pairs(nearest, "image", 0) == []


@pytest.mark.parametrize("modality", ["image", "text"])
def test_a_pair_has_the_captions_and_cosines_of_its_own_rows(root: str, modality: str) -> None:
    pairs = pairs_of(root, NAMES, NearestSet(root, *NAMES), modality, 10)
    columns = ["shard", "ordinal", "key", "caption", "image", "text"]
    stored = {name: EmbeddingSet(root, name, ENCODER).table(columns).to_pylist() for name in ("toy_heldout", "toy_train")}
    by_id = {name: {(row["shard"], row["ordinal"]): row for row in rows} for name, rows in stored.items()}
    for pair in pairs:
        query, match = (by_id[name][side.id] for name, side in (("toy_heldout", pair.query), ("toy_train", pair.match)))
        for side, row in ((pair.query, query), (pair.match, match)):
            assert (side.key, side.caption) == (row["key"], row["caption"])
        assert pair.image == pytest.approx(_cosine(query["image"], match["image"]), abs=2e-3)
        assert pair.text == pytest.approx(_cosine(query["text"], match["text"]), abs=2e-3)


def _cosine(x: list[float], y: list[float]) -> float:
    a, b = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
    return float(a @ b / np.sqrt((a @ a) * (b @ b)))


def test_a_side_knows_the_shard_of_its_image(root: str) -> None:
    for pair in pairs_of(root, NAMES, NearestSet(root, *NAMES), "image", 5):
        for side, dataset in ((pair.query, "toy_heldout"), (pair.match, "toy_train")):
            assert side.path.endswith(f"shards/{dataset}/{side.id.shard}.tar")
            assert side.place == (side.path, side.id.ordinal)


def test_equal_captions_have_equal_text_vectors(root: str) -> None:
    pairs = pairs_of(root, NAMES, NearestSet(root, *NAMES), "text", 20)
    equal = [pair.text for pair in pairs if pair.query.caption == pair.match.caption]
    assert equal
    assert equal == pytest.approx([1] * len(equal))


def test_without_the_references_embeddings_the_stored_cosine_is_left(tmp_path: Path) -> None:
    root = str(plant_drawn_world(tmp_path))
    nearest = NearestSet(root, *NAMES)
    before = pairs_of(root, NAMES, nearest, "image", 4)
    (tmp_path / "embeddings/toy_train").rename(tmp_path / "moved")
    after = pairs_of(root, NAMES, nearest, "image", 4)
    assert [(pair.image, pair.query, pair.match.id) for pair in after] == [(pair.image, pair.query, pair.match.id) for pair in before]
    assert {(pair.text, pair.match.key, pair.match.caption, pair.match.path) for pair in after} == {(None, "", "", "")}
