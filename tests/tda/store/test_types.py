"""Sources, drops and their words: closed sets, safe to print, whole after a journey between processes."""

import pickle
from dataclasses import FrozenInstanceError, fields

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tda.store.types import DETAIL_LENGTH, Drop, Reason, Source, Stage, printable

REASONS = """missing_image missing_caption empty_caption caption_not_utf8 caption_too_long member_too_large bad_row bad_member
    duplicate_key interleaved image_truncated image_not_decodable image_too_large encoder_failed not_finite zero_vector"""


def test_the_words_of_stages_and_reasons_are_those_of_roots_that_exist() -> None:
    assert [stage.value for stage in Stage] == ["read", "decode", "encode"]
    assert {reason.value for reason in Reason} == set(REASONS.split())
    assert f"{Reason.ZERO_VECTOR}" == "zero_vector", "a reason is written as its word"
    with pytest.raises(ValueError, match="'lost' is not a valid Reason"):
        Reason("lost")


@pytest.mark.parametrize("value", [Source("s3://b/x.tar", 10, "etag"), Drop(3, "k", Stage.READ, Reason.BAD_ROW, "why")])
def test_a_value_is_whole_after_a_journey_and_cannot_be_changed(value: Source | Drop) -> None:
    again = pickle.loads(pickle.dumps(value))  # noqa: S301 (our own bytes)
    assert again == value
    assert hash(again) == hash(value)
    with pytest.raises(FrozenInstanceError):
        setattr(value, fields(value)[0].name, "other")


def test_a_drop_needs_no_detail() -> None:
    assert Drop(0, "k", Stage.DECODE, Reason.IMAGE_TRUNCATED).detail == ""


@given(st.text(st.characters(), max_size=400), st.integers(1, 400))
def test_what_is_printable_can_be_stored_and_is_bounded(text: str, length: int) -> None:
    shown = printable(text, length)
    assert len(shown) <= 6 * length, "an escape of a surrogate has six characters"
    shown.encode()
    if text.isascii():
        assert shown == text[:length]


def test_a_lone_surrogate_becomes_its_escape() -> None:
    assert printable("caf\udce9 \u2603") == "caf\\udce9 \u2603"
    assert len(printable("x" * 1000)) == DETAIL_LENGTH
