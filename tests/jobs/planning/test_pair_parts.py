"""Parts that are measured on pairs: what retrieval costs, the square that is warned of, and samples that end the growth."""

from dataclasses import replace

import pytest
from costs_of_parts import costs, everything

from tda.config.analysis import AlignmentConfig, AnalysisConfig, GapMeasuresConfig, SeparabilityConfig


def test_retrieval_of_all_pairs_is_their_square_and_is_warned_of() -> None:
    small, large = costs(3_000, everything())["retrieval"], costs(2_000_000_000, everything())["retrieval"]
    assert small.flops == 2 * 3_000**2 * 512
    assert large.flops == 2 * 2e9**2 * 512
    assert small.warning == ""
    assert "square" in large.warning
    assert "analysis.retrieval." in large.warning
    capped = replace(everything().retrieval, max_pairs=100_000)
    assert costs(2_000_000_000, replace(everything(), retrieval=capped))["retrieval"].warning == ""


def test_drawn_queries_cost_their_number_times_the_candidates() -> None:
    asked = replace(AnalysisConfig().retrieval, queries=1_000)
    found = costs(2_000_000, replace(AnalysisConfig(), retrieval=asked))["retrieval"]
    assert found.flops == 2 * 2 * 1_000 * 2_000_000 * 512
    assert found.warning == ""
    assert found.formulas["work"] == "each of 1,000 queries, image and text, with all 2,000,000"


def test_statistics_are_one_reading_of_everything() -> None:
    found = costs(1_000_000)["gap, cosine, spectrum"]
    assert found.flops == 2 * 2 * 1_000_000 * 512**2
    assert found.read == 1.5 * 2 * 1_000_000 * 512 * 2


def test_uniformity_is_exact_up_to_its_rows_and_a_sample_beyond() -> None:
    def alignment(pairs: int) -> float:
        return costs(pairs, AnalysisConfig(alignment=AlignmentConfig(exact_rows=1_000, sample_pairs=100)))["alignment"].flops

    assert (alignment(1_000), alignment(1_001)) == (2 * 3 * 1_000**2 * 512, 0)


@pytest.mark.parametrize(
    ("stage", "analysis"),
    [
        ("separability", AnalysisConfig(separability=SeparabilityConfig(max_pairs=500))),
        ("gap_measures", AnalysisConfig(gap_measures=GapMeasuresConfig(sample=500))),
    ],
)
def test_a_part_of_a_sample_takes_no_longer_on_more_pairs(stage: str, analysis: AnalysisConfig) -> None:
    assert costs(500, analysis)[stage].core_seconds == costs(50_000, analysis)[stage].core_seconds
    assert costs(400, analysis)[stage].core_seconds < costs(500, analysis)[stage].core_seconds
