"""Untrusted encoded bytes -> an RGB image within limits, or the reason for refusing it."""

from collections.abc import Sequence
from io import BytesIO

import numpy as np
import simplejpeg
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from tda.config.stages import FORMATS
from tda.store.images import bounded
from tda.store.images.bounded import ChildError, decode_bounded
from tda.store.types import Reason

_HERE = ("JPEG", "PNG", "WEBP")  # decoded in this process; each further decoder is another target for untrusted bytes
MAX_SCANS = 500  # of a progressive JPEG; an encoder makes about ten, and each goes through all of the picture, even an empty one
MAX_SCANNED_PIXELS = 2_000_000_000  # pixels times scans: 30 scans of 64 megapixels
MAX_ASPECT = 200  # the shortest side is resized to the model's: a 1 x 60,000,000 line would exceed any memory

Image.MAX_IMAGE_PIXELS = None  # Pillow refuses from 179 megapixels on; the caller's limit, read from the header, is the one that counts


class PixelError(Exception):
    """An image that cannot be used. `reason` is the quarantine's, `detail` one readable line."""

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason, self.detail = reason, detail


def decode_pixels(data: bytes, max_pixels: int, formats: Sequence[str] = FORMATS) -> NDArray[np.uint8]:
    """(H, W, 3): bit for bit the pixels and refusals of `decode_rgb`, by the fastest decoder.

    Sound JPEGs in YCbCr or grey are decoded by simplejpeg in two thirds of Pillow's time: the same library with the same settings, but
    strict. Everything damaged or unusual is decoded, or refused, by Pillow.
    """
    if data.startswith(b"\xff\xd8\xff") and "jpeg" in formats:
        try:
            height, width, colours, _ = simplejpeg.decode_jpeg_header(data)
            if colours in ("YCbCr", "Gray"):
                _check_size(width, height, max_pixels)
                _check_scans(data, width * height)
                pixels_HW3: NDArray[np.uint8] = simplejpeg.decode_jpeg(data, "RGB")
                return pixels_HW3
        except ValueError:  # all that its decoder raises
            pass
    return np.array(decode_rgb(data, max_pixels, formats=formats))


def decode_rgb(data: bytes, max_pixels: int, draft: tuple[int, int] | None = None, formats: Sequence[str] = FORMATS) -> Image.Image:
    """Decode an image of one of `formats` (of `tda.config.stages.IMAGE_FORMATS`) to mode RGB; of an animation, the first frame.

    GIF, AVIF and BMP are decoded in a child process with limits on memory and time: see `tda.store.images.bounded`.

    Every mode is converted as open_clip does, by Pillow's `convert("RGB")`: CMYK through its inverse, grey thrice, a palette by its
    colours, alpha left out; but 16-bit grey keeps its high byte, where `convert` would clip it to white. The EXIF orientation is not
    applied: neither img2dataset nor open_clip applies it, so models have been trained and evaluated without it.

    With `draft` (width, height) a JPEG is decoded at a half, a quarter or an eighth of its sides, but no smaller than that.

    Raises PixelError if the header promises more than `max_pixels` pixels (nothing is decoded then) or sides that differ more than
    `MAX_ASPECT` times, if a JPEG has more scans than a picture needs, if the data end early, or if they cannot be decoded.
    """
    if (kind := bounded.format_of(data)) is not None:
        return _by_child(data, kind, max_pixels, formats)
    try:
        with Image.open(BytesIO(data), formats=[name for name in _HERE if name.lower() in formats]) as image:
            _check_size(*image.size, max_pixels)
            if image.format == "JPEG":
                _check_scans(data, image.width * image.height)
                if draft is not None:
                    image.draft("RGB", draft)
            image.load()
            return _to_rgb(image)
    except (PixelError, MemoryError):
        raise
    except UnidentifiedImageError:
        raise PixelError(Reason.IMAGE_NOT_DECODABLE, f"none of {_listed(formats)}: begins with {data[:8]!r}") from None
    except Exception as error:  # noqa: BLE001 (decoders raise anything from SyntaxError to struct.error on damaged bytes)
        raise PixelError(_why(error), f"{type(error).__name__}: {error}") from None


def _by_child(data: bytes, kind: str, max_pixels: int, formats: Sequence[str]) -> Image.Image:
    if kind.lower() not in formats:
        raise PixelError(Reason.IMAGE_NOT_DECODABLE, f"{kind} is not among the formats that are taken: {_listed(formats)}")
    try:
        decoded = decode_bounded(data, kind, max_pixels)
    except ChildError as error:
        raise PixelError(_why(error), str(error)) from None
    size = decoded if isinstance(decoded, tuple) else decoded.size
    _check_size(*size, max_pixels)
    assert isinstance(decoded, Image.Image), "a size within the limit comes with pixels"
    return decoded


def _listed(formats: Sequence[str]) -> str:
    return ", ".join(name.upper() for name in formats)


def _check_size(width: int, height: int, max_pixels: int) -> None:
    if width * height > max_pixels:
        raise PixelError(Reason.IMAGE_TOO_LARGE, f"{width} x {height} pixels, at most {max_pixels} are allowed")
    if max(width, height) > MAX_ASPECT * min(width, height):
        raise PixelError(Reason.IMAGE_TOO_LARGE, f"{width} x {height} pixels: one side is more than {MAX_ASPECT} times the other")


def _check_scans(data: bytes, pixels: int) -> None:
    """Count the marks of scans: between them every FF is followed by a zero, so that none is hidden; a few more stand in side data."""
    scans = data.count(b"\xff\xda")
    if scans > MAX_SCANS or scans * pixels > MAX_SCANNED_PIXELS:
        most = min(MAX_SCANS, MAX_SCANNED_PIXELS // max(1, pixels))
        raise PixelError(Reason.IMAGE_TOO_LARGE, f"{scans} scans of {pixels} pixels, at most {most} are allowed")


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I"):  # 16-bit grey; older Pillow opens it as 32-bit integers
        image = image.convert("I").point(lambda value: value / 256).convert("L")
    return image.convert("RGB")


def _why(error: Exception) -> Reason:
    """Pillow has no separate exception for data that end early, only these messages."""
    cut = isinstance(error, EOFError) or any(word in str(error).lower() for word in ("truncated", "cut off", "unexpected end"))
    return Reason.IMAGE_TRUNCATED if cut else Reason.IMAGE_NOT_DECODABLE
