"""Images of formats whose decoders are less tried, decoded in a child process with limits on memory and time.

A thread has one child, which is started with its first image and ends with the thread's process: a decoder that crashes, hangs or eats
memory costs its picture. Its answer is not trusted either: sizes are checked before a byte of it is kept.
"""

import json
import select
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any, NoReturn

from PIL import Image

FORMATS = ("GIF", "AVIF", "BMP")
SECONDS = 20.0  # for one image
MEMORY = 768 * 2**20  # bytes of the child beside those of pixels: its libraries and threads
BYTES_A_PIXEL = 24  # a canvas, a frame and copies of them
_PROGRAM = Path(__file__).with_name("child.py")
_LINE = 4096
_own = threading.local()


class ChildError(Exception):
    """The child decoded nothing: `kind` is the decoder's error, or what became of the child."""

    def __init__(self, kind: str, detail: str) -> None:
        super().__init__(f"{kind}: {detail}")
        self.kind, self.detail = kind, detail


def format_of(data: bytes) -> str | None:
    """One of `FORMATS` by the first bytes of the data; None for anything else."""
    if data[:6] in (b"GIF87a", b"GIF89a"):
        return "GIF"
    if data[:2] == b"BM":
        return "BMP"
    return "AVIF" if data[4:8] == b"ftyp" and b"avi" in data[8:32] else None


def decode_bounded(data: bytes, kind: str, max_pixels: int) -> Image.Image | tuple[int, int]:
    """The first frame as RGB; of an image of more than `max_pixels` its width and height alone. Raises ChildError."""
    child = getattr(_own, "child", None)
    if child is None or child.max_pixels != max_pixels or not child.alive:
        if child is not None:
            child.end()
        child = _own.child = _Child(max_pixels)
    try:
        decoded: Image.Image | tuple[int, int] = child.decode(data, kind)
    except ChildError:
        raise
    except BaseException:
        child.end()
        raise
    return decoded


class _Child:
    def __init__(self, max_pixels: int) -> None:
        self.max_pixels = max_pixels
        limits = [str(MEMORY + BYTES_A_PIXEL * max_pixels), str(max_pixels)]
        self._process = subprocess.Popen(  # noqa: S603 (this Python, our own program)
            [sys.executable, "-I", str(_PROGRAM), *limits],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            bufsize=0,
        )

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    def end(self) -> None:
        """Kill it, and wait until it is gone."""
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe:
                pipe.close()

    def decode(self, data: bytes, kind: str) -> Image.Image | tuple[int, int]:
        until = time.monotonic() + SECONDS
        self._ask({"format": kind, "bytes": len(data)}, data)
        answer = self._answer(until)
        if "error" in answer:
            raise ChildError(str(answer["error"])[:60], str(answer.get("detail", ""))[:200])
        width, height = self._size(answer)
        if width * height > self.max_pixels:
            return width, height
        return Image.frombytes("RGB", (width, height), self._read(3 * width * height, until))

    def _ask(self, request: dict[str, Any], data: bytes) -> None:
        assert self._process.stdin is not None, "it was opened as a pipe"
        rest = memoryview(json.dumps(request).encode() + b"\n" + data)
        with suppress(BrokenPipeError):  # it died: what it answers says so
            while rest:
                rest = rest[self._process.stdin.write(rest) or 0 :]

    def _answer(self, until: float) -> dict[str, Any]:
        line = b""
        while not line.endswith(b"\n") and len(line) < _LINE:
            line += self._read(1, until)
        try:
            found = json.loads(line)
        except ValueError:
            found = None
        if not isinstance(found, dict):
            self._fail("ChildError", "its decoder answered nonsense")
        return found

    def _size(self, answer: dict[str, Any]) -> tuple[int, int]:
        size = answer.get("size")
        if not (isinstance(size, list) and len(size) == 2 and all(isinstance(side, int) and side > 0 for side in size)):
            self._fail("ChildError", "its decoder answered nonsense")
        return size[0], size[1]

    def _read(self, count: int, until: float) -> bytes:
        assert self._process.stdout is not None, "it was opened as a pipe"
        parts, left = [], count
        while left:
            ready, _, _ = select.select([self._process.stdout], [], [], max(0.0, until - time.monotonic()))
            if not ready:
                self._fail("TimeoutError", f"it takes more than {SECONDS:g} seconds to decode")
            part = self._process.stdout.read(min(left, 2**20))
            if not part:
                self._fail("ChildError", f"its decoder ended (status {self._process.wait()})")
            parts.append(part)
            left -= len(part)
        return b"".join(parts)

    def _fail(self, kind: str, detail: str) -> NoReturn:
        self.end()
        raise ChildError(kind, detail)
