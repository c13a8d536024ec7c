"""Sentences on layouts, clusters and the sweep follow the numbers."""

import pytest
from planted_cells import one_cell
from planted_report import CONFIG

from tda.report.topics.layout import findings


@pytest.mark.parametrize(
    ("same", "words"), [(0.999, "keep apart in toy_cloob (CLOOB) at 0.1%"), (0.9, "meet in places in"), (0.6, "are interwoven in")]
)
def test_a_layout_keeps_apart_or_mixes(same: float, words: str) -> None:
    (told,) = findings.layouts([one_cell(mixing={"k": 15, "ambient": 0.9, "layout": same})], CONFIG)
    assert words in told


def test_without_the_part_mixing_the_layouts_own_share_counts() -> None:
    assert "at 30.0%" in findings.layouts([one_cell(umap={"mixing": 0.3})], CONFIG)[0]
    assert findings.layouts([one_cell()], CONFIG) == []


@pytest.mark.parametrize(
    ("mixed", "words"),
    [
        ([0.0, 0.01], "keep apart under every one in toy_cloob (CLOOB), mixing 0.0% to 1.0%"),
        ([0.3, 0.4], "are interwoven under every one"),
        ([0.1, 0.2], "meet in places under every one"),
        ([0.01, 0.1, 0.4], "keep apart under 1, meet in places under 1 and are interwoven under 1 of 3"),
    ],
)
def test_a_sweep_says_whether_the_picture_holds(mixed: list[float], words: str) -> None:
    (told,) = findings.sweeps([one_cell(sweep={"cells": [{"mixing": share} for share in mixed]})], CONFIG)
    assert words in told
    assert f"over {len(mixed)} settings" in told


def test_few_settings_speak_of_what_there_is() -> None:
    told = findings.sweeps([one_cell(sweep={"cells": [{"mixing": 0.01}, {"mixing": 0.055}]})], CONFIG)
    assert "keep apart under 1 and meet in places under 1 of 2 in toy_cloob" in told[0]


def test_clusters_are_counted() -> None:
    part = {"count": 12, "noise_fraction": 0.1, "modality": {"pure_fraction": 1.0}, "stability": {"across_seeds": 0.8}}
    assert findings.clusters([one_cell(clusters=part), one_cell("toy_infonce", clusters={"count": 0})], CONFIG) == [
        (
            "On d HDBSCAN finds clusters: 12 in toy_cloob (CLOOB) (100.0% of one modality, 0.800 agreement across seeds) "
            "and 0 in toy_infonce (CLIP)."
        )
    ]
