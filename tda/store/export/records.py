"""What an export consists of: `export.json` claims the folder, and each shard has a record, written after its files.

<to>/export.json                     data set, encoder, format and the digest of its rows: another export is refused
<to>/_records/<shard>.json           pairs, files with sha256 and bytes; a shard without one is exported again
"""

from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import Any

from tda.errors import LacunaError, UserError
from tda.store.documents import read_document, sealed, unsealed
from tda.store.files import file_sha256, filesystem, join, publish_json
from tda.store.paths import check_name

SCHEMA = 1


@dataclass(frozen=True, kw_only=True)
class Export:
    """The rows that leave, and how. `content` is the digest of the rows."""

    root: str
    dataset: str
    encoder: str
    format: str
    to: str
    content: str

    def claim(self) -> None:
        """Take the folder for this export. Raises UserError where it holds another."""
        url = join(self.to, "export.json")
        own = {name: value for name, value in asdict(self).items() if name not in ("root", "to")}
        with suppress(FileExistsError):
            publish_json(url, {"schema": SCHEMA, **own}, once=True)
        try:
            found = read_document(url)
        except ValueError as error:
            raise LacunaError(f"{url} is damaged ({error}): give another to=FOLDER") from None
        other = [f"{name} {found.get(name)}, not {value}" for name, value in own.items() if found.get(name) != value]
        if other:
            raise UserError(f"to={self.to} holds another export ({other[0]}): give another folder")

    def record(self, shard: str) -> str:
        return join(self.to, "_records", f"{check_name('shard', shard)}.json")

    def done(self, shard: str) -> int | None:
        """Pairs of a shard that was exported, if its files are as they were written; else None."""
        try:
            found = unsealed(read_document(self.record(shard)))
            pairs, files = int(found["pairs"]), dict(found["files"])
            for name, entry in files.items():
                fs, path = filesystem(join(self.to, *(check_name("file", part) for part in name.split("/"))))
                if fs.size(path) != entry["bytes"]:
                    return None
        except (OSError, ValueError, KeyError, TypeError, AttributeError, LacunaError):
            return None
        return pairs

    def commit(self, shard: str, pairs: int, files: dict[str, dict[str, Any]]) -> int:
        publish_json(self.record(shard), sealed({"schema": SCHEMA, "shard": shard, "pairs": pairs, "files": files}))
        return pairs


def entry_of(path: Any) -> dict[str, Any]:
    """sha256 and bytes of a finished local file."""
    return {"sha256": file_sha256(path), "bytes": path.stat().st_size}
