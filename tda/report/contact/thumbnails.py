"""Untrusted images, shrunk to small JPEGs that are embedded in a page."""

import base64
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

from tda.config.stages import FORMATS
from tda.store.datasets.row_lookup import Gone, encoded_images
from tda.store.images.decode import PixelError, decode_rgb

SIDE = 160  # pixels of the longer side, at most
QUALITY = 80


@dataclass(frozen=True, slots=True)
class Thumbnail:
    """`uri` is "" for an image that does not decode; `sha256` is that of the original's bytes."""

    uri: str
    sha256: str


@dataclass(frozen=True)
class Thumbnails:
    """Thumbnails by (path of the shard, ordinal); `gone` holds path -> reason for shards that cannot be read."""

    found: dict[tuple[str, int], Thumbnail] = field(default_factory=dict)
    gone: dict[str, str] = field(default_factory=dict)


def thumbnails(
    wanted: Mapping[str, Iterable[int]], max_pixels: int, formats: Sequence[str] = FORMATS, members: Mapping[str, Any] | None = None
) -> Thumbnails:
    """Read each shard once, by the names of its members in its record; one original is in memory at a time."""
    made = Thumbnails()
    for item in encoded_images(wanted, members):
        if isinstance(item, Gone):
            made.gone[item.path] = item.reason
        else:
            path, ordinal, data = item
            made.found[path, ordinal] = Thumbnail(shrunk(data, max_pixels, formats), sha256(data).hexdigest())
    return made


def shrunk(data: bytes, max_pixels: int, formats: Sequence[str] = FORMATS) -> str:
    """A JPEG as a data URI; "" where the bytes are no image that embedding would take, or one of more pixels than `max_pixels`."""
    try:
        image = decode_rgb(data, max_pixels, draft=(2 * SIDE, 2 * SIDE), formats=formats)
    except (PixelError, MemoryError):
        return ""
    image.thumbnail((SIDE, SIDE))
    out = io.BytesIO()
    image.save(out, "JPEG", quality=QUALITY)
    return f"data:image/jpeg;base64,{base64.b64encode(out.getvalue()).decode()}"
