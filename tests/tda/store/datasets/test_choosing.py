"""A user's list of pairs becomes a data set of just these rows, under every encoder, and every mistake in it is one line."""

import re
from pathlib import Path

import numpy as np
import pytest
from explored_root import DATASET, HALF, HOSTILE, MODELS, STRANGE_KEY, plant_explored, plant_reference

from tda.errors import UserError
from tda.store.datasets.choosing import choose, lines_of
from tda.store.datasets.embedding_set import EmbeddingSet
from tda.store.datasets.nearest import NearestSet
from tda.store.datasets.selections import selection_of
from tda.store.datasets.views import recorded_name, view_of
from tda.store.verify.contents import Contents


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> str:
    made = plant_explored(tmp_path_factory.mktemp("root"), layout=False, tars=False)
    plant_reference(made)
    return made


LINES = ["00000\t7", "00001\t2", "000009", STRANGE_KEY]  # the pairs 7, 32, 9 and 11
CHOSEN = [7, 9, HOSTILE, HALF + 2]


@pytest.mark.parametrize("model", MODELS)
def test_the_rows_are_those_that_were_chosen_in_the_order_of_the_set(root: str, model: str) -> None:
    selection, pairs = choose(root, DATASET, MODELS[0], LINES)
    whole, chosen = EmbeddingSet(root, DATASET, model), EmbeddingSet(root, selection.name, model)
    assert pairs == len(chosen) == 4
    assert np.array_equal(chosen.image(), whole.image()[CHOSEN])
    assert chosen.table(["key"])["key"].to_pylist() == ["000007", "000009", STRANGE_KEY, "000032"]
    assert chosen.rows_per_shard == [3, 1]
    (block,) = chosen.blocks(100)
    assert np.array_equal(block.text_ND, whole.text()[CHOSEN])
    assert chosen.digest != whole.digest


def test_the_name_is_of_the_choice_alone(root: str) -> None:
    name = choose(root, DATASET, MODELS[0], LINES)[0].name
    assert re.fullmatch(r"world-only-[0-9a-f]{10}", name)
    assert choose(root, DATASET, MODELS[1], [*LINES[::-1], LINES[0]])[0].name == name
    assert choose(root, DATASET, MODELS[0], LINES[:2])[0].name != name
    assert list(Contents().check(root)) == []


def test_selections_have_the_closest_rows_of_their_base(root: str) -> None:
    selection, _ = choose(root, DATASET, MODELS[0], LINES)
    whole, chosen = (NearestSet(root, name, MODELS[0], "seen") for name in (DATASET, selection.name))
    assert np.array_equal(chosen.cosines("image"), whole.cosines("image")[CHOSEN])


def test_a_selection_of_a_selection_is_read_in_place(root: str) -> None:
    outer, _ = choose(root, DATASET, MODELS[0], LINES)
    inner, pairs = choose(root, outer.name, MODELS[0], ["00000\t9", "00001\t2"])
    assert pairs == 2
    rows = EmbeddingSet(root, inner.name, MODELS[1])
    assert np.array_equal(rows.text(), EmbeddingSet(root, DATASET, MODELS[1]).text()[[9, HALF + 2]])
    assert recorded_name(inner.name) == DATASET


def test_names_of_views_and_selections_are_told_apart() -> None:
    assert selection_of("a-only-0123456789") is not None
    assert [selection_of(name) for name in ("a-only-01234", "text-only-set", "-only-0123456789", "a-only-012345678g")] == [None] * 4
    assert view_of("a-minus-b-only-0123456789") is None
    assert selection_of("a-only-0123456789-minus-b") is None
    view = view_of("a-only-0123456789-minus-b")
    assert view is not None
    assert (view.base, recorded_name(view.name)) == ("a-only-0123456789", "a")


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["00000\t7", "00000\t999"], "1 of 2 lines name no pair of world by clip, the first: 00000, pair 999"),
        (["000007", "nobody", "no one"], "2 of 3 keys are of no pair, the first: nobody"),
        (["00009\t1"], "1 of 1 keys are of no pair"),
    ],
)
def test_a_line_that_names_nothing_is_refused(root: str, lines: list[str], message: str) -> None:
    with pytest.raises(UserError, match=message):
        choose(root, DATASET, MODELS[0], lines)


@pytest.mark.parametrize(("content", "message"), [(b"", "has no line"), (b"\xff\xfe", "is not UTF-8"), (None, "there is no file")])
def test_a_file_without_pairs_is_refused(tmp_path: Path, content: bytes | None, message: str) -> None:
    file = tmp_path / "pairs.txt"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(UserError, match=f"dataset.keep=@.*{message}"):
        lines_of(f"@{file}")


def test_lines_are_read_as_any_editor_leaves_them(tmp_path: Path) -> None:
    (tmp_path / "pairs.txt").write_bytes(b"\xef\xbb\xbf00000\t7\r\n\r\nkey with  spaces \r\n")
    assert lines_of(f"@{tmp_path / 'pairs.txt'}") == ["00000\t7", "key with  spaces "]
    with pytest.raises(UserError, match="is no @file"):
        lines_of("pairs.txt")


def test_a_selection_that_is_not_there_or_was_changed_is_named(root: str, tmp_path: Path) -> None:
    with pytest.raises(
        UserError, match=r"world-only-0123456789 is not chosen yet: python -m jobs.analyze dataset.name=world dataset.keep=@FILE"
    ):
        EmbeddingSet(root, "world-only-0123456789", MODELS[0])
    made = plant_explored(tmp_path, models=("clip",), layout=False, tars=False)
    selection, _ = choose(made, DATASET, "clip", LINES)
    url = tmp_path / "selections" / DATASET / f"{selection.digits}.json"
    url.write_text(url.read_text().replace("7", "8", 1))
    with pytest.raises(UserError, match="was changed after it was written"):
        EmbeddingSet(made, selection.name, "clip")
    assert any("was changed" in line for line in Contents().check(made))
