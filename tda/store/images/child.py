"""The program of a child process that decodes images for `tda.store.images.bounded`; it imports Pillow and nothing of Lacuna.

Arguments: bytes of address space, pixels of an image. Each request on standard input is a line {"format", "bytes"} and the data; each
answer on standard output a line {"size": [width, height]} and the RGB bytes, or {"error", "detail"}.
"""

import json
import resource
import sys
from io import BytesIO
from typing import Any, BinaryIO


def main(memory: int, max_pixels: int) -> None:
    """Answer requests until the parent closes the pipe."""
    from PIL import Image

    Image.MAX_IMAGE_PIXELS = None  # the caller's limit is checked on the header
    for kind, most in (("RLIMIT_AS", memory), ("RLIMIT_CORE", 0), ("RLIMIT_FSIZE", 0)):
        resource.setrlimit(getattr(resource, kind), (most, most))
    source, target = sys.stdin.buffer, sys.stdout.buffer
    while line := source.readline():
        request = json.loads(line)
        answer, pixels = _decoded(Image, source.read(request["bytes"]), request["format"], max_pixels)
        _send(target, answer, pixels)


def _decoded(pillow: Any, data: bytes, kind: str, max_pixels: int) -> tuple[dict[str, Any], bytes]:
    try:
        with pillow.open(BytesIO(data), formats=(kind,)) as image:
            width, height = image.size
            if width * height <= max_pixels:  # else the caller refuses it, by its size
                image.load()
            return {"size": [width, height]}, image.convert("RGB").tobytes() if width * height <= max_pixels else b""
    except MemoryError:
        return {"error": "MemoryError", "detail": "it needs more memory than an image of its size should"}, b""
    except Exception as error:  # noqa: BLE001 (decoders raise anything on damaged bytes)
        return {"error": type(error).__name__, "detail": str(error)[:200]}, b""


def _send(target: BinaryIO, answer: dict[str, Any], pixels: bytes) -> None:
    target.write(json.dumps(answer).encode() + b"\n")
    target.write(pixels)
    target.flush()


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
