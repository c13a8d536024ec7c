"""The schema of `conf/filter`: which pairs of a data set are kept, by what each of them is."""

from dataclasses import dataclass

from tda.config.fields import Checked, bounded
from tda.errors import UserError

UNKNOWN = ("drop", "keep")
SIZE_FIELDS = ("min_side", "max_aspect")
CAPTION_FIELDS = ("min_words", "min_characters", "max_characters", "min_letters")
TOP = "top:"


@dataclass(kw_only=True)
class FilterConfig(Checked, path="filter"):
    """Filters of one row at a time. A filter that is null drops nothing."""

    pair_cosine: str | None = None  # least cosine of image and text, or top:0.3: the share of pairs with the highest
    min_side: int | None = bounded(None, least=1)  # pixels of a picture's shorter side
    max_aspect: float | None = bounded(None, least=1)  # longer side / shorter side
    min_words: int | None = bounded(None, least=1)  # of a caption, divided by blanks
    min_characters: int | None = bounded(None, least=1)  # of a caption, without blanks at its ends
    max_characters: int | None = bounded(None, least=1)
    min_letters: float | None = bounded(None, least=0, most=1)  # share of letters of any script in a caption, blanks not counted
    max_caption_rows: int | None = bounded(None, least=1)  # a caption on more rows than so many is dropped from all of them
    unknown: str = bounded("drop", choices=UNKNOWN)  # rows whose size or caption a filter asks for and is not known
    by: str | None = None  # the encoder whose rows decide; null: the one whose rows are chosen. One for all keeps the same pairs in all
    name: str | None = None  # of the view, <data set>-minus-<name>; null: filtered, and the filters with their values

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.pair_cosine is not None:
            _require_cosine(self.pair_cosine)


def top_share(wanted: str) -> float | None:
    """The share x of `top:x`; None for a cosine."""
    return float(wanted.removeprefix(TOP)) if wanted.startswith(TOP) else None


def _require_cosine(wanted: str) -> None:
    try:
        share, least, most = top_share(wanted), 0.0 if wanted.startswith(TOP) else -1.0, 1.0
        value = float(wanted) if share is None else share
    except ValueError:
        raise UserError(f"filter.pair_cosine={wanted!r} is neither a cosine nor top:SHARE, as in top:0.3") from None
    if not (least <= value <= most) or share == 0:
        bounds = "a cosine is from -1 to 1" if share is None else "a share is above 0 and at most 1"
        raise UserError(f"filter.pair_cosine={wanted} is out of range: {bounds}")
