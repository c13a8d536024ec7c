"""One reading of the pairs gives gap, cosines and spectrum: whole, in blocks, in any precision, against their definitions."""

from functools import reduce
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tda.errors import UserError
from tda.geometry import cosine
from tda.geometry.parts.pair_stats import PairStats


def drawn(n: int, dim: int = 12, gap: float = 0.5, seed: int = 0) -> tuple[Any, Any]:
    rng = np.random.default_rng(seed)
    image_ND = rng.standard_normal((n, dim)) + gap
    return image_ND, image_ND + rng.standard_normal((n, dim)) - 2 * gap


def unit(x_ND: Any) -> Any:
    return x_ND / np.linalg.norm(x_ND, axis=1, keepdims=True)


@pytest.mark.parametrize("n", [2, 3, 400, 401])
def test_cosines_by_their_definition(n: int) -> None:
    image_ND, text_ND = drawn(n)
    found = PairStats.of_set(image_ND, text_ND).cosine_metrics([0.0, 0.25, 0.5, 1.0])
    scores_NN = unit(image_ND) @ unit(text_ND).T
    pair, off = np.diagonal(scores_NN), scores_NN[~np.eye(n, dtype=bool)]
    shifted = scores_NN[np.arange(n), (np.arange(n) + n // 2) % n]
    assert found["pair"]["mean"] == pytest.approx(pair.mean(), abs=1e-14)
    assert found["random"]["mean"] == pytest.approx(off.mean(), abs=1e-13)
    assert found["random"]["std"] == pytest.approx(off.std(), abs=1e-7 if n == 2 else 1e-12)  # of two equal squares the root of rounding
    assert found["pair"]["std"] == pytest.approx(pair.std(), abs=1e-14)
    for kind, values in (("pair", pair), ("random", shifted)):
        expected = {"0": values.min(), "0.25": np.quantile(values, 0.25), "0.5": np.median(values), "1": values.max()}
        assert found[kind]["quantiles"] == pytest.approx(expected, abs=1e-14)
    within = unit(image_ND) @ unit(image_ND).T
    assert found["image_image"]["mean"] == pytest.approx(within[~np.eye(n, dtype=bool)].mean(), abs=1e-13)


@settings(deadline=None, max_examples=25)
@given(st.lists(st.integers(1, 50), min_size=1, max_size=5), st.booleans())
def test_blocks_give_what_the_whole_gives(sizes: list[int], exact: bool) -> None:
    n = max(sum(sizes), 2)
    image_ND, text_ND = drawn(n, seed=n)
    partner_ND = np.roll(text_ND, -(n // 2), axis=0)
    cuts = [part for part in np.split(np.arange(n), np.cumsum(sizes)) if len(part)]
    parts = [PairStats.of(image_ND[p], text_ND[p], partner_ND[p], first=int(p[0]), exact=exact) for p in cuts]
    merged, whole = reduce(PairStats.merge, parts), PairStats.of_set(image_ND, text_ND)
    tolerance = 1e-12 if exact else 2 / cosine.FINE_BINS
    for kind in ("pair", "random"):
        one, other = merged.cosine_metrics()[kind], whole.cosine_metrics()[kind]
        assert (one["mean"], one["std"]) == pytest.approx((other["mean"], other["std"]), abs=1e-12)
        if exact:
            assert one["quantiles"] == pytest.approx(other["quantiles"], abs=tolerance)
    assert merged.gap_metrics() == pytest.approx(whole.gap_metrics(), abs=1e-12)


def test_histogram_holds_every_value_and_both_ends() -> None:
    image_ND, text_ND = drawn(500)
    columns = PairStats.of_set(np.concatenate([image_ND, image_ND[:1]]), np.concatenate([text_ND, image_ND[:1]])).cosine_histogram(40)
    assert columns["count"].sum() == 2 * 501
    assert columns["left"][0] == -1.0
    assert columns["right"][-1] == 1.0
    assert list(columns["kind"][[0, 40]]) == ["pair", "random"]
    assert columns["count"][39] >= 1  # the pair of equal rows


def test_gap_by_its_definition() -> None:
    image_ND, text_ND = drawn(700)
    x_ND, y_ND = unit(image_ND), unit(text_ND)
    found = PairStats.of_set(image_ND, text_ND).gap_metrics()
    distance = np.linalg.norm(x_ND.mean(0) - y_ND.mean(0))
    spread = np.sqrt((x_ND.var(0, ddof=1).sum() + y_ND.var(0, ddof=1).sum()) / 2)
    assert found == pytest.approx({"centroid_distance": distance, "relative": distance / spread}, abs=1e-13)


def test_rotation_leaves_gap_and_cosines() -> None:
    image_ND, text_ND = drawn(300)
    turn, _ = np.linalg.qr(np.random.default_rng(3).standard_normal((12, 12)))
    one, other = PairStats.of_set(image_ND, text_ND), PairStats.of_set(image_ND @ turn, text_ND @ turn)
    assert one.gap_metrics() == pytest.approx(other.gap_metrics(), abs=1e-12)
    for kind in ("pair", "random"):
        assert one.cosine_metrics()[kind]["quantiles"] == pytest.approx(other.cosine_metrics()[kind]["quantiles"], abs=1e-12)


def test_equal_rows_have_a_gap_but_no_relative_one_and_one_cosine() -> None:
    image_ND, text_ND = np.tile([1.0, 2.0, 2.0], (50, 1)), np.tile([2.0, 1.0, 2.0], (50, 1))
    found = PairStats.of_set(image_ND, text_ND)
    assert found.gap_metrics()["centroid_distance"] == pytest.approx(np.sqrt(2) / 3)
    assert found.gap_metrics()["relative"] is None
    random = found.cosine_metrics()["random"]
    assert (random["mean"], random["std"], random["quantiles"]["0.5"]) == pytest.approx((8 / 9, 0, 8 / 9))


def test_float32_agrees_with_float64() -> None:
    image_ND, text_ND = (x.astype(np.float32) for x in drawn(300))
    one, other = PairStats.of_set(image_ND, text_ND), PairStats.of_set(image_ND.astype(np.float64), text_ND.astype(np.float64))
    assert one.gap_metrics() == other.gap_metrics()
    assert one.cosine_metrics() == other.cosine_metrics()


def test_spectra_are_those_of_the_unit_rows_and_of_both_stacked() -> None:
    image_ND, text_ND = drawn(2500)  # more than a block
    found = PairStats.of_set(image_ND, text_ND).spectrum_metrics("float64", threshold=0.5)
    rows = {"image": unit(image_ND), "text": unit(text_ND), "both": np.concatenate([unit(image_ND), unit(text_ND)])}
    for name, x_ND in rows.items():
        value_D = np.linalg.eigvalsh(np.cov(x_ND.T))[::-1]
        np.testing.assert_allclose(found[name]["singular_values"], value_D, rtol=1e-11)
        assert found[name]["collapse_index"] == int((value_D / value_D[0] >= 0.5).sum())


def test_refusals_name_the_row() -> None:
    image_ND, text_ND = drawn(20)
    text_ND[7, 2] = np.inf
    with pytest.raises(UserError, match="text: row 1007 has norm inf"):
        PairStats.of(image_ND, text_ND, text_ND, first=1000)
    with pytest.raises(UserError, match="do not pair up"):
        PairStats.of_set(image_ND, text_ND[:, :5])
    with pytest.raises(UserError, match=r"1 pair\(s\)"):
        PairStats.of_set(image_ND[:1], text_ND[:1])
    with pytest.raises(UserError, match="at least 2 pairs"):
        PairStats.of(image_ND[:1], text_ND[:1], text_ND[:1]).cosine_metrics()
