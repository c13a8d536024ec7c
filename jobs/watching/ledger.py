"""The ledger of a training run's checkpoints: small files that are created once and never changed.

<root>/watch/<name>/<checkpoint>/seen.json                       it was in the folder
                                 <version>.<digest>.pin.json     a version of its file has this content
                                 vanished.json                   it was gone before its content was read
                                 <key>/<n>.submitted.json        attempt n was taken by a watcher, which the file names
                                       <n>.running.json          it began
                                       <n>.failed.json           it ended with a reason, or was lost with its watcher
                                       <n>.stopped.json          it was interrupted; this is no failure
                                       succeeded.json            all is analysed
                                       <n>.<state>.notice.json   a watcher, which the file names, notifies the user of this end
                                       <n>.<state>.2.notice.json another one does, as the first was lost before it had
                                       <n>.<state>.notified.json the user was notified
                                       vanished.json             its file was gone before it was analysed
                    _names/<encoder>.json                        this encoder's name is of this content

The key is the digests of the checkpoint's content and of the work: settings and version of the code. The state of a checkpoint follows from
the names of its files alone, whatever clocks say, and a watcher that was killed between any two of them goes on from there.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from tda.store.files import filesystem, join, publish_json, read_json
from tda.store.paths import RootPaths

EVENT = re.compile(r"(\d+)\.(submitted|running|failed|stopped)\.json")
NOTICE, NOTIFIED = "notice.json", "notified.json"
PIN = re.compile(r"([0-9a-f]{16})\.([0-9a-f]{16})\.pin\.json")


@dataclass(frozen=True)
class Entry:
    """What the ledger holds of one content of one checkpoint under one work."""

    events: frozenset[str]

    @property
    def attempt(self) -> int:
        """The last attempt; 0 before the first."""
        return max((int(found[1]) for name in self.events if (found := EVENT.fullmatch(name))), default=0)

    @property
    def failures(self) -> int:
        return sum(1 for name in self.events if name.endswith(".failed.json"))

    @property
    def open(self) -> bool:
        """Whether the last attempt was taken and has not ended."""
        ends = {f"{self.attempt}.{how}.json" for how in ("failed", "stopped")}
        return self.attempt > 0 and not self.over and not ends & self.events

    @property
    def over(self) -> bool:
        return not {"succeeded.json", "vanished.json"}.isdisjoint(self.events)

    @property
    def announced(self) -> bool:
        """Whether the user was notified of the end of the last attempt."""
        return f"{self.attempt}.{self.state}.{NOTIFIED}" in self.events

    @property
    def notices(self) -> list[str]:
        """The files of watchers that took it upon themselves to notify of the end of the last attempt, the last one last."""
        prefix = f"{self.attempt}.{self.state}."
        found = (name for name in self.events if name.startswith(prefix) and name.endswith(NOTICE))
        return sorted(found, key=lambda name: (len(name), name))

    @property
    def state(self) -> str:
        """succeeded | vanished | running | submitted | failed | waiting."""
        for name in ("succeeded", "vanished"):
            if f"{name}.json" in self.events:
                return name
        if self.open:
            return "running" if f"{self.attempt}.running.json" in self.events else "submitted"
        return "failed" if self.failures else "waiting"


class Ledger:
    """The files of the training run `name` under `root`; `read` lists them, and what this object adds is known to it at once."""

    def __init__(self, root: str, name: str) -> None:
        self.folder = RootPaths(root).watch_dir(name)
        self._files: dict[str, set[str]] = {}  # folder below the ledger's -> names

    def read(self) -> None:
        """List all files: one call."""
        fs, path = filesystem(self.folder)
        self._files = {}
        try:
            found = fs.find(path)
        except (FileNotFoundError, NotADirectoryError):
            return
        for name in found:
            parent, _, file = str(name)[len(path.rstrip("/")) + 1 :].rpartition("/")
            if not file.endswith(".tmp"):
                self._files.setdefault(parent, set()).add(file)

    def add(self, folder: str, name: str, content: dict[str, Any]) -> bool:
        """Create a file; False, and nothing is changed, if there is one."""
        try:
            publish_json(join(self.folder, folder, name), content, once=True)
            created = True
        except FileExistsError:
            created = False
        self._files.setdefault(folder, set()).add(name)
        return created

    def content(self, folder: str, name: str) -> dict[str, Any]:
        """The content of a file; {} for one that is gone or damaged."""
        try:
            found = read_json(join(self.folder, folder, name))
        except (FileNotFoundError, ValueError):
            return {}
        return found if isinstance(found, dict) else {}

    def has(self, folder: str, name: str) -> bool:
        return name in self._files.get(folder, ())

    def labels(self) -> list[str]:
        """Checkpoints that were seen at any time."""
        return sorted(folder for folder, names in self._files.items() if "seen.json" in names)

    def keys(self) -> dict[str, list[str]]:
        """Checkpoint -> the keys of its entries."""
        found: dict[str, list[str]] = {}
        for folder in sorted(self._files):
            label, slash, key = folder.partition("/")
            if slash:
                found.setdefault(label, []).append(key)
        return found

    def entry(self, label: str, key: str) -> Entry:
        return Entry(frozenset(self._files.get(f"{label}/{key}", ())))

    def digests(self, label: str) -> dict[str, str]:
        """Version of a checkpoint's file -> digest of its content, as far as it was read."""
        return {found[1]: found[2] for name in self._files.get(label, ()) if (found := PIN.fullmatch(name))}

    def copies(self) -> Iterable[str]:
        """Names of the copies."""
        return self._files.get("_pins", set())

    def copied(self, *names: str | None) -> None:
        """Note copies that were made after `read`."""
        self._files.setdefault("_pins", set()).update(name for name in names if name)

    def claim_name(self, wanted: str, digest: str) -> str:
        """The encoder's name of this content: `wanted`, or with the content's digest behind it where `wanted` is of other content."""
        self.add("_names", f"{wanted}.json", {"digest": digest})
        holder = self.content("_names", f"{wanted}.json").get("digest")
        return wanted if holder == digest else f"{wanted}+{digest[:8]}"
