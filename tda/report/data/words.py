"""How the report writes numbers and names. Hidden characters of untrusted text are made visible here; the template escapes."""

import re
import unicodedata
from collections.abc import Iterable

# Control characters could hide part of a caption; direction overrides could reverse the text around it.
_HIDDEN = re.compile("[\x00-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff\ud800-\udfff]")
_SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def fixed(value: float) -> str:
    """Three decimals below 10, one above; enough digits to distinguish small values from 0."""
    if value != 0 and abs(value) < 0.0005:
        mantissa, exponent = f"{value:.1e}".split("e")
        return f"{mantissa.replace('-', '−')}×{power(int(exponent))}"
    return (f"{value:.3f}" if abs(value) < 10 else f"{value:,.1f}").replace("-", "−")


def percent(fraction: float) -> str:
    return f"{100 * fraction:.1f}%"


def signed(value: float) -> str:
    """A correlation or a difference, two decimals and its sign."""
    return f"{value:+.2f}".replace("-", "−")


def points(fraction: float) -> str:
    """A difference of two fractions in percentage points, with its sign."""
    return f"{100 * fraction:+.1f}".replace("-", "−")


def typeset(sentence: str) -> str:
    """Return a sentence with typographic minus signs, and no space before a percent sign."""
    return re.sub(r"(?<![\w])-(?=[\d.])", "−", sentence).replace(" %", "%")


def power(exponent: int) -> str:
    """Return 10 to `exponent` in Unicode, for figures and text."""
    return "10" + str(exponent).translate(_SUPERSCRIPTS)


def listing(items: Iterable[str], conjunction: str = "and") -> str:
    """Join in prose: a, b and c."""
    words = list(items)
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} {conjunction} {words[-1]}" if words else ""


def visible(text: str, limit: int = 160) -> str:
    """Return `text` on one line, its invisible and direction-changing characters named, cut at `limit` characters."""
    line = " ".join(text.split(" ")).replace("\r\n", " ").replace("\n", " ").replace("\t", " ")
    shown = _HIDDEN.sub(_name_of, line[: limit + 1])
    return shown if len(line) <= limit else f"{shown[:-1].rstrip()}…"


def _name_of(match: re.Match[str]) -> str:
    character = match.group()
    return f"⟨{unicodedata.name(character, '') or f'U+{ord(character):04X}'}⟩"
