"""Strangers' bytes to RGB, or the reason why not."""

import struct
import zlib
from io import BytesIO
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tda.store.images import decode as door
from tda.store.images.decode import MAX_ASPECT, PixelError, decode_pixels, decode_rgb
from tda.store.types import Reason

MAX = 64_000_000


def encoded(image: Image.Image, kind: str, **options: Any) -> bytes:
    out = BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def noise(mode: str = "RGB", side: int = 48) -> Image.Image:
    channels = len(Image.new(mode, (1, 1)).getbands())
    values = np.random.default_rng(0).integers(0, 256, (side, side, channels), dtype=np.uint8)
    return Image.frombytes(mode, (side, side), values.tobytes())


def png_header(width: int, height: int) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    body = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + body + chunk(b"IDAT", zlib.compress(b"\0")) + chunk(b"IEND", b"")


@pytest.mark.parametrize(
    ("mode", "kind"),
    [("RGB", "JPEG"), ("L", "JPEG"), ("CMYK", "JPEG"), ("RGB", "WEBP"), ("RGBA", "WEBP"), ("P", "PNG"), ("LA", "PNG"), ("1", "PNG")],
)
def test_every_mode_becomes_what_open_clip_makes_of_it(mode: str, kind: str) -> None:
    source = noise().convert(mode)
    data = encoded(source, kind)
    decoded = decode_rgb(data, MAX)
    assert decoded.mode == "RGB"
    assert decoded.tobytes() == Image.open(BytesIO(data)).convert("RGB").tobytes()
    assert np.array_equal(decode_pixels(data, MAX), np.asarray(decoded))


@pytest.mark.parametrize(
    "options", [{"progressive": True}, {"subsampling": 0}, {"subsampling": 1}, {"subsampling": 2}, {"restart_marker_rows": 1}]
)
@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_the_fast_decoder_gives_pillows_pixels(mode: str, options: dict[str, Any]) -> None:
    data = encoded(noise(mode, side=61), "JPEG", **options)
    assert np.array_equal(decode_pixels(data, MAX), np.asarray(decode_rgb(data, MAX)))


def test_a_jpeg_in_rgb_is_not_taken_for_another() -> None:
    data = encoded(noise(), "JPEG", keep_rgb=True)
    assert np.array_equal(decode_pixels(data, MAX), np.asarray(decode_rgb(data, MAX)))


def test_16_bit_grey_keeps_its_high_byte() -> None:
    values = np.linspace(0, 65535, 64 * 64, dtype=np.uint16).reshape(64, 64)
    decoded = np.asarray(decode_rgb(encoded(Image.fromarray(values), "PNG"), MAX))
    assert np.array_equal(decoded, np.repeat((values >> 8).astype(np.uint8)[..., None], 3, axis=2))


def test_one_pixel_is_an_image() -> None:
    assert decode_rgb(encoded(Image.new("RGB", (1, 1), (9, 8, 7)), "PNG"), MAX).getpixel((0, 0)) == (9, 8, 7)


def test_orientation_is_not_applied() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # a quarter turn
    assert decode_rgb(encoded(Image.new("RGB", (40, 20)), "JPEG", exif=exif), MAX).size == (40, 20)


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")  # pytest puts away the module's own filter
@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (encoded(noise(), "JPEG")[:-400], Reason.IMAGE_TRUNCATED),
        (encoded(noise(), "PNG")[:-400], Reason.IMAGE_TRUNCATED),
        (encoded(noise(), "JPEG")[:30], Reason.IMAGE_TRUNCATED),
        (b"", Reason.IMAGE_NOT_DECODABLE),
        (b"<html>not found</html>", Reason.IMAGE_NOT_DECODABLE),
        (encoded(noise(), "GIF"), Reason.IMAGE_NOT_DECODABLE),
        (encoded(noise(), "TIFF"), Reason.IMAGE_NOT_DECODABLE),
        (png_header(15_000, 10_000), Reason.IMAGE_TOO_LARGE),
        (png_header(60_000, 60_000), Reason.IMAGE_TOO_LARGE),
        (png_header(1, MAX_ASPECT + 1), Reason.IMAGE_TOO_LARGE),
    ],
    ids=["cut jpeg", "cut png", "cut in the header", "empty", "html", "gif", "tiff", "150 megapixels", "3600 megapixels", "a line"],
)
def test_what_cannot_be_used_is_named(data: bytes, reason: Reason) -> None:
    for decode in (decode_rgb, decode_pixels):
        with pytest.raises(PixelError) as caught:
            decode(data, MAX)
        assert caught.value.reason is reason
        assert caught.value.detail


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
def test_a_jpegs_cap_is_read_from_its_header() -> None:
    data = encoded(noise(side=64), "JPEG")
    frame = data.index(b"\xff\xc0") + 5  # of the header that tells the size
    giant = data[:frame] + struct.pack(">HH", 12_000, 12_000) + data[frame + 4 :]
    for decode in (decode_rgb, decode_pixels):
        with pytest.raises(PixelError, match="12000 x 12000 pixels") as caught:
            decode(giant, MAX)
        assert caught.value.reason is Reason.IMAGE_TOO_LARGE


