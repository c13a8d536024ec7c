"""What the blocks of a long part have found, kept beside the analysis until the part is published: a killed run goes on with the others.

A block is known by the hash of what it was made from and by its own name. Its file is written by the task that measured it, so that it
outlives the driver. Its name holds the first digits of its own sha256: a file that is damaged or of another hash counts as missing.
"""

import hashlib
import io
import json
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tda.columns import Columns
from tda.store.files import filesystem, is_local, join, list_files, read_bytes, remove
from tda.store.tables import META_KEY, publish_by_content

if TYPE_CHECKING:
    import pyarrow as pa

DIGITS = 12  # of the content's sha256 in a file's name


@dataclass(frozen=True, kw_only=True)
class Blocks:
    """The kept blocks of one part, in a folder of their own: it begins with an underscore, so that no scan takes it for results."""

    folder: str
    hash: str  # of everything that changes a block

    @classmethod
    def of(cls, analysis_dir: str, part: str, part_hash: str) -> "Blocks":
        """`part_hash` names the folder: runs with other settings do not meet."""
        return cls(folder=join(analysis_dir, f"_{part}_{part_hash[:12]}"), hash=part_hash)

    def kept(self) -> dict[str, str]:
        """The names of the blocks that have a file, and the names of these files."""
        return {name.rsplit(".", 2)[0]: name for name in list_files(self.folder, ".parquet")}

    def read(self, name: str, file: str | None = None) -> "pa.Table | None":
        """The table of a block, in `file` where that is known; None if it is missing, of another hash, or not as it was written."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        file = file or self.kept().get(name, "")
        try:
            data = read_bytes(join(self.folder, file)) if file else b""
            if hashlib.sha256(data).hexdigest()[:DIGITS] != file.removeprefix(f"{name}.").partition(".")[0]:
                return None
            table = pq.read_table(io.BytesIO(data))
        except (FileNotFoundError, pa.ArrowInvalid):
            return None
        return table if json.loads(table.schema.metadata[META_KEY]).get("config_hash") == self._hash_of(name) else None

    def keep(self, name: str, columns: Columns) -> None:
        """Publish the columns of a block, whole or not at all."""
        publish_by_content(self.folder, name, columns, self._hash_of(name))

    def clear(self) -> None:
        """Remove all of them."""
        for file in self.kept().values():
            remove(join(self.folder, file))
        fs, path = filesystem(self.folder)
        if is_local(fs):
            with suppress(OSError):  # another run has added a block, or removed the folder
                Path(path).rmdir()

    def _hash_of(self, name: str) -> str:
        return f"{self.hash}/{name}"
