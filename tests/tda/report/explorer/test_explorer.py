"""The files of the explorer: what is in them is what was planted, and they are not made twice."""

import base64
import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from explored_root import (
    COLOUR,
    CONFIG,
    DATASET,
    HOSTILE,
    PLANTED,
    STEPS,
    STRANGE_KEY,
    TRAIN,
    P,
    caption,
    front,
    plant_checkpoints,
    plant_explored,
    plant_reference,
)
from PIL import Image

from tda.report.data.load import load_run
from tda.report.explorer import explorer
from tda.report.explorer.explorer import build_explorer
from tda.report.explorer.sprites import SHEET
from tda.store.documents import named_files, read_document, seal_holds
from tda.store.verify.contents import Contents


def _read(root: str, name: str) -> Any:
    text = (Path(root) / "report/explore" / f"{name}.js").read_text()
    prefix = f'lacuna.put("{name}",'
    assert text.startswith(prefix)
    return json.loads(text[len(prefix) : -3])


def _array(packed: dict[str, str], *shape: int) -> Any:
    ((kind, text),) = packed.items()
    return np.frombuffer(base64.b64decode(text), f"<{kind}").reshape(shape)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> str:
    made = plant_explored(tmp_path_factory.mktemp("root"))
    plant_reference(made)
    plant_checkpoints(made)
    built = build_explorer(load_run(made, CONFIG))
    assert built is not None
    return made


def test_the_index_lists_models_and_checkpoints(root: str) -> None:
    index = _read(root, "index")
    (dataset,) = index["datasets"]
    assert (dataset["name"], dataset["pairs"], dataset["all"], dataset["pictured"]) == (DATASET, P, P, P)
    assert [(one["encoder"], one["track"], one["step"]) for one in index["models"]] == [
        ("clip", "", None),
        ("cloob", "", None),
        ("arm@300", "arm", 300),
        ("arm@100", "arm", 100),
        ("arm@200", "arm", 200),
    ]
    assert index["models"][0]["has"] == ["cosine", "images", "label", "pca", "rank", "reference", "sphere", "texts"]
    assert index["notes"] == []


