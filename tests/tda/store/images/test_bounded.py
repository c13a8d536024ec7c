"""GIF, AVIF and BMP: decoded by option, in a child process that may crash, hang or eat memory without harm."""

import subprocess
import sys
from contextlib import suppress
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from tda.config.stages import FORMATS, IMAGE_FORMATS, EmbedConfig
from tda.errors import UserError
from tda.store.images import bounded
from tda.store.images.bounded import ChildError, decode_bounded, format_of
from tda.store.images.decode import PixelError, decode_pixels, decode_rgb
from tda.store.types import Reason

MAX = 64_000_000
SPARE = ["gif", "avif", "bmp"]
BEFORE = b"EMF \x01\x00\x00\x00"


def picture(side: int = 32) -> Image.Image:
    return Image.frombytes("RGB", (side, side), np.random.default_rng(side).integers(0, 256, side * side * 3, dtype=np.uint8).tobytes())


def encoded(kind: str, image: Image.Image | None = None, **options: Any) -> bytes:
    out = BytesIO()
    (image or picture()).save(out, kind, **options)
    return out.getvalue()


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Another program in the child's place."""
    path = tmp_path / "child.py"
    monkeypatch.setattr(bounded, "_PROGRAM", path)
    monkeypatch.setattr(bounded._own, "child", None, raising=False)
    return path


@pytest.mark.parametrize("kind", SPARE)
def test_a_picture_has_pillows_pixels_where_its_format_is_taken(kind: str) -> None:
    data = encoded(kind)
    expected = np.asarray(Image.open(BytesIO(data)).convert("RGB"))
    assert np.array_equal(decode_pixels(data, MAX, [kind]), expected)
    assert np.array_equal(np.asarray(decode_rgb(data, MAX, formats=[kind], draft=(8, 8))), expected)


@pytest.mark.parametrize("kind", SPARE)
def test_it_is_refused_by_name_where_its_format_is_not_taken(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subprocess, "Popen", None)  # nothing is started
    with pytest.raises(PixelError, match=f"{kind.upper()} is not among the formats that are taken: JPEG, PNG, WEBP") as refused:
        decode_pixels(encoded(kind), MAX)
    assert refused.value.reason is Reason.IMAGE_NOT_DECODABLE


@pytest.mark.parametrize("kind", ["EPS", "PDF", "TIFF", "PPM", "ICO", "TGA", "PCX", "SGI", "JPEG2000", "DDS", "DIB"])
def test_no_option_opens_any_other_format(kind: str) -> None:
    with pytest.raises(PixelError):
        decode_pixels(encoded(kind), MAX, IMAGE_FORMATS)
    with pytest.raises(UserError, match=r"embed\.formats='.*' is unknown; choose one of: jpeg, png, webp, gif, avif, bmp"):
        EmbedConfig(formats=[kind.lower()])


@pytest.mark.parametrize("data", [b"%!PS-Adobe-3.0 EPSF-3.0\n", b"\xc5\xd0\xd3\xc6", b"%PDF-1.4", BEFORE])
def test_a_beginning_of_postscript_starts_no_program(data: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subprocess, "Popen", None)
    with pytest.raises(PixelError, match="none of JPEG, PNG, WEBP, GIF, AVIF, BMP"):
        decode_rgb(data + b"\0" * 200, MAX, formats=IMAGE_FORMATS)


@pytest.mark.parametrize("kind", ["jpeg", "png", "webp"])
def test_formats_may_be_taken_away(kind: str) -> None:
    data = encoded(kind)
    assert decode_pixels(data, MAX).shape == (32, 32, 3)
    with pytest.raises(PixelError, match="none of "):
        decode_pixels(data, MAX, [other for other in FORMATS if other != kind])


@pytest.mark.parametrize("kind", SPARE)
def test_limits_are_those_of_every_image(kind: str) -> None:
    with pytest.raises(PixelError, match="32 x 32 pixels, at most 1000 are allowed"):
        decode_pixels(encoded(kind), 1000, [kind])
    with pytest.raises(PixelError, match="one side is more than"):
        decode_pixels(encoded("bmp", Image.new("RGB", (900, 2))), MAX, ["bmp"])


