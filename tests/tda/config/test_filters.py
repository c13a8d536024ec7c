"""Settings of filters: what is no cosine and no share is refused in one line."""

import pytest

from tda.config.filters import FilterConfig, top_share
from tda.errors import UserError


@pytest.mark.parametrize("wanted", ["0.28", "-1", "1", "top:0.3", "top:1"])
def test_cosines_and_shares(wanted: str) -> None:
    assert FilterConfig(pair_cosine=wanted).pair_cosine == wanted
    assert top_share(wanted) == (float(wanted[4:]) if wanted.startswith("top:") else None)


@pytest.mark.parametrize(
    ("settings", "reported"),
    [
        ({"pair_cosine": "best"}, "filter.pair_cosine='best' is neither a cosine nor top:SHARE, as in top:0.3"),
        ({"pair_cosine": "top:"}, "filter.pair_cosine='top:' is neither"),
        ({"pair_cosine": "top:30%"}, "filter.pair_cosine='top:30%' is neither"),
        ({"pair_cosine": "30"}, "filter.pair_cosine=30 is out of range: a cosine is from -1 to 1"),
        ({"pair_cosine": "nan"}, "filter.pair_cosine=nan is out of range"),
        ({"pair_cosine": "top:0"}, "filter.pair_cosine=top:0 is out of range: a share is above 0 and at most 1"),
        ({"pair_cosine": "top:nan"}, "filter.pair_cosine=top:nan is out of range"),
        ({"pair_cosine": "top:-0.1"}, "filter.pair_cosine=top:-0.1 is out of range"),
        ({"min_side": 0}, "filter.min_side=0 is too small"),
        ({"max_aspect": 0.5}, "filter.max_aspect=0.5 is too small"),
        ({"min_letters": 2}, "filter.min_letters=2 is out of range"),
        ({"min_letters": -0.1}, "filter.min_letters=-0.1 is out of range"),
        ({"unknown": "guess"}, "filter.unknown='guess' is unknown; choose one of: drop, keep"),
    ],
)
def test_each_mistake_is_one_line(settings: dict[str, object], reported: str) -> None:
    with pytest.raises(UserError) as refused:
        FilterConfig(**settings)  # type: ignore[arg-type]
    assert str(refused.value).startswith(reported)


def test_the_ends_of_a_share_of_letters_are_shares() -> None:
    assert [FilterConfig(min_letters=share).min_letters for share in (0, 1)] == [0, 1]
