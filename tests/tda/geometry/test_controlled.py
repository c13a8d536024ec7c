"""Local dimension against retrieval: planted worlds in which it matters, does not, or only seems to."""

from typing import Any

import numpy as np
import pytest
from scipy.stats import spearmanr

from tda.geometry.controlled import CONTROLS, Controlled, controlled, difference, overlaps, rarefied_rank, rarefied_ranks
from tda.geometry.local_dimension import Clusters, associate
from tda.geometry.predictions import Space, prediction_2
from tda.geometry.spectrum.moments import covariance_spectrum


def world(kind: str, clusters: int, seed: int) -> dict[str, Any]:
    """Clusters whose size, purity and spread drive dimension and retrieval (confounded), or not; real: dimension drives retrieval."""
    rng = np.random.default_rng(seed)
    size, purity, trace = rng.uniform(2, 6, clusters), rng.uniform(0.5, 1, clusters), rng.normal(size=clusters)
    dimension, top1 = rng.normal(size=(2, clusters))
    if kind == "confounded":
        dimension, top1 = 0.6 * dimension + size + trace, 0.6 * top1 + size - purity + trace / 2
    elif kind == "real":
        top1 = top1 + 1.5 * dimension + 0.5 * size
    return {"dimension": dimension, "top1": top1, "log_size": size, "purity": purity, "log_trace": trace}


def verdict(kind: str, clusters: int, seed: int) -> Controlled:
    return controlled({"": world(kind, clusters, seed)})


def test_the_value_is_the_rank_correlation_of_what_the_controls_leave() -> None:
    columns = world("confounded", 30, 0)
    design = np.c_[np.ones(30), *(columns[name] for name in CONTROLS)]
    left = [columns[name] - design @ np.linalg.lstsq(design, columns[name], rcond=None)[0] for name in ("dimension", "top1")]
    found = controlled({"": columns})
    assert found.value == pytest.approx(spearmanr(*left).statistic)
    assert found.plain == pytest.approx(np.corrcoef(columns["dimension"], columns["top1"])[0, 1])
    assert found.ci95 is not None
    assert found.ci95[0] < found.value < found.ci95[1]
    assert (found.n_clusters, found.controls, found.models) == (30, list(CONTROLS), [])


def test_what_only_seems_to_matter_is_taken_out() -> None:
    found = verdict("confounded", 60, 1)
    assert (found.plain or 0) > 0.5
    low, high = found.ci95 or (1, -1)
    assert low < 0 < high
    real = verdict("real", 60, 1)
    assert (real.ci95 or [0])[0] > 0.3


def test_no_interval_below_twelve_clusters_and_no_value_below_seven() -> None:
    eleven, six = verdict("real", 11, 0), verdict("real", 5, 0)
    assert (eleven.ci95, eleven.notes) == (None, ["11 clusters: no interval below 12"])
    assert eleven.value is not None
    assert (six.value, six.ci95, six.notes) == (None, None, ["5 cluster(s) are too few for 3 controls"])
    assert verdict("real", 12, 0).ci95 is not None
    assert controlled({}).value is None
    flat = world("real", 20, 0) | {"top1": np.ones(20)}
    assert controlled({"": flat}).notes == ["dimension or top-1 does not vary given the controls"]


def test_clusters_that_lack_a_number_are_left_out_and_models_are_a_factor() -> None:
    one, two = world("real", 20, 0), world("real", 20, 1)
    one["dimension"][3] = np.nan
    found = controlled({"a": one, "b": two})
    assert (found.n_clusters, found.models) == (39, ["a", "b"])
    shifted = {**two, "dimension": two["dimension"] * 7 + 100, "top1": two["top1"] + 50}
    assert controlled({"a": one, "b": shifted}).value == pytest.approx(found.value)


def test_models_that_share_all_pairs_are_no_further_evidence() -> None:
    columns = world("real", 20, 3)
    label_N = np.repeat(np.arange(20), 5)
    alone = controlled({"a": columns})
    free = controlled({"a": columns, "b": columns})
    shared = controlled({"a": columns, "b": columns}, overlap_CC=overlaps([label_N, label_N], [20, 20]))
    assert alone.value == pytest.approx(shared.value) == pytest.approx(free.value)
    widths = [one.ci95[1] - one.ci95[0] for one in (alone, free, shared) if one.ci95 is not None]
    assert widths[1] < 0.8 * widths[0]
    assert widths[2] > 0.9 * widths[0]


