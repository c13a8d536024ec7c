"""One look at a place: what is new there, what has gone, and which attempts have lost their watcher.

Every look starts from the ledger and a listing alone: nothing is remembered that a killed watcher would take with it.
"""

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from jobs.runtime.owner import is_dead
from jobs.watching.copies import Copies
from jobs.watching.lease import Leases
from jobs.watching.ledger import Ledger
from jobs.watching.place import Checkpoint, Place
from jobs.watching.runner import Runner, Task
from tda.config.watch import WatchConfig
from tda.store.files import join

LOST = "its watcher was lost"


@dataclass(frozen=True, kw_only=True)
class WatchSettings:
    """What a watcher is given: `name` is of the encoders, `work` a digest of settings and code, `check` raises unless weights load."""

    name: str
    work: str
    config: WatchConfig
    check: Callable[[Task], None]
    notify: Callable[[dict[str, Any]], None] = lambda _event: None
    once: bool = False
    clock: Callable[[], float] = time.monotonic


class Poller:
    """Looks, and writes what it finds into the ledger."""

    def __init__(self, place: Place, ledger: Ledger, runner: Runner, settings: WatchSettings) -> None:
        self.place, self.ledger, self.runner, self.settings = place, ledger, runner, settings
        self.copies = Copies(ledger.folder, settings.work, copy=settings.config.copy)
        self.found: dict[str, Checkpoint] = {}
        self.mine: dict[str, Task] = {}  # folder of the entry -> the attempt that this watcher follows
        self.leases = Leases(settings.config.lease_seconds, settings.clock)
        self._settled = set[str]()  # the same at two looks
        self._foreign = dict[str, str]()  # folder of the entry -> the address of another watcher's beat

    def look(self) -> None:
        """List the place and the ledger; note what is new, what is lost, and what has gone."""
        before = {label: one.version for label, one in self.found.items()}
        self.ledger.read()
        self.found = {one.label: one for one in self.place.look()}
        self._settled = {label for label, one in self.found.items() if before.get(label) == one.version}
        for label, one in self.found.items():
            if not self.ledger.has(label, "seen.json"):
                self.ledger.add(label, "seen.json", {"step": one.step, "url": one.url})
        self._reconcile()
        self._drop_old_copies()
        self._note_vanished()

    def _reconcile(self) -> None:
        """Follow runs that live on without their watcher; end attempts whose watcher is lost."""
        self._foreign = {}
        for label, keys in self.ledger.keys().items():
            for key in keys:
                entry = self.ledger.entry(label, key)
                if entry.open and f"{label}/{key}" not in self.mine:
                    self._reconcile_one(label, key, entry.attempt)

    def _reconcile_one(self, label: str, key: str, attempt: int) -> None:
        folder = f"{label}/{key}"
        if self.runner.shared and (content := self.ledger.content(folder, f"{attempt}.running.json")):
            self.mine[folder] = Task(**content["task"])
            return
        beat = join(self.ledger.folder, folder, f"{attempt}.beat.json")
        holder = self.ledger.content(folder, f"{attempt}.submitted.json").get("owner") or {}
        if is_dead(holder) or self.leases.lost(beat):
            self.ledger.add(folder, f"{attempt}.failed.json", {"reason": LOST})
        else:
            self._foreign[folder] = beat

    def _drop_old_copies(self) -> None:
        """Remove copies of contents that their checkpoint no longer has."""
        for label, one in self.found.items():
            digests = self.ledger.digests(label)
            for digest in set(digests.values()) - {digests.get(one.version)} if len(digests) > 1 else ():
                if not self.ledger.entry(label, self._key(digest)).open:
                    self.copies.release(label, digest, self.ledger.copies())

    def _note_vanished(self) -> None:
        """Checkpoints that were seen and are gone: from a copy they can still be analysed, else *vanished* is their state."""
        keys = self.ledger.keys()
        for label in self.ledger.labels():
            if label in self.found:
                continue
            entries = {key: self.ledger.entry(label, key) for key in keys.get(label, []) if key.endswith(f"-{self.settings.work}")}
            if any(entry.over or entry.open for entry in entries.values()) or self._restored(label):
                continue
            if not entries:
                self._vanish(label, label, "its file was gone before it was read")
            for key, entry in entries.items():
                if entry.failures < self.settings.config.max_attempts:
                    self._vanish(label, f"{label}/{key}", "its file was gone before it was analysed")

    def _restored(self, label: str) -> bool:
        """Put a checkpoint that is gone, but was copied, among the found ones."""
        for version, digest in self.ledger.digests(label).items():
            content = self.ledger.content(label, f"{version}.{digest}.pin.json")
            if content and f"{self.copies.prefix(label, digest)}{content['name']}" in self.ledger.copies():
                self.found[label] = Checkpoint(
                    label=label, step=content["step"], url=content["url"], version=version, whole=content["whole"]
                )
                return True
        return False

    def _vanish(self, label: str, folder: str, reason: str) -> None:
        if self.ledger.add(folder, "vanished.json", {"reason": reason}):
            step = self.ledger.content(label, "seen.json").get("step")
            self._notify({"encoder": f"{self.settings.name}@{step}", "step": step, "state": "vanished", "message": reason})

    def is_ready(self, one: Checkpoint) -> bool:
        """By its sentinel; without one, unchanged over two looks."""
        return one.label in self._settled if one.whole is None else one.whole

    def _notify(self, event: dict[str, Any]) -> None:
        print(f"lacuna watch: {event['encoder']}: {event['state']}: {event['message']}", file=sys.stderr, flush=True)
        self.settings.notify(event)

    def _key(self, digest: str) -> str:
        return f"{digest[:16]}-{self.settings.work}"

    def unsettled(self) -> bool:
        """Whether a second look may find a checkpoint whole that has no sentinel."""
        read = self.ledger.digests
        return any(one.whole is None and not one.fault and one.version not in read(label) for label, one in self.found.items())

    def undecided(self) -> bool:
        """Whether another watcher holds an attempt, and it is not known yet whether it is alive."""
        return any(not self.leases.alive(beat) for beat in self._foreign.values())
