"""The folders that a root may hold, and whether a folder is a root at all."""

from tda.errors import UserError
from tda.store.files import exists, filesystem
from tda.store.paths import RUNS, TOP_FOLDERS
from tda.store.types import printable


def top_folders(root: str) -> frozenset[str]:
    """Those of `TOP_FOLDERS` that are in the root; one without results may become a root.

    Raises UserError, in one line, where nothing is there, or what is there is no root.
    """
    if not exists(root):
        raise UserError(f"root={root} is not there")
    fs, path = filesystem(root)
    names = [str(entry["name"]).rstrip("/").rsplit("/", 1)[-1] for entry in fs.ls(path, detail=True)] if fs.isdir(path) else [root]
    found = frozenset(names) & frozenset(TOP_FOLDERS)
    others = sorted(set(names) - {RUNS})  # earlier versions recorded themselves in any folder that they were pointed at
    if others and not found - {RUNS}:
        held = ", ".join(printable(name, 60) for name in others[:3])
        raise UserError(f"root={root} is no root: it holds {held}, but none of {', '.join(TOP_FOLDERS)}")
    return found
