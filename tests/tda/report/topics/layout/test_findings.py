"""Sentences on layouts, clusters and the sweep follow the numbers."""

import pytest
from planted_cells import one_cell
from planted_report import CONFIG

from tda.report.topics.layout import findings


@pytest.mark.parametrize(
    ("same", "words"),
    [
        (0.999, "keep apart in toy_cloob (CLOOB): 0.1% of"),
        (0.951, "keep apart in toy_cloob (CLOOB): 4.9% of"),
        (0.9, "meet in places in toy_cloob (CLOOB): 10.0% of"),
        (0.75, "are interwoven in toy_cloob (CLOOB): 25.0% of"),
        (0.6, "are interwoven in toy_cloob (CLOOB): 40.0% of"),
    ],
)
def test_a_layout_keeps_apart_or_mixes(same: float, words: str) -> None:
    (sentence,) = findings.layouts([one_cell(mixing={"k": 15, "ambient": 0.9, "layout": same})], CONFIG)
    assert sentence == f"On d, the modalities {words} neighbours on the layout are of the other one, 10.0% in the space itself."


def test_models_are_grouped_by_how_they_mix() -> None:
    cells = [
        one_cell(encoder, mixing={"layout": same})
        for encoder, same in (("toy_infonce", 0.99), ("toy_infoloob", 0.5), ("toy_infonce_hopfield", 0.98))
    ]
    assert findings.layouts(cells, CONFIG) == [
        (
            "On d, the modalities keep apart in toy_infonce (CLIP) and toy_infonce_hopfield, and are interwoven in toy_infoloob: "
            "1.0% to 50.0% of neighbours on the layout are of the other one."
        )
    ]
    assert (
        "are interwoven in both models: 45.0% to 50.0%"
        in (findings.layouts([one_cell("a", mixing={"layout": 0.5}), one_cell("b", mixing={"layout": 0.55})], CONFIG)[0])
    )


def test_without_the_part_mixing_the_layouts_own_share_counts() -> None:
    assert ": 30.0% of neighbours" in findings.layouts([one_cell(umap={"mixing": 0.3})], CONFIG)[0]
    assert findings.layouts([one_cell()], CONFIG) == []


@pytest.mark.parametrize(
    ("mixed", "words"),
    [
        ([0.0, 0.01], "keep apart under all 2 settings in toy_cloob (CLOOB): mixing 0.0% to 1.0%."),
        ([0.3, 0.4], "are interwoven under all 2 settings in toy_cloob (CLOOB): mixing 30.0% to 40.0%."),
        ([0.1, 0.2], "meet in places under all 2 settings in"),
        ([0.01, 0.1, 0.4], "keep apart under 1, meet in places under 1 and are interwoven under 1 of 3 settings in"),
        ([0.01, 0.055], "keep apart under 1 and meet in places under 1 of 2 settings in toy_cloob"),
        ([0.3], "are interwoven under the one setting in toy_cloob (CLOOB): mixing 30.0%."),
    ],
)
def test_a_sweep_shows_whether_the_picture_holds(mixed: list[float], words: str) -> None:
    (sentence,) = findings.sweeps([one_cell(sweep={"cells": [{"mixing": share} for share in mixed]})], CONFIG)
    assert sentence.startswith(f"On d, the modalities {words}")


def test_models_that_hold_alike_are_named_together() -> None:
    cells = [one_cell(encoder, sweep={"cells": [{"mixing": 0.3}, {"mixing": share}]}) for encoder, share in (("a", 0.4), ("b", 0.5))]
    assert findings.sweeps(cells, CONFIG) == [
        "On d, the modalities are interwoven under all 2 settings in both models: mixing 30.0% to 50.0%."
    ]
    cells.append(one_cell("c", sweep={"cells": [{"mixing": 0.3}, {"mixing": 0.01}]}))
    (sentence,) = findings.sweeps(cells, CONFIG)
    assert (
        "are interwoven under all 2 settings in a and b, and keep apart under 1 and are interwoven under 1 of 2 settings in c" in sentence
    )


def test_a_sweep_stands_beside_the_space_and_names_its_pairs() -> None:
    cell = one_cell(mixing={"ambient": 0.73}, sweep={"cells": [{"mixing": 0.3}, {"mixing": 0.5}], "pairs_used": 1500})
    assert findings.sweeps([cell], CONFIG)[0].endswith(
        ": mixing 30.0% to 50.0%, 27.0% in the space itself (layouts of 1,500 pairs, sweep.max_pairs)."
    )


def test_settings_without_mixing_do_not_count() -> None:
    assert findings.sweeps([one_cell(sweep={"cells": [{"mixing": None}, {}]}), one_cell()], CONFIG) == []
    (sentence,) = findings.sweeps([one_cell(sweep={"cells": [{"mixing": 0.3}, {"mixing": 0.4}, {"mixing": None}]})], CONFIG)
    assert "under all 2 settings" in sentence


def test_clusters_are_counted() -> None:
    stable = {"count": 12, "noise_fraction": 0.1, "modality": {"pure_fraction": 1.0}, "stability": {"across_seeds": 0.8}}
    loose = {"count": 1200, "modality": {"pure_fraction": 0.25}, "stability": {"across_seeds": 0.3}}
    assert findings.clusters([one_cell(clusters=stable), one_cell("toy_infonce", clusters=loose)], CONFIG) == [
        (
            "On d, HDBSCAN finds 12 to 1,200 clusters, 25.0% to 100.0% of them of one modality; agreement across seeds is highest in "
            "toy_cloob (CLOOB), 0.800, and lowest in toy_infonce (CLIP), 0.300."
        )
    ]
    assert findings.clusters([one_cell(clusters=stable)], CONFIG) == [
        "On d, HDBSCAN finds 12 clusters, 100.0% of them of one modality; agreement across seeds is 0.800."
    ]


def test_clusters_that_were_counted_alone_are_a_sentence_too() -> None:
    assert findings.clusters([one_cell(clusters={"count": 0}), one_cell(clusters={})], CONFIG) == ["On d, HDBSCAN finds 0 clusters."]


def test_how_far_the_sample_stands_for_the_rest() -> None:
    sample = {"noise_in": 0.05, "noise_out": 0.061, "agreement": 0.934}
    cells = [one_cell(rows={"sample": sample}), one_cell("b", rows={"sample": None}), one_cell("c")]
    (sentence,) = findings.beyond_the_sample(cells)
    assert sentence == (
        "On d, clusters are fitted on a sample: noise is 5.0% of the fitted rows and 6.1% of others; a fit of other pairs agrees with "
        "these labels at 0.934 (adjusted Rand index)."
    )
    (shorter,) = findings.beyond_the_sample([one_cell(rows={"sample": {**sample, "agreement": None}})])
    assert shorter.endswith("6.1% of others.")
    assert findings.beyond_the_sample(cells[1:]) == []
