"""Premises of Prediction 1 from two sets: measured where images repeat, else named as not measured."""

from pathlib import Path
from typing import Any

import numpy as np
from recorded_rows import write_set

from jobs.analysis.across.premises import premises_of
from tda.config.analysis import AnalysisConfig
from tda.store.datasets.embedding_set import EmbeddingSet


def planted(root: Path, encoder: str, noise: float, *, each: int) -> EmbeddingSet:
    """40 images with `each` captions, which lie about their image."""
    rng = np.random.default_rng(1)
    image_ND = np.repeat(rng.standard_normal((40, 16)), each, axis=0)
    text_ND = image_ND + noise * rng.standard_normal(image_ND.shape)
    write_set(root, "d", image_ND, text_ND, encoder=encoder)
    return EmbeddingSet(str(root), "d", encoder)


def found(root: Path, each: int, *metrics: Any) -> dict[str, Any]:
    sets = [planted(root, "clip", 0.4, each=each), planted(root, "cloob", 1.5, each=each)]
    places = [np.arange(len(one)) for one in sets]
    return premises_of(sets, places, metrics or ({}, {}), AnalysisConfig())


def test_captions_of_one_image_find_each_other(tmp_path: Path) -> None:
    measured = found(tmp_path, 5, {"alignment": {"mean_squared_distance": 0.5}}, {})
    assert measured["pair_distance"] == {"clip": 0.5, "cloob": None}
    assert list(measured["within"]) == ["text"], "no two texts are equal"
    text = measured["within"]["text"]
    assert text["one"] > text["other"]
    assert text["ci95"][0] > 0
    assert text["queries"] > 150


def test_where_nothing_repeats_nothing_is_measured(tmp_path: Path) -> None:
    assert found(tmp_path, 1)["within"] == {}