def test_pairs_carry_their_captions_keys_and_pictures(root: str) -> None:
    held = _read(root, "dataset-0")
    assert held["captions"][PLANTED] == caption(PLANTED)
    assert "RIGHT-TO-LEFT OVERRIDE" in held["captions"][HOSTILE]
    assert held["keys"][HOSTILE] == STRANGE_KEY
    assert [held["shards"][i] for i in _array(held["shard"], P)] == ["00000"] * 30 + ["00001"] * 30
    assert _array(held["ordinal"], P).tolist() == [*range(30), *range(30)]
    sprites, number = _read(root, "index")["datasets"][0]["sprites"], int(_array(held["picture"], P)[PLANTED])
    assert sprites["side"] == 32
    sheet = Image.open(Path(root) / "report/explore" / sprites["sheets"][0])
    assert max(sheet.size) <= SHEET
    left, top = (number % sprites["columns"]) * 32, (number // sprites["columns"]) * 32
    assert np.abs(np.array(sheet.getpixel((left + 16, top + 16))) - COLOUR).max() < 12


def test_numbers_are_those_of_the_analysis_and_the_vectors(root: str) -> None:
    from tda.store.datasets.embedding_set import EmbeddingSet

    held = _read(root, "model-0")
    assert np.allclose(_array(held["place"]["sphere"], 2, P, 3)[0], [front(pair) for pair in range(P)], atol=1e-6)
    rows = EmbeddingSet(root, DATASET, "clip")
    image_PD, text_PD = rows.image().astype(np.float64), rows.text().astype(np.float64)
    assert np.allclose(_array(held["number"]["cosine"], P), np.einsum("pd,pd->p", image_PD, text_PD), atol=1e-5)
    found = _array(held["index"]["texts"], P, held["matches"])
    assert np.array_equal(found[:, 0], np.argmax(image_PD @ text_PD.T, axis=1))
    (reference,) = held["references"]
    assert reference["name"] == TRAIN
    at = int(_array(reference["image"]["index"], P)[PLANTED])
    assert reference["image"]["captions"][at] == "seen in training"
    assert reference["image"]["rows"][at] == ["00000", 1]
    assert float(_array(reference["image"]["cosine"], P)[PLANTED]) == pytest.approx(1, abs=1e-5)


def test_clusters_have_words_numbers_and_sample_pairs(root: str) -> None:
    clusters = {one["id"]: one for one in _read(root, "model-0")["clusters"]}
    assert set(clusters) == {0, 1, 2}
    assert {"red", "square"} <= set(clusters[0]["words"])
    assert (clusters[1]["size"], clusters[1]["auc"], clusters[1]["top1"]) == (30, pytest.approx(0.3), pytest.approx(0.7))
    assert all(pair % 3 == 1 for pair in clusters[1]["samples"])


def test_models_and_checkpoints_are_turned_onto_one_another(root: str) -> None:
    own, last, first = (_array(_read(root, f"model-{i}")["place"]["sphere"], 2, P, 3) for i in (1, 2, 3))
    # the drift of the planted layouts is small; the random turns of each checkpoint are not
    assert np.linalg.norm(last - first, axis=-1).mean() < 0.15
    assert np.linalg.norm(own - last, axis=-1).mean() < 0.15
    assert np.allclose(np.linalg.norm(first, axis=-1), 1, atol=1e-5)


def test_every_file_is_named_and_nothing_is_made_twice(root: str, monkeypatch: pytest.MonkeyPatch) -> None:
    url = str(Path(root) / "report/explore" / explorer.MANIFEST)
    manifest = read_document(url)
    assert seal_holds(manifest)
    files = {file.name for file in (Path(root) / "report/explore").iterdir()}
    assert {name.rsplit("/", 1)[1] for name, _ in named_files(url, manifest)} == files - {explorer.MANIFEST}
    assert list(Contents().check(root)) == []
    monkeypatch.setattr(explorer, "_made", None)  # it would fail
    assert build_explorer(load_run(root, CONFIG)) is not None


def test_a_damaged_file_is_found_and_made_again(root: str, tmp_path: Path) -> None:
    copy = shutil.copytree(root, tmp_path / "copy")
    build_explorer(load_run(str(copy), CONFIG))
    file = copy / "report/explore/model-0.js"
    whole = file.read_bytes()
    file.write_bytes(whole[:-40] + b"x" + whole[-39:])
    assert any("model-0.js" in line for line in Contents().check(str(copy)))
    build_explorer(load_run(str(copy), CONFIG))
    assert file.read_bytes() == whole


def test_a_smaller_explorer_leaves_nothing_behind(root: str, tmp_path: Path) -> None:
    copy = shutil.copytree(root, tmp_path / "copy")
    run = load_run(str(copy), replace(CONFIG, explorer=20, pictures=5))
    build_explorer(run)
    (dataset,) = _read(str(copy), "index")["datasets"]
    assert (dataset["pairs"], dataset["all"], dataset["pictured"]) == (20, P, 5)
    assert len(_read(str(copy), "dataset-0")["captions"]) == 20
    manifest = read_document(str(copy / "report/explore" / explorer.MANIFEST))
    assert set(manifest["files"]) == {file.name for file in (copy / "report/explore").iterdir()} - {explorer.MANIFEST}
    assert build_explorer(load_run(str(copy), replace(CONFIG, explorer=0))) is None


def test_it_works_without_captions_layouts_or_pictures(tmp_path: Path) -> None:
    made = plant_explored(tmp_path, models=("clip",), captions=False, layout=False, tars=False)
    build_explorer(load_run(made, CONFIG))
    index = _read(made, "index")
    (dataset,), (model,) = index["datasets"], index["models"]
    assert (dataset["captions"], dataset["pictured"], dataset["sprites"]["sheets"]) == (False, 0, [])
    assert dataset["gone"]
    assert model["has"] == ["cosine", "images", "pca", "rank", "texts"]
    assert _read(made, "model-0")["clusters"] == []
    assert len(STEPS) == 3


def test_without_embeddings_rows_are_known_by_their_number(tmp_path: Path) -> None:
    made = plant_explored(tmp_path, models=("clip",))
    shutil.rmtree(tmp_path / "embeddings")
    build_explorer(load_run(made, CONFIG))
    held = _read(made, "dataset-0")
    assert _array(held["ordinal"], P).tolist() == list(range(P))
    assert held["shards"] == [""]
    assert set(held["captions"]) == {""}
    assert _read(made, "index")["models"][0]["has"] == ["label", "pca", "rank", "sphere"]
