"""Shards with every fault of untrusted data, and the expected result of each pair."""

import struct
import tarfile
import zlib
from collections.abc import Iterable
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

Members = Iterable[tuple[str, bytes]]


def write_tar(path: Path, members: Members) -> Path:
    with tarfile.open(path, "w", format=tarfile.USTAR_FORMAT) as tar:
        for name, data in members:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, BytesIO(data))
    return path


def picture(seed: int, mode: str = "RGB", kind: str = "JPEG", size: tuple[int, int] = (60, 44), **options: Any) -> bytes:
    """A smooth random picture, so that different seeds give different vectors."""
    values = np.random.default_rng(seed).integers(0, 256, (4, 4, 3), dtype=np.uint8)
    image = Image.fromarray(values).resize(size, Image.Resampling.BICUBIC).convert(mode)
    out = BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def good_pairs(count: int, first: int = 0) -> Members:
    for i in range(first, first + count):
        yield f"{i:06d}.jpg", picture(i)
        yield f"{i:06d}.txt", f"picture number {i} of many".encode()


def grey16(seed: int) -> bytes:
    values = np.random.default_rng(seed).integers(0, 65536, (40, 40), dtype=np.uint16)
    out = BytesIO()
    Image.fromarray(values).save(out, "PNG")
    return out.getvalue()


def giant_png(width: int = 15_000, height: int = 10_000) -> bytes:
    """A header that promises 150 megapixels."""
    chunks = [(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)), (b"IDAT", zlib.compress(b"\0")), (b"IEND", b"")]
    body = b"".join(struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks)
    return b"\x89PNG\r\n\x1a\n" + body


# key -> (members by extension, the reason of its drop or None)
BAD_PAIRS: dict[str, tuple[dict[str, bytes], str | None]] = {
    "cut_jpeg": ({"jpg": picture(1)[:-200], "txt": b"cut"}, "image_truncated"),
    "cmyk": ({"jpg": picture(2, mode="CMYK"), "txt": b"four inks"}, None),
    "grey": ({"jpg": picture(3, mode="L"), "txt": b"grey"}, None),
    "sixteen_bit": ({"png": grey16(4), "txt": b"deep grey"}, None),
    "one_pixel": ({"png": picture(5, kind="PNG", size=(1, 1)), "txt": b"a dot"}, None),
    "giant": ({"png": giant_png(), "txt": b"huge"}, "image_too_large"),
    "not_an_image": ({"jpg": b"<html>gone</html>", "txt": b"page"}, "image_not_decodable"),
    "empty_image": ({"jpg": b"", "txt": b"nothing"}, "image_not_decodable"),
    "empty_caption": ({"jpg": picture(6), "txt": b""}, "empty_caption"),
    "bad_utf8": ({"jpg": picture(7), "txt": b"caf\xe9 \xff\xfe"}, "caption_not_utf8"),
    "megabyte_caption": ({"jpg": picture(8), "txt": b"word " * 210_000}, "caption_too_long"),
    "no_caption": ({"jpg": picture(9)}, "missing_caption"),
    "no_image": ({"txt": b"alone"}, "missing_image"),
    "webp": ({"webp": picture(10, kind="WEBP"), "txt": b"modern"}, None),
}


def bad_members() -> Members:
    for key, (members, _) in BAD_PAIRS.items():
        for extension, data in members.items():
            yield f"{key}.{extension}", data


def bad_files(folder: Path, whole: Path) -> dict[str, str]:
    """Write shards that cannot be used into `folder`; file name -> the reason of the error. `whole` is a good one to cut."""
    data = whole.read_bytes()
    files = {
        "empty.tar": (b"", "empty"),
        "page.tar": (b"<!DOCTYPE html><html>404</html>", "not_a_tar"),
        "cut_in_data.tar": (data[: 512 + 100], "truncated"),
        "cut_at_header.tar": (data[: 512 * 3], "truncated"),
        "cut_half.tar": (data[: len(data) // 1024 * 512], "truncated"),
    }
    for name, (content, _) in files.items():
        (folder / name).write_bytes(content)
    return {name: reason for name, (_, reason) in files.items()} | {"absent.tar": "missing"}