def test_an_animation_is_its_first_frame() -> None:
    frames = [Image.new("RGB", (16, 16), colour) for colour in ("red", "blue", "lime")]
    data = encoded("gif", frames[0], save_all=True, append_images=frames[1:])
    assert decode_rgb(data, MAX, formats=["gif"]).getpixel((3, 3)) == (255, 0, 0)


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (b"GIF87a..", "GIF"),
        (b"GIF89a..", "GIF"),
        (b"BM....", "BMP"),
        (b"\0\0\0 ftypavif", "AVIF"),
        (b"\0\0\0 ftypmif1\0\0\0\0avif", "AVIF"),
    ],
)
def test_a_format_is_known_by_its_beginning(data: bytes, kind: str) -> None:
    assert format_of(data) == kind


@pytest.mark.parametrize("kind", SPARE)
def test_cut_data_are_a_reason(kind: str) -> None:
    data = encoded(kind)
    with pytest.raises(PixelError) as refused:
        decode_pixels(data[: len(data) // 2], MAX, [kind])
    assert refused.value.reason in (Reason.IMAGE_TRUNCATED, Reason.IMAGE_NOT_DECODABLE)
    assert decode_pixels(data, MAX, [kind]).shape == (32, 32, 3)


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(SPARE), st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 255)), max_size=8))
def test_damage_is_a_picture_or_a_reason(kind: str, changes: list[tuple[int, int]]) -> None:
    data = bytearray(encoded(kind))
    for place, value in changes:
        data[place % len(data)] = value
    with suppress(PixelError):
        assert decode_pixels(bytes(data), 100_000, IMAGE_FORMATS).dtype == np.uint8


def test_one_child_serves_many_pictures_of_a_thread() -> None:
    decode_bounded(encoded("gif"), "GIF", MAX)
    child = bounded._own.child
    decode_bounded(encoded("bmp"), "BMP", MAX)
    assert bounded._own.child is child


@pytest.mark.parametrize(
    ("code", "reported"),
    [
        ("import os; os.abort()", "its decoder ended"),
        ("import sys; sys.stdin.buffer.readline(); sys.exit(3)", r"its decoder ended \(status 3\)"),
        ("print('nonsense', flush=True)", "its decoder answered nonsense"),
        ("print('{\"size\": [-1, 4]}', flush=True)", "its decoder answered nonsense"),
        ('print(\'{"size": ["a", 4]}\', flush=True)', "its decoder answered nonsense"),
        ("print('x' * 100_000, flush=True)", "its decoder answered nonsense"),
    ],
)
def test_a_child_that_dies_or_lies_costs_its_picture(program: Path, code: str, reported: str, monkeypatch: pytest.MonkeyPatch) -> None:
    program.write_text(code)
    with pytest.raises(ChildError, match=reported):
        decode_bounded(encoded("gif"), "GIF", MAX)
    monkeypatch.undo()
    assert decode_pixels(encoded("gif"), MAX, ["gif"]).shape == (32, 32, 3)  # the next picture has another child


def test_a_child_that_hangs_is_ended(program: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program.write_text("import time; time.sleep(600)")
    monkeypatch.setattr(bounded, "SECONDS", 0.5)
    with pytest.raises(PixelError, match=r"TimeoutError: it takes more than 0\.5 seconds to decode"):
        decode_pixels(encoded("gif"), MAX, ["gif"])


def test_memory_of_the_child_is_bounded(program: Path) -> None:
    source = (Path(bounded.__file__).parent / "child.py").read_text()
    program.write_text(source.replace("image.load()", "held = bytearray(20 * 2**30)"))
    with pytest.raises(PixelError, match="MemoryError: it needs more memory than an image of its size should"):
        decode_pixels(encoded("gif"), MAX, ["gif"])


def test_the_child_ends_with_its_parent() -> None:
    code = f"""
from tda.store.images import bounded
bounded.decode_bounded({encoded("bmp", picture(2))!r}, "BMP", 1000)
print(bounded._own.child._process.pid)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    pid = int(done.stdout)
    for _ in range(500):
        if not Path(f"/proc/{pid}").exists() or ") Z " in Path(f"/proc/{pid}/stat").read_text():
            break
        subprocess.run(["sleep", "0.02"], check=True)
    else:
        pytest.fail("the child outlives its parent")
