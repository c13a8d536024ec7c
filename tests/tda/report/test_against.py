"""Two roots side by side: what moved beyond its interval, and nothing that chance moves."""

from pathlib import Path

import pytest
from planted_report import CONFIG, N, plant_cell, strip

from tda.config.stages import ReportConfig
from tda.errors import UserError
from tda.report.against import MOVED, SAME, _difference, compare, compared_table
from tda.report.data.load import load_run
from tda.report.topics.heads import wilson


@pytest.fixture(scope="module")
def roots(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    one, other = (tmp_path_factory.mktemp(name) for name in ("one", "other"))
    for root, heldout, gap in ((one, 0.90, 0.187), (other, 0.70, 0.19)):
        score = dict.fromkeys(("accuracy", "precision", "recall"), heldout)
        for encoder in ("toy_infonce", "toy_cloob"):
            moved = {"gap": {"centroid_distance": gap}, "separability": {"heldout": score}} if encoder == "toy_infonce" else {}
            plant_cell(root, "d", encoder, metrics=moved)
        strip(root)
    plant_cell(one, "e", "toy_cloob")
    return str(one), str(other)


def test_what_moved_and_what_did_not(roots: tuple[str, str]) -> None:
    table = compared_table(*(load_run(root, CONFIG, frozenset()) for root in roots))
    by_name = {(row[1], row[2]): row for row in table.rows}
    moved = by_name["toy_infonce (CLIP)", "SVM held out"]
    assert moved[3:6] == [0.9, 0.7, pytest.approx(-0.2)]
    assert moved[-1] == MOVED
    assert by_name["toy_infonce (CLIP)", "Gap"][-1] == SAME
    assert [row[2] for row in table.rows if row[-1] == MOVED] == ["SVM held out"]
    assert table.sentences == [f"1 of {len(table.rows)} numbers moved."]


def test_the_interval_of_a_difference_is_newcombes() -> None:
    one, other = wilson(56 / 70, 70), wilson(48 / 80, 80)
    low, high = _difference(56 / 70 - 48 / 80, (48 / 80, other), (56 / 70, one)) or (0, 0)
    assert (low, high) == (pytest.approx(0.0524, abs=2e-4), pytest.approx(0.3339, abs=2e-4))  # his example (a)
    assert _difference(0.1, (0.1, None), (0.2, one)) is None


def test_shares_of_equal_truth_rarely_move() -> None:
    import numpy as np

    draws = np.random.default_rng(0).binomial(N, 0.7, (2, 400)) / N
    ends = [_difference(b - a, (a, wilson(a, N)), (b, wilson(b, N))) for a, b in draws.T]
    assert sum(1 for end in ends if end and (end[0] > 0 or end[1] < 0)) <= 400 * 0.08


def test_the_page_is_text_and_names_what_one_root_alone_has(roots: tuple[str, str]) -> None:
    config = ReportConfig(models=CONFIG.models, names={"d": "<b>d</b>", "toy_infonce": "=1+1"})
    found = compare(*roots, config)
    page = Path(found.url).read_text()
    assert "<b>" not in page
    assert "&lt;b&gt;d" in page
    assert "<script" not in page
    assert found.alone == (f"e, toy_cloob: in {roots[0]} alone",)
    assert found.alone[0] in page
    assert (found.moved, found.numbers) == (1, len(found.table.rows))
    assert "'=1+1" in (Path(found.url).parent / "against.csv").read_text()


def test_roots_with_nothing_in_common_are_refused(roots: tuple[str, str], tmp_path: Path) -> None:
    plant_cell(tmp_path, "other", "toy_cloob")
    with pytest.raises(UserError, match="have no number of the same data set and model in common") as refused:
        compare(roots[0], str(tmp_path), CONFIG)
    assert "\n" not in str(refused.value)
