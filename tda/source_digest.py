"""The digest of source code: results that are kept beside the code which made them are made again when it changes."""

import hashlib
from collections.abc import Iterator
from importlib import resources
from importlib.resources.abc import Traversable

SUFFIXES = (".py", ".html", ".css", ".js", ".yaml", ".json")  # presets and the models that they name decide results too


def source_digest(*packages: str) -> str:
    """SHA-256 (hex) of every source file below the packages, sub-folders included, by path and content."""
    content = [(package, path, file.read_bytes()) for package in packages for path, file in source_files(package)]
    return hashlib.sha256(repr(content).encode()).hexdigest()


def source_files(package: str) -> list[tuple[str, Traversable]]:
    """(path below the package, file) of every source file, in order of path."""
    return sorted(_below(resources.files(package), ""), key=lambda found: found[0])


def _below(folder: Traversable, prefix: str) -> Iterator[tuple[str, Traversable]]:
    for item in folder.iterdir():
        if item.is_dir():
            yield from _below(item, f"{prefix}{item.name}/")
        elif item.name.endswith(SUFFIXES):
            yield f"{prefix}{item.name}", item
