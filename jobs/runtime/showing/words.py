"""Numbers of a display in words, and its rows on a terminal."""

from collections.abc import Sequence
from typing import Any

from rich.console import Group, RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from jobs.runtime.showing.track import Track


def duration(seconds: float) -> str:
    """34 s, 5 min, 2 h 10 min or 3 days 4 h."""
    minutes = round(seconds / 60)
    if seconds < 90:
        return f"{seconds:.0f} s"
    if minutes < 90:
        return f"{minutes} min"
    if minutes < 48 * 60:
        return f"{minutes // 60} h {minutes % 60} min"
    return f"{minutes // 1440} days {minutes % 1440 // 60} h"


def rate(a_second: float) -> str:
    """12/s, or 3.1/min where it is slow."""
    if a_second >= 1:
        return f"{a_second:,.0f}/s" if a_second >= 10 else f"{a_second:.1f}/s"
    return f"{a_second * 60:.1f}/min"


def amount(track: Track, of: str = "/") -> str:
    """Done and whole with their unit; empty where neither is known."""
    if not track.whole:
        return ""
    return f"{_number(track.done)}{of}{_number(track.whole)}{f' {track.unit}' if track.unit else ''}"


def _number(value: float) -> str:
    return f"{value:,.0f}" if float(value).is_integer() or value >= 100 else f"{value:.1f}"


def log_words(track: Track) -> str:
    """A track in words: its name, what is done, the rate and the time left."""
    if track.line is not None:
        return track.line() + (f"; {_left(track)}" if _left(track) else "")
    if not track.whole:
        return f"{track.name} {duration(track.age)}"
    parts = [
        f"{track.name} {amount(track, ' of ')}",
        rate(track.rate) if track.rate and not track.heads else "",
        _left(track),
        track.extra,
    ]
    return ", ".join(part for part in parts if part)


def _left(track: Track) -> str:
    return f"about {duration(track.left)} left" if track.left and not track.heads else ""


def rows(tracks: Sequence[Track], place: str, width: int) -> RenderableType:
    """The tracks side by side: name, bar, done of whole, rate, and the time left or, where that is unknown, the time so far."""
    table = Table.grid(padding=(0, 1, 0, 0))
    names = max((len(track.name) for track in tracks), default=0)
    table.add_column(no_wrap=True, overflow="ellipsis", max_width=max(12, min(names, width * 3 // 10)))
    for _ in range(4):
        table.add_column(no_wrap=True)
    shown: list[Any] = [Text(place, style="bold", no_wrap=True, overflow="ellipsis")] if place else []
    for track in tracks:
        bar = ProgressBar(total=track.whole or None, completed=track.done, width=max(6, width // 8), pulse=not track.whole)
        counted = "" if track.heads or not track.rate else rate(track.rate)
        time = f"{duration(track.left)} left" if track.left and not track.heads else duration(track.age)
        table.add_row(Text(track.name), bar, Text(amount(track)), Text(counted), Text(time))
    extras = [Text(f"  {track.extra}", style="dim", no_wrap=True, overflow="ellipsis") for track in tracks if track.extra]
    return Group(*shown, table, *extras)
