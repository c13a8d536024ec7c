"""Numbers and untrusted text, as the report writes them."""

import pytest

from tda.report.data.words import fixed, listing, percent, power, visible


@pytest.mark.parametrize(
    ("number", "text"),
    [(0.0251, "0.025"), (0.0, "0.000"), (-0.5, "−0.500"), (12.34, "12.3"), (1234.5, "1,234.5"), (3.4e-9, "3.4×10⁻⁹"), (-2e-4, "−2.0×10⁻⁴")],
)
def test_fixed_keeps_small_values_from_looking_like_zero(number: float, text: str) -> None:
    assert fixed(number) == text


def test_lists_read_as_people_write_them() -> None:
    assert [listing([]), listing(["a"]), listing(["a", "b"]), listing(["a", "b", "c"], "or")] == ["", "a", "a and b", "a, b or c"]


def test_percent_and_power() -> None:
    assert (percent(0.9996), percent(1), power(-16)) == ("100.0%", "100.0%", "10⁻¹⁶")


def test_direction_and_controls_are_named() -> None:
    assert visible("a\u202eb\x00c\x1b[31m") == "a⟨RIGHT-TO-LEFT OVERRIDE⟩b⟨U+0000⟩c⟨U+001B⟩[31m"


def test_lone_surrogate_can_be_written() -> None:
    assert visible("x\ud800y").encode() == "x⟨U+D800⟩y".encode()


def test_right_to_left_letters_and_joiners_stay() -> None:
    text = "שלום مرحبا 👩\u200d🎨 क्\u200dष"
    assert visible(text) == text


def test_long_text_is_cut_and_lines_are_joined() -> None:
    assert visible("one\ntwo\r\nthree\tfour") == "one two three four"
    cut = visible("word " * 400)
    assert cut.endswith("…")
    assert len(cut) <= 161