def test_overlaps_are_shares_of_common_rows() -> None:
    found = overlaps([[0, 0, 1, 1, -1], [0, 1, 1, 1, 1]], [2, 3])
    half = 1 / np.sqrt(2)
    wanted = [[1, 0, half, 1 / np.sqrt(8), 0], [0, 1, 0, 2 / np.sqrt(8), 0]]
    np.testing.assert_allclose(found[:2], wanted, atol=1e-6)
    assert found[4, 4] == 1, "a cluster none of whose rows is shared"
    np.testing.assert_allclose(found, found.T)


def test_a_rarefied_rank_does_not_grow_with_the_cluster() -> None:
    rng = np.random.default_rng(0)
    few_ND, many_ND = (rng.standard_normal((rows, 40)) for rows in (30, 800))
    label_N = np.repeat([0, 1, -1], [30, 800, 5])
    small, large = rarefied_ranks(np.concatenate([few_ND, many_ND, np.ones((5, 40))]), label_N, 2, 20, draws=60)
    assert small is not None
    assert large is not None
    assert small == pytest.approx(large, rel=0.05)
    plain = [covariance_spectrum(x_ND).effective_rank for x_ND in (few_ND, many_ND)]
    assert plain[1] > 1.4 * plain[0], "what it corrects"
    whole = rarefied_rank(few_ND, 30, 1, 0)
    assert whole == pytest.approx(plain[0])
    assert rarefied_rank(few_ND, 31, 3, 0) is None
    assert rarefied_ranks(few_ND, np.zeros(30, int), 2, 10)[1] is None


def test_the_difference_holds_both_intervals() -> None:
    local = Controlled(value=0.5, ci95=[0.3, 0.7], n_clusters=40, controls=[], plain=None)
    found = difference(local, 0.1, [-0.2, 0.4])
    assert found["value"] == pytest.approx(0.4)
    assert found["ci95"] == pytest.approx([0.4 - np.hypot(0.2, 0.3), 0.4 + np.hypot(0.2, 0.3)])
    assert difference(local, None, None) == {"value": None, "ci95": None}
    assert difference(local, 0.1, None) == {"value": pytest.approx(0.4), "ci95": None}


def plainly(columns: dict[str, Any]) -> Clusters:
    return Clusters(dimension_K=columns["dimension"], top1_K=columns["top1"], size_K=np.exp(columns["log_size"]))


def spaces(seed: int) -> list[Space]:
    """400 models whose global dimension does not matter."""
    rng = np.random.default_rng(seed)
    return [Space(model=f"m{i}", dataset="d", dimension=x, top1=y) for i, (x, y) in enumerate(rng.normal(size=(400, 2)))]


def test_prediction_2_rests_on_what_is_controlled() -> None:
    columns = world("confounded", 60, 1)
    local = associate(plainly(columns), draws=100)
    found = prediction_2(local, spaces(0), given=controlled({"": columns}), raw=[0.1, None, 0.25])
    assert found.numbers["local_predicts"] == "open"
    assert "as the paper has it; on clusters of the vectors themselves +0.10 to +0.25)" in found.sentence
    assert "; local less global " in found.sentence
    real = prediction_2(local, spaces(0), given=verdict("real", 60, 1))
    assert (real.verdict, real.numbers["local_predicts"]) == ("supported", "yes")
    assert real.numbers["local_less_global"]["ci95"][0] > 0


@pytest.mark.long
@pytest.mark.parametrize("clusters", [14, 40])
@pytest.mark.parametrize(("kind", "wrong_word"), [("confounded", "yes"), ("null", "yes"), ("real", "no")])
def test_at_most_one_sentence_in_twenty_is_wrong(kind: str, wrong_word: str, clusters: int) -> None:
    """200 worlds of each kind, three models that share their clusters: wrong is to see what is not there, or to deny what is."""
    label_N, wrong = np.repeat(np.arange(clusters), 4), 0
    overlap_CC = overlaps([label_N] * 3, [clusters] * 3)
    for seed in range(200):
        rng, truth = np.random.default_rng(seed), world(kind, clusters, seed)
        models = {f"m{i}": {name: values + 0.05 * rng.normal(size=clusters) for name, values in truth.items()} for i in range(3)}
        given = controlled(models, overlap_CC=overlap_CC)
        local = associate(plainly(truth), draws=20)
        wrong += prediction_2(local, [], given=given).numbers["local_predicts"] == wrong_word
    assert wrong <= 10


@pytest.mark.long
def test_the_interval_covers() -> None:
    """The truth is the value over 20,000 clusters; 92 to 98 % of 400 draws of 25, plus two standard errors of that count."""
    truth, held = verdict("real", 20_000, 10**6).value, 0
    for seed in range(400):
        low, high = verdict("real", 25, seed).ci95 or (1, -1)
        held += low <= truth <= high
    assert 0.92 - 0.02 <= held / 400 <= 0.98 + 0.014
