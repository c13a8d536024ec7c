"""A checkpoint is hashed, and copied to where no trainer deletes it, before anything reads it."""

from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from typing import BinaryIO

from jobs.watching.place import Checkpoint, version_now
from tda.store.files import filesystem, give_name, join, publish_bytes, read_bytes, remove, staged

BLOCK = 2**20
MOST_BESIDE = 2**20  # bytes of a small file beside the weights


class ChangedError(Exception):
    """The file was written or replaced while it was read."""


class _SourceError(Exception):
    """Carries an error of the checkpoint's file past the publisher, which takes every OSError for one of its own file."""

    def __init__(self, error: OSError) -> None:
        super().__init__(str(error))
        self.error = error


@dataclass(frozen=True, kw_only=True)
class Copied:
    """`url` is of the copy, or of the checkpoint itself where none is made; `config` of a config.json that lies with it."""

    digest: str  # sha256, whole
    url: str
    config: str | None = None


class Copies:
    """Copies under the ledger's `folder`, one a content and work, removed once they are analysed."""

    def __init__(self, folder: str, work: str, *, copy: bool) -> None:
        self.folder, self.work, self.copy = join(folder, "_pins"), work, copy

    def take(self, checkpoint: Checkpoint) -> Copied:
        """Hash the file, and copy it if copies are made. Raises ChangedError, or FileNotFoundError if it is gone."""
        try:
            return self._take(checkpoint)
        except _SourceError as error:
            raise error.error from None

    def _take(self, checkpoint: Checkpoint) -> Copied:
        beside = {url: data for url in checkpoint.beside if (data := _small(url)) is not None}
        if not self.copy:
            copied = Copied(digest=_read(checkpoint.url, None), url=checkpoint.url, config=_config(beside))
            self._require_unchanged(checkpoint)
            return copied
        name, digests = checkpoint.url.rpartition("/")[2], list[str]()
        with staged(join(self.folder, f"{self.work}.{name}"), lambda file: digests.append(_read(checkpoint.url, file))) as temporary:
            self._require_unchanged(checkpoint)
            prefix = self.prefix(checkpoint.label, digests[0])
            for url, data in beside.items():
                publish_bytes(join(self.folder, f"{prefix}{url.rpartition('/')[2]}"), data)
            give_name(temporary, join(self.folder, f"{prefix}{name}"), once=False)
        return self.held(digests[0], f"{prefix}{name}", [f"{prefix}{url.rpartition('/')[2]}" for url in beside])

    def held(self, digest: str, name: str, others: Iterable[str]) -> Copied:
        """What `take` returned when it made the copy of this name."""
        return Copied(digest=digest, url=join(self.folder, name), config=_config(join(self.folder, one) for one in others))

    def prefix(self, label: str, digest: str) -> str:
        """How the names of the copies of a checkpoint's content begin; two checkpoints may have the same content."""
        return f"{label}.{digest[:16]}-{self.work}."

    def release(self, label: str, digest: str, names: Iterable[str]) -> None:
        """Remove the copies of a checkpoint's content: it is analysed, or was given up."""
        for name in names:
            if name.startswith(self.prefix(label, digest)):
                remove(join(self.folder, name))

    def _require_unchanged(self, checkpoint: Checkpoint) -> None:
        try:
            now = version_now(checkpoint.url)
        except OSError as error:
            raise _SourceError(error) from None
        if now != checkpoint.version:
            raise ChangedError(checkpoint.url)


def _read(url: str, target: BinaryIO | None) -> str:
    """SHA-256 of a file, copied into `target`."""
    digest = sha256()
    for block in _blocks(url):
        digest.update(block)
        if target is not None:
            target.write(block)
    return digest.hexdigest()


def _blocks(url: str) -> Iterator[bytes]:
    fs, path = filesystem(url)
    try:
        with fs.open(path, "rb") as source:
            while block := source.read(BLOCK):
                yield block
    except OSError as error:
        raise _SourceError(error) from None


def _small(url: str) -> bytes | None:
    with suppress(FileNotFoundError):
        fs, path = filesystem(url)
        return read_bytes(url) if (fs.size(path) or 0) <= MOST_BESIDE else None
    return None


def _config(urls: Iterable[str]) -> str | None:
    return next((url for url in urls if url.endswith("config.json") and not url.endswith("preprocessor_config.json")), None)
