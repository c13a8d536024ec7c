"""What a command is doing, on standard error: rows that move on a terminal, elsewhere a line from time to time, at least every 30 seconds.

One display a process. Jobs that run side by side, and stages of one command, share it.
"""

import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from contextvars import copy_context
from threading import Event, RLock, Thread, current_thread
from typing import Any, TextIO, TypeVar

from rich.console import Console
from rich.live import Live

from jobs.runtime.run_progress import log_line
from jobs.runtime.showing.track import Track, following
from jobs.runtime.showing.words import log_words, rows

TICK = 0.5  # seconds between two looks
DRAW_EVERY = 0.1  # seconds
HEARTBEAT = 28.0  # seconds before the first line in a log, and between two

Item = TypeVar("Item")

_current: "Display | None" = None


class Display:
    """The tracks that are alive. `place` says where in a larger whole they are."""

    def __init__(self, stream: TextIO) -> None:
        self.stream, self.place = stream, ""
        self._console = Console(file=stream) if stream.isatty() else None
        self._live: Live | None = None
        self._tracks: list[Track] = []
        self._lock, self._ended = RLock(), Event()
        self._thread: Thread | None = None
        self._drawn = 0.0
        self._printed = time.monotonic()

    @property
    def terminal(self) -> bool:
        return self._console is not None

    def add(self, track: Track) -> Track:
        with self._lock:
            self._tracks.append(track)
            if self._thread is None:
                self._thread = Thread(target=copy_context().run, args=(self._run,), daemon=True, name="lacuna-display")
                self._thread.start()
        if not track.delay:
            self.refresh()
        return track

    def remove(self, track: Track) -> None:
        with self._lock:
            if track in self._tracks:
                self._tracks.remove(track)
        self.refresh()

    def note(self, text: str) -> None:
        """A line that stays."""
        with self._lock:
            self._printed = time.monotonic()
            if self._console is not None:
                self._console.print(text, markup=False, highlight=False, soft_wrap=True)
                log_line(text)  # of a terminal, whose lines are not in the log by themselves
            elif text:
                print(text, file=self.stream, flush=True)

    def placed(self, text: str) -> str:
        return f"{self.place}: {text}" if self.place else text

    def refresh(self) -> None:
        """Draw the rows; on a terminal that has none they appear, and where no track is left they go."""
        if self._console is None:
            return
        with self._lock:
            shown = bool(self._visible())
            if shown and self._live is None:
                self._live = Live(
                    console=self._console, get_renderable=self._rows, auto_refresh=False, transient=True,
                    redirect_stdout=sys.stdout.isatty(),
                )  # fmt: skip
                self._live.start()
            elif not shown and self._live is not None:
                self._live.stop()
                self._live = None
            if self._live is not None:
                self._drawn = time.monotonic()
                self._live.refresh()

    def refresh_soon(self) -> None:
        """Draw, unless that was a moment ago: the next look draws what has moved since."""
        if time.monotonic() - self._drawn > DRAW_EVERY:
            self.refresh()

    def _visible(self) -> list[Track]:
        return [track for track in self._tracks if track.age >= track.delay]

    def _rows(self) -> Any:
        assert self._console is not None
        return rows(self._visible(), self.place, self._console.width)

    def _run(self) -> None:
        while not self._ended.wait(TICK):
            with suppress(Exception):  # a display must not end a run: Ray may be gone, the stream closed
                self.beat()

    def beat(self) -> None:
        """Look at the tasks, then draw, or print a line where the last one is too old."""
        for track in list(self._tracks):
            track.poll()
        self.refresh()
        if self._console is None and time.monotonic() - self._printed >= HEARTBEAT:
            self._print()

    def _print(self) -> None:
        with self._lock:
            shown = self._visible()
            words = [log_words(track) for track in shown]
            if words:
                self.note(self.placed("; ".join(words)))

    def close(self) -> None:
        self._ended.set()
        if self._thread is not None and self._thread is not current_thread():
            self._thread.join(timeout=5)
        with self._lock:
            self._tracks = []
        self.refresh()


@contextmanager
def display(stream: TextIO | None = None) -> Iterator[Display]:
    """The display of this process, made for this block if there is none; with a `stream` one of its own."""
    global _current  # noqa: PLW0603 (a process has one standard error)
    if stream is None and _current is not None:
        yield _current
        return
    mine = Display(sys.stderr if stream is None else stream)
    if stream is None:
        _current = mine
    try:
        yield mine
    finally:
        if stream is None:
            _current = None
        mine.close()


@contextmanager
def tracked(name: str, whole: float | None = None, unit: str = "", *, heads: bool = False) -> Iterator[Track]:
    """A track on the display for this block; tasks that are started in it belong to the track, and `report_progress` moves it."""
    with display() as shown:
        track = shown.add(Track(name=name, whole=whole, unit=unit, heads=heads))
        try:
            with following(track):
                yield track
        finally:
            shown.remove(track)


@contextmanager
def placed(text: str) -> Iterator[None]:
    """Inside this block the display says that its tracks belong to `text`, such as 5/6 analyze."""
    with display() as shown:
        before, shown.place = shown.place, text
        try:
            yield
        finally:
            shown.place = before


def counted(items: Sequence[Item]) -> Iterator[Item]:
    """The items one after the other, while the display counts them behind its place: 5/6 analyze, 3 of 8."""
    with display() as shown:
        place = shown.place
        for count, item in enumerate(items, start=1):
            shown.place = f"{place}, {count} of {len(items)}" if place else ""
            yield item
        shown.place = place
