"""Types that readers of shards and writers of rows share: the source of a shard, and a pair that was not embedded."""

from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

DETAIL_LENGTH = 300
MAX_KEY_LENGTH = 1024
VECTORS = ("image", "text")  # the columns of an embedding table that hold vectors, whatever the modalities are


@dataclass(frozen=True, slots=True)
class Source:
    """The source of a shard: URL, size in bytes, the store's etag (locally the time of its last change), SHA-256 once it was read."""

    path: str
    size: int
    etag: str
    sha256: str | None = None
    members: dict[str, list[str]] | None = None  # which members were read, where a setting says it

    def recorded(self) -> dict[str, Any]:
        """As a record holds it."""
        return {name: value for name, value in asdict(self).items() if name != "members" or value is not None}


class Stage(StrEnum):
    """The stage at which a pair was dropped."""

    READ = "read"
    DECODE = "decode"
    ENCODE = "encode"


class Reason(StrEnum):
    """The reason of a drop. The set is closed: counters and reports use these words."""

    MISSING_IMAGE = "missing_image"
    MISSING_CAPTION = "missing_caption"
    EMPTY_CAPTION = "empty_caption"
    CAPTION_NOT_UTF8 = "caption_not_utf8"
    CAPTION_TOO_LONG = "caption_too_long"
    MEMBER_TOO_LARGE = "member_too_large"
    BAD_ROW = "bad_row"  # a line that is not a JSON object
    BAD_MEMBER = "bad_member"  # a link or device, or a name that is absolute, has "..", is not UTF-8, or is too long
    DUPLICATE_KEY = "duplicate_key"  # a later pair of the same key, or two images (or captions) for one pair
    INTERLEAVED = "interleaved"  # members too far apart in the archive to be held together in memory
    IMAGE_TRUNCATED = "image_truncated"
    IMAGE_NOT_DECODABLE = "image_not_decodable"
    IMAGE_TOO_LARGE = "image_too_large"
    ENCODER_FAILED = "encoder_failed"
    NOT_FINITE = "not_finite"  # NaN or infinity in a vector
    ZERO_VECTOR = "zero_vector"  # no direction


@dataclass(frozen=True, slots=True)
class Drop:
    """One pair that was not embedded. `ordinal` is its index among all pairs of its shard, drops included."""

    ordinal: int
    key: str
    stage: Stage
    reason: Reason
    detail: str = ""


def printable(text: str, length: int = DETAIL_LENGTH) -> str:
    """Return `text` cut to `length` characters, with characters that UTF-8 cannot encode written as escapes."""
    return text[:length].encode("utf-8", "backslashreplace").decode()
