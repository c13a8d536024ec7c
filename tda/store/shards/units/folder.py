"""A folder of pictures, with a `.txt` (and, as img2dataset writes it, a `.json`) of the same name beside each; sub-folders too.

Files of other kinds, and names that begin with a dot, are passed over; a picture without a caption and a caption without a picture are
pairs that are dropped, as in a tar.
"""

import os
from collections.abc import Iterator
from typing import Any

from tda.errors import UserError
from tda.store.files import filesystem, is_local
from tda.store.shards.changed import etag_of
from tda.store.shards.units.unit import Entry, File
from tda.store.shards.webdataset import ImageGroup

MAX_DEPTH = 32  # of sub-folders: links can make a circle


def folder_entries(url: str) -> Iterator[Entry]:
    """The pairs of a folder, in order of name, one folder in memory at a time. Raises UserError where it is none."""
    fs, path = filesystem(url)
    if not fs.isdir(path):
        raise UserError(f"dataset.shards={url} is no folder: dataset.format=folder reads pictures with a .txt beside each")
    yield from _walk(fs, path.rstrip("/"), "", 0)


def _walk(fs: Any, path: str, below: str, depth: int) -> Iterator[Entry]:
    if depth > MAX_DEPTH:
        raise UserError(f"dataset.shards: {path} lies more than {MAX_DEPTH} folders deep: is there a link to a folder above?")
    folders, files = _listed(fs, path)
    pairs: dict[str, list[File]] = {}
    for name, size, etag in files:
        key, role = ImageGroup.key_and_role(name)
        if role is not None and not name.startswith("."):
            pairs.setdefault(key, []).append(File(below + name, size, etag))
    for key, found in pairs.items():
        roles = {ImageGroup.key_and_role(file.name)[1] for file in found}
        annotates = ImageGroup.annotates(key) in pairs and not roles & {"caption", "meta"}
        if roles != {"meta"} and not annotates:
            yield Entry(below + key, tuple(found))
    for name in folders:
        yield from _walk(fs, f"{path}/{name}", f"{below}{name}/", depth + 1)


def _listed(fs: Any, path: str) -> tuple[list[str], list[tuple[str, int | None, str]]]:
    """Names of sub-folders, and (name, size, etag) of files, both sorted."""
    if is_local(fs):
        with os.scandir(path or "/") as entries:
            found = [(entry.name, entry.is_dir(), *_state(entry)) for entry in entries]
    else:
        listed = [entry for entry in fs.ls(path, detail=True) if str(entry["name"]).rstrip("/") != path]
        found = [
            (str(one["name"]).rstrip("/").rsplit("/", 1)[-1], one["type"] == "directory", one.get("size"), etag_of(one)) for one in listed
        ]
    folders = sorted(name for name, is_folder, *_ in found if is_folder and not name.startswith("."))
    return folders, sorted((name, size, etag) for name, is_folder, size, etag in found if not is_folder and name)


def _state(entry: os.DirEntry[str]) -> tuple[int | None, str]:
    try:
        state = entry.stat()
    except OSError:  # a link to nothing: its pair is dropped when it is read
        return None, ""
    return state.st_size, str(state.st_mtime)
