"""COCO's annotation JSON with its pictures, in a folder or in the zip as it is published: one pair a picture, with its first caption."""

import json
import zipfile
from collections.abc import Callable, Iterator
from pathlib import PurePosixPath
from typing import Any

from tda.errors import UserError
from tda.store.files import filesystem, read_bytes
from tda.store.shards.units.places import BadNameError, inside
from tda.store.shards.units.unit import Entry, File
from tda.store.types import Reason, printable

MAX_JSON_BYTES = 2**30  # instances_train2017.json, the largest that is published, has 448 MB

Find = Callable[[str], File | None]


def coco_entries(annotations: str, images: str | None) -> Iterator[Entry]:
    """Pairs in order of image id. Raises UserError where the JSON is none of COCO's captions, or the archive cannot be read."""
    if images is None:
        raise UserError("dataset.images is missing: dataset.format=coco needs the folder or zip of the pictures")
    found = _parsed(annotations)
    captions: dict[Any, str] = {}
    for note in found["annotations"]:
        captions.setdefault(note["image_id"], note["caption"])
    find = _in_zip(images) if images.endswith(".zip") else File
    pictures = {picture["id"]: picture for picture in found["images"]}
    for number in sorted(pictures, key=lambda one: (str(type(one)), one)):
        yield _entry(images, pictures[number], captions.pop(number, None), find)
    for number, caption in captions.items():
        yield Entry(printable(str(number)), caption=caption, flaw=(Reason.MISSING_IMAGE, "its image id is not in `images`"))


def _parsed(url: str) -> dict[str, Any]:
    fs, path = filesystem(url)
    try:
        if (fs.size(path) or 0) > MAX_JSON_BYTES:
            raise UserError(f"dataset.shards={url} has more than {MAX_JSON_BYTES} bytes: no annotations of COCO are so large")
        found: dict[str, Any] = json.loads(read_bytes(url))
        if not all(isinstance(note["caption"], str) for note in found["annotations"]):
            raise TypeError("a caption that is no text")  # noqa: TRY301 (one way out for all that is no annotation file)
        if not all(isinstance(picture["file_name"], str) and isinstance(picture["id"], int | str) for picture in found["images"]):
            raise TypeError("an image without file_name and id")  # noqa: TRY301
    except FileNotFoundError:
        raise UserError(f"dataset.shards={url} is not there") from None
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        fault = f"lacks {error}" if isinstance(error, KeyError) else str(error)
        raise UserError(
            f"dataset.shards={url} is no captions file of COCO: {printable(fault)}; it needs `images` with id and file_name, and "
            "`annotations` with image_id and caption, as captions_train2017.json has them"
        ) from None
    return found


def _entry(base: str, picture: dict[str, Any], caption: str | None, find: Find) -> Entry:
    name = picture["file_name"]
    key, url = str(PurePosixPath(name).with_suffix("")) if name else str(picture["id"]), picture.get("coco_url")
    width, height = (value if isinstance(value := picture.get(side), int) and value > 0 else None for side in ("width", "height"))
    try:
        file = find(name if base.endswith(".zip") else inside(base, name))
    except BadNameError as error:
        return Entry(printable(key), flaw=(Reason.BAD_MEMBER, str(error)))
    flaw = (Reason.MISSING_CAPTION, "no annotation has its image id") if caption is None else None
    if file is None:
        flaw = (Reason.MISSING_IMAGE, f"the archive has no {name}")
    files = () if file is None else (file,)
    return Entry(printable(key), files, caption, url if isinstance(url, str) else None, width, height, flaw)


def _in_zip(url: str) -> Find:
    """A picture by its whole name in the archive, or by its last part where that is there once; CRC-32 stands for its content."""
    fs, path = filesystem(url)
    try:
        with fs.open(path, "rb") as file, zipfile.ZipFile(file) as archive:
            members = {
                info.filename: File(info.filename, info.file_size, f"{info.CRC:08x}") for info in archive.infolist() if not info.is_dir()
            }
    except FileNotFoundError:
        raise UserError(f"dataset.images={url} is not there") from None
    except (zipfile.BadZipFile, ValueError, NotImplementedError) as error:
        raise UserError(f"dataset.images={url} is no zip archive that can be read: {printable(str(error))}") from None
    last: dict[str, File | None] = {}
    for name, member in members.items():
        tail = name.rsplit("/", 1)[-1]
        last[tail] = None if tail in last else member
    return lambda name: members.get(name) or last.get(name.rsplit("/", 1)[-1])
