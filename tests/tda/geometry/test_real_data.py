"""Every statistic published with the real embeddings, from the library's functions on the plain arrays."""

from typing import Any

import numpy as np
import pytest

from tda.geometry import retrieval, separability
from tda.geometry.parts.pair_stats import PairStats
from tda.geometry.spectrum.fall import fall

TOLERANCE = 1e-4
SPECTRA = ("image", "text", "both")


def test_gap_and_cosines(real: Any) -> None:
    stats = PairStats.of_set(real.image_ND, real.text_ND)
    cosine = stats.cosine_metrics()
    found = {
        "gap_norm": stats.gap_metrics()["centroid_distance"],
        "pair_cosine_mean": cosine["pair"]["mean"],
        "random_cross_cosine_mean": cosine["random"]["mean"],
        "image_image_cosine_mean": cosine["image_image"]["mean"],
        "text_text_cosine_mean": cosine["text_text"]["mean"],
    }
    assert found == pytest.approx({name: real.expected[name] for name in found}, abs=1e-9)


def test_the_spread_of_random_cosines_is_that_of_all_partners(real: Any) -> None:
    """Old and new: one partner a row gave .0469 for the trained ViT-B/16, all 249,500 give .0483; d' follows."""
    image_ND, text_ND = (x / np.linalg.norm(x, axis=1, keepdims=True) for x in (real.image_ND.astype(float), real.text_ND.astype(float)))
    others = (image_ND @ text_ND.T)[~np.eye(len(image_ND), dtype=bool)]
    found = PairStats.of_set(real.image_ND, real.text_ND).cosine_metrics()["random"]["std"]
    assert found == pytest.approx(others.std(), abs=1e-12)
    assert found != pytest.approx((image_ND * np.roll(text_ND, -(len(text_ND) // 2), axis=0)).sum(axis=1).std(), abs=1e-4)


def test_the_number_of_rows_is_no_collapse(real: Any) -> None:
    """500 pairs in 512 dimensions have 499 values: the step after them is the sample's, and is not called a drop."""
    spectra, rows = PairStats.of_set(real.image_ND, real.text_ND).spectrum_metrics("float32"), len(real.image_ND)
    for name in ("image", "text"):
        part = spectra[name]
        found = fall(np.asarray(part["singular_values"]), part["floor"], part["collapse_index"], rows)
        assert found.drop is None or found.drop.index < rows - 1


def test_retrieval_lies_between_the_two_tie_rules(real: Any) -> None:
    found = retrieval.metrics(*retrieval.ranks(real.image_ND, real.text_ND))
    assert found["pairs_used"] == real.expected["n_pairs"]
    for way in ("image_to_text", "text_to_image"):
        for k in (1, 5):
            low, high = real.expected[way][f"R@{k}_pessimistic"], real.expected[way][f"R@{k}"]
            assert low - 1e-12 <= found[way][f"top{k}"] <= high + 1e-12


def test_singular_values_centred_and_not(real: Any) -> None:
    stats = PairStats.of_set(real.image_ND, real.text_ND)
    spectra = stats.spectrum_metrics("float32")
    moments = {"image": stats.image, "text": stats.text, "both": stats.image.merge(stats.text)}
    for name in SPECTRA:
        centred = np.array(real.expected["singular_values"][f"{name}_centred"]) ** 2
        found = np.array(spectra[name]["singular_values"])[: len(centred)] * (moments[name].n - 1)
        np.testing.assert_allclose(found, centred, rtol=1e-9, atol=real.sigma_atol)
        raw = np.array(real.expected["singular_values"][f"{name}_uncentred"]) ** 2
        found = np.linalg.eigvalsh(moments[name].gram_DD)[::-1][: len(raw)]
        np.testing.assert_allclose(found, raw, rtol=1e-9, atol=real.sigma_atol)


def test_linear_svm_train_and_held_out(real: Any) -> None:
    found = separability.metrics(real.image_ND, real.text_ND)
    assert found["train"]["accuracy"] == pytest.approx(real.expected["svm_training_accuracy_all_rows"]["accuracy"], abs=TOLERANCE)
    assert found["pca2"]["accuracy"] == pytest.approx(real.expected["pca2_svm_training"]["accuracy"], abs=TOLERANCE)
    halves = real.expected["svm_heldout"]
    assert found["heldout"]["accuracy"] == pytest.approx(halves["train_first_half"]["accuracy"], abs=TOLERANCE)
    half = len(real.image_ND) // 2
    swapped = separability.heldout(np.roll(real.image_ND, half, axis=0), np.roll(real.text_ND, half, axis=0))
    assert swapped.accuracy == pytest.approx(halves["train_second_half"]["accuracy"], abs=TOLERANCE)


def test_linear_svm_reaches_the_minimum(real: Any) -> None:
    half = len(real.image_ND) // 2
    for fit, score, expected in (
        (slice(None), slice(None), real.expected["svm_training_accuracy_all_rows"]),
        (slice(half), slice(half, None), real.expected["svm_heldout"]["train_first_half"]),
        (slice(half, None), slice(half), real.expected["svm_heldout"]["train_second_half"]),
    ):
        plane = separability.linear_svm(real.image_ND[fit], real.text_ND[fit])
        decisions = plane.decision(np.concatenate([real.image_ND[score], real.text_ND[score]]))
        assert np.abs(decisions).min() == pytest.approx(expected["min_abs_decision"], abs=1e-6)


@pytest.mark.parametrize(("c", "key"), [(1.0, "pca2_svm_training"), (100.0, "pca2_svm_training_C100")])
def test_two_principal_components(real: Any, c: float, key: str) -> None:
    image_N2, text_N2, explained = separability.principal_plane(real.image_ND, real.text_ND)
    assert explained == pytest.approx(real.expected["pca2_explained_variance_ratio"], abs=1e-7)
    scores = separability.train(image_N2, text_N2, c)
    assert scores.accuracy == pytest.approx(real.expected[key]["accuracy"], abs=TOLERANCE)