def test_damaged_bytes_are_a_reason_and_never_another_exception() -> None:
    rng = np.random.default_rng(0)
    whole = [encoded(noise(), kind) for kind in ("JPEG", "PNG", "WEBP")]
    outcomes = []
    for trial in range(300):
        data = bytearray(whole[trial % 3])
        for place in rng.integers(0, len(data), 8):
            data[place] = rng.integers(0, 256)
        outcomes.append(outcome(bytes(data)))
        assert array_outcome(bytes(data)) == outcomes[-1]
    assert set(outcomes) <= {"RGB", Reason.IMAGE_TRUNCATED, Reason.IMAGE_NOT_DECODABLE, Reason.IMAGE_TOO_LARGE}
    assert "RGB" in outcomes
    assert Reason.IMAGE_NOT_DECODABLE in outcomes


def outcome(data: bytes) -> str:
    try:
        return decode_rgb(data, 100_000).mode
    except PixelError as error:
        return error.reason


def array_outcome(data: bytes) -> str:
    """The same of `decode_pixels`, whose pixels have to be those of `decode_rgb`."""
    try:
        pixels_HW3 = decode_pixels(data, 100_000)
    except PixelError as error:
        return error.reason
    assert np.array_equal(pixels_HW3, np.asarray(decode_rgb(data, 100_000)))
    return "RGB"


def _with_scans(count: int, size: tuple[int, int] = (64, 64)) -> bytes:
    """A progressive JPEG whose last scan stands there `count` times more."""
    data = encoded(noise().resize(size), "JPEG", progressive=True)
    start, end = data.rindex(b"\xff\xda"), data.rindex(b"\xff\xd9")
    return data[:end] + data[start:end] * count + data[end:]


def test_a_progressive_jpeg_is_a_picture() -> None:
    assert np.array_equal(decode_pixels(_with_scans(0), MAX), np.array(decode_rgb(_with_scans(0), MAX)))


@pytest.mark.parametrize("decoder", [decode_pixels, decode_rgb])
def test_more_scans_than_a_picture_needs_are_refused(decoder: Any) -> None:
    with pytest.raises(PixelError, match=r"6\d\d\d scans of 4096 pixels, at most 500") as refused:
        decoder(_with_scans(6000), MAX)
    assert refused.value.reason is Reason.IMAGE_TOO_LARGE


def test_scans_are_counted_with_the_size_of_the_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(door, "MAX_SCANNED_PIXELS", 4096 * 20)
    assert decode_pixels(_with_scans(5), MAX).shape == (64, 64, 3)
    with pytest.raises(PixelError, match="at most 5 are allowed"):
        decode_pixels(_with_scans(5, size=(128, 128)), MAX)


def test_a_draft_is_smaller_and_no_smaller_than_asked() -> None:
    data = encoded(noise().resize((800, 600)), "JPEG")
    assert decode_rgb(data, MAX, draft=(100, 100)).size == (200, 150)
    assert decode_rgb(encoded(noise().resize((80, 60)), "PNG"), MAX, draft=(10, 10)).size == (80, 60)


def test_the_callers_limit_may_be_above_pillows_own() -> None:
    size = (20_000, 10_000)  # 200 megapixels; Pillow refuses from 179 on
    data = encoded(Image.new("1", size), "PNG")
    assert decode_rgb(data, 200_000_000).size == size
    with pytest.raises(PixelError, match="20000 x 10000 pixels, at most 199999999 are allowed"):
        decode_rgb(data, 199_999_999)
