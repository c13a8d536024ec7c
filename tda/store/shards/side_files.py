"""The JSON beside each image of a tar, whole: what a generator wrote of its samples, such as prompt and seed."""

import json
import tarfile
from typing import Any

from tda.errors import ShardError
from tda.store.files import filesystem
from tda.store.shards.tar import MAX_META_BYTES, DamagedError, check_archive, iter_members, unread
from tda.store.types import printable


def side_files(url: str) -> dict[str, dict[str, Any]]:
    """Key -> the object in <key>.json, of every member of that ending whose content is a JSON object of at most 1 MiB.

    Raises ShardError where the tar cannot be read to its end.
    """
    source, found = check_archive(url), dict[str, dict[str, Any]]()
    fs, path = filesystem(url)
    try:
        with fs.open(path, "rb") as file:
            for tar, member in iter_members(file, source.size):
                name = member.name.removeprefix("./")
                if not member.isfile() or not name.lower().endswith(".json") or member.size > MAX_META_BYTES:
                    continue
                data = tar.extractfile(member)
                content = _object(data.read()) if data is not None else None
                if content is not None:
                    found.setdefault(name[: -len(".json")], content)
    except (tarfile.TarError, DamagedError) as error:
        raise ShardError(url, "damaged", printable(str(error))) from None
    except OSError as error:
        raise ShardError(url, unread(error), printable(error.strerror or str(error))) from None
    return found


def _object(data: bytes) -> dict[str, Any] | None:
    try:
        found = json.loads(data)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None
