"""The settings of embedding, search, deduplication and report: values that no run could use are refused before it starts."""

import math

import pytest

from tda.config.stages import CHANGED, EXACT, RESIZES, RULES, DedupeConfig, EmbedConfig, NearestConfig, ReportConfig
from tda.errors import UserError


@pytest.mark.parametrize(
    ("schema", "values", "message"),
    [
        (EmbedConfig, {"dtype": "float64"}, "embed.dtype='float64' is unknown; choose one of: float16, float32"),
        (EmbedConfig, {"resize": "best"}, "embed.resize='best' is unknown; choose one of: fast, exact"),
        (EmbedConfig, {"batch_size": 0}, "embed.batch_size=0 is too small; it must be at least 1"),
        (EmbedConfig, {"batch_size": 1.5}, "embed.batch_size=1.5 is neither a whole number nor auto"),
        (EmbedConfig, {"max_drop_fraction": 1.1}, "embed.max_drop_fraction=1.1 is out of range; it must be from 0 to 1"),
        (EmbedConfig, {"changed": "ask"}, "embed.changed='ask' is unknown; choose one of: refuse, redo, trust"),
        (EmbedConfig, {"stalled_seconds": 0.5}, "embed.stalled_seconds=0.5 is too small; it must be at least 1"),
        (DedupeConfig, {"rule": "most"}, "dedupe.rule='most' is unknown; choose one of: image, text, both, either"),
        (DedupeConfig, {"threshold": math.nan}, "dedupe.threshold=nan is not a number; it must be from -1 to 1"),
        (DedupeConfig, {"text_threshold": -2.0}, "dedupe.text_threshold=-2.0 is out of range; it must be from -1 to 1"),
        (DedupeConfig, {"exact": ["url", "phash"]}, "dedupe.exact='phash' is unknown; choose one of: url, caption"),
        (NearestConfig, {"probes": 0}, "nearest.probes=0 is too small; it must be at least 1"),
        (NearestConfig, {"thresholds": [0.9, 9.0]}, "nearest.thresholds=9.0 is out of range; it must be from -1 to 1"),
        (NearestConfig, {"min_recall": -0.1}, "nearest.min_recall=-0.1 is out of range; it must be from 0 to 1"),
        (ReportConfig, {"points": 0}, "report.points=0 is too small; it must be at least 1"),
    ],
)
def test_a_wrong_value_is_named_with_what_would_be_right(schema: type, values: dict[str, object], message: str) -> None:
    with pytest.raises(UserError) as refused:
        schema(**values)
    assert str(refused.value) == message


@pytest.mark.parametrize("changed", CHANGED)
@pytest.mark.parametrize("resize", RESIZES)
def test_every_choice_is_taken(changed: str, resize: str) -> None:
    made = EmbedConfig(changed=changed, resize=resize)
    assert (made.changed, made.resize) == (changed, resize)


def test_what_null_means_is_left_to_the_job() -> None:
    assert NearestConfig(probes=None, cells=None).probes is None
    assert EmbedConfig(decode_threads=None, stalled_seconds=None).stalled_seconds is None
    assert [DedupeConfig(rule=rule).image_threshold for rule in RULES] == [None] * len(RULES)


def test_lists_are_not_shared() -> None:
    DedupeConfig().exact.clear()
    assert DedupeConfig().exact == list(EXACT)
