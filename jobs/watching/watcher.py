"""Looks at a place, starts what is new there, and keeps the ledger: each content of each checkpoint is analysed once, or named.

Every look starts from the ledger and a listing alone, in order of step: nothing is remembered that a killed watcher would take with it.
"""

import math
import sys
import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, replace
from typing import Any

from jobs.watching.lease import Leases, beating, is_dead, owner
from jobs.watching.ledger import Ledger
from jobs.watching.pins import ChangedError, Pinned, Pins
from jobs.watching.place import Checkpoint, Place
from jobs.watching.runner import Run, Runner, State, Task
from tda.config.watch import WatchConfig
from tda.errors import LacunaError
from tda.store.files import exists, join

LOST = "its watcher was lost"


@dataclass(frozen=True, kw_only=True)
class Orders:
    """What a watcher is given: `name` is of the encoders, `work` a digest of settings and code, `check` raises unless weights load."""

    name: str
    work: str
    config: WatchConfig
    check: Callable[[Task], None]
    notify: Callable[[dict[str, Any]], None] = lambda _event: None
    once: bool = False
    clock: Callable[[], float] = time.monotonic


class Watcher:
    """One watcher. Several may share a ledger: an attempt belongs to the one that created its first file."""

    def __init__(self, place: Place, ledger: Ledger, runner: Runner, orders: Orders) -> None:
        self.place, self.ledger, self.runner, self.orders = place, ledger, runner, orders
        self.pins = Pins(ledger.folder, orders.work, copy=orders.config.copy)
        self.found: dict[str, Checkpoint] = {}
        self.mine: dict[str, Task] = {}  # folder of the entry -> the attempt that this watcher follows
        self.unread: dict[str, str] = {}  # checkpoint -> why its file could not be read in this look
        self.leases = Leases(orders.config.lease_seconds, orders.clock)
        self._me = owner()
        self._settled = set[str]()  # the same at two looks
        self._passed = set[str]()  # started, or found to have nothing to do, since the last look
        self._again = dict[str, float]()  # folder of the entry -> when it may be tried again
        self._foreign = dict[str, str]()  # folder of the entry -> the address of another watcher's beat

    # -- a look

    def look(self) -> None:
        """List the place and the ledger; note what is new, what is lost, and what has gone."""
        before = {label: one.version for label, one in self.found.items()}
        self.ledger.read()
        self.found = {one.label: one for one in self.place.look()}
        self._settled = {label for label, one in self.found.items() if before.get(label) == one.version}
        self._passed, self.unread = set(), {}
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
                    self.pins.release(label, digest, self.ledger.pins())

    def _note_vanished(self) -> None:
        """Checkpoints that were seen and are gone: from a copy they can still be analysed, else *vanished* is their state."""
        keys = self.ledger.keys()
        for label in self.ledger.labels():
            if label in self.found:
                continue
            entries = {key: self.ledger.entry(label, key) for key in keys.get(label, []) if key.endswith(f"-{self.orders.work}")}
            if any(entry.over or entry.open for entry in entries.values()) or self._restored(label):
                continue
            if not entries:
                self._vanish(label, label, "its file was gone before it was read")
            for key, entry in entries.items():
                if entry.failures < self.orders.config.max_attempts:
                    self._vanish(label, f"{label}/{key}", "its file was gone before it was analysed")

    def _restored(self, label: str) -> bool:
        """Put a checkpoint that is gone, but was copied, among the found ones."""
        for version, digest in self.ledger.digests(label).items():
            content = self.ledger.content(label, f"{version}.{digest}.pin.json")
            if content and f"{self.pins.prefix(label, digest)}{content['name']}" in self.ledger.pins():
                self.found[label] = Checkpoint(
                    label=label, step=content["step"], url=content["url"], version=version, whole=content["whole"]
                )
                return True
        return False

    def _vanish(self, label: str, folder: str, reason: str) -> None:
        if self.ledger.add(folder, "vanished.json", {"reason": reason}):
            step = self.ledger.content(label, "seen.json").get("step")
            self._notify({"encoder": f"{self.orders.name}@{step}", "step": step, "state": "vanished", "message": reason})

    # -- work

    def work(self) -> None:
        """Start what there is room for, and end what has run; with runs elsewhere still running, it returns."""
        self._collect()
        while len(self.mine) < self.runner.slots and (one := self._next()) is not None:
            self._passed.add(one.label)
            self._start(one)
            if not self.runner.shared:  # runs elsewhere are asked once a round
                self._collect()

    def _next(self) -> Checkpoint | None:
        """The first checkpoint, by step, that is whole and not analysed yet."""
        return next((one for one in self.found.values() if one.label not in self._passed and self._wanted(one)), None)

    def _wanted(self, one: Checkpoint) -> bool:
        if one.fault:
            return False
        digest = self.ledger.digests(one.label).get(one.version)
        if digest is None:
            return self.is_ready(one)
        return self._startable(one.label, self._key(digest))

    def is_ready(self, one: Checkpoint) -> bool:
        """By its sentinel; without one, unchanged over two looks."""
        return one.label in self._settled if one.whole is None else one.whole

    def _startable(self, label: str, key: str) -> bool:
        entry, folder = self.ledger.entry(label, key), f"{label}/{key}"
        tried = folder in self.mine or self.orders.clock() < self._again.get(folder, 0)
        return not (tried or entry.over or entry.open or entry.failures >= self.orders.config.max_attempts)

    def _start(self, one: Checkpoint) -> None:
        """One attempt: pin, take, check, run. Ends early where the file changes or goes, or another watcher has taken it."""
        pinned = self._pinned(one)
        if pinned is None:
            return
        key = self._key(pinned.digest)
        entry = self.ledger.entry(one.label, key)
        if not self._startable(one.label, key):
            if entry.over:
                self.pins.release(one.label, pinned.digest, [pinned.url.rpartition("/")[2]])
            return
        task = self._task(one, pinned, key, entry.attempt + 1)
        taken = {"task": task.plain(), "owner": self._me}
        if not self.ledger.add(task.folder, f"{task.attempt}.submitted.json", taken):
            return
        self.mine[task.folder] = task
        beat = join(self.ledger.folder, task.folder, f"{task.attempt}.beat.json")
        with beating(beat, self.orders.config.lease_seconds) if not self.runner.shared else nullcontext():
            self._run(task, check=one.whole is None)

    def _task(self, one: Checkpoint, pinned: Pinned, key: str, attempt: int) -> Task:
        return Task(
            label=one.label,
            step=one.step,
            key=key,
            attempt=attempt,
            encoder=f"{self.orders.name}@{one.step}",
            url=pinned.url,
            sha256=pinned.digest,
            config=pinned.config,
        )

    def _run(self, task: Task, *, check: bool) -> None:
        try:
            if check:
                self.orders.check(task)
        except (LacunaError, OSError) as error:
            self._end(task, Run(State.FAILED, " ".join(str(error).split())))
            return
        task = replace(task, encoder=self.ledger.claim_name(task.encoder, task.sha256))
        self.mine[task.folder] = task
        self.ledger.add(task.folder, f"{task.attempt}.running.json", {"task": task.plain()})
        try:
            self.runner.start(task)
        except (LacunaError, OSError) as error:
            self._end(task, Run(State.FAILED, " ".join(str(error).split())))
        except BaseException:
            self._collect()
            raise

    def _pinned(self, one: Checkpoint) -> Pinned | None:
        digest = self.ledger.digests(one.label).get(one.version)
        name = one.url.rpartition("/")[2]
        prefix = self.pins.prefix(one.label, digest or "")
        if digest and f"{prefix}{name}" in self.ledger.pins():
            content = self.ledger.content(one.label, f"{one.version}.{digest}.pin.json")
            others = [other for other in self.ledger.pins() if other.startswith(prefix)]
            return self.pins.held(content["sha256"], f"{prefix}{name}", others)
        try:
            pinned = self.pins.pin(one)
        except ChangedError:
            return None
        except FileNotFoundError:
            self._vanish(one.label, one.label, "its file was gone while it was read")
            self.found.pop(one.label, None)
            return None
        except (LacunaError, OSError) as error:
            self.unread[one.label] = f"{type(error).__name__}: {' '.join(str(error).split())}"
            return None
        content = {"sha256": pinned.digest, "step": one.step, "name": name, "url": one.url, "whole": one.whole}
        self.ledger.add(one.label, f"{one.version}.{pinned.digest[:16]}.pin.json", content)
        if self.orders.config.copy:
            self.ledger.copied(pinned.url.rpartition("/")[2], pinned.config and pinned.config.rpartition("/")[2])
        return pinned

    def _collect(self) -> None:
        for task in list(self.mine.values()):
            run = self.runner.state(task)
            if run.state is not State.RUNNING:
                self._end(task, run)

    def _end(self, task: Task, run: Run) -> None:
        """Write how an attempt ended."""
        folder = task.folder
        self.mine.pop(folder, None)
        if run.state is State.SUCCEEDED:
            self.ledger.add(folder, "succeeded.json", {"encoder": task.encoder, "line": run.line, "attempt": task.attempt})
        elif run.state is State.STOPPED:
            self.ledger.add(folder, f"{task.attempt}.stopped.json", {"reason": run.line})
        elif not exists(task.url):
            self.ledger.add(folder, "vanished.json", {"reason": "its file was gone while it was analysed"})
        else:
            self.ledger.add(folder, f"{task.attempt}.failed.json", {"reason": run.line or LOST})
        self._after(task, run)

    def _after(self, task: Task, run: Run) -> None:
        entry = self.ledger.entry(task.label, task.key)
        failures = entry.failures
        wait = self.orders.config.backoff_seconds * 2 ** max(0, failures - 1)
        self._again[task.folder] = math.inf if self.orders.once else self.orders.clock() + wait
        given_up = failures >= self.orders.config.max_attempts
        if entry.over or given_up:
            self.pins.release(task.label, task.sha256, self.ledger.pins())
            message = run.line or entry.state
            self._notify({"encoder": task.encoder, "step": task.step, "state": entry.state, "message": message})
        elif run.state is not State.STOPPED:
            print(f"lacuna watch: {task.label}: attempt {task.attempt} failed: {run.line or LOST}", file=sys.stderr, flush=True)

    def _notify(self, event: dict[str, Any]) -> None:
        print(f"lacuna watch: {event['encoder']}: {event['state']}: {event['message']}", file=sys.stderr, flush=True)
        self.orders.notify(event)

    def _key(self, digest: str) -> str:
        return f"{digest[:16]}-{self.orders.work}"

    # -- what is left

    def unsettled(self) -> bool:
        """Whether a second look may find a checkpoint whole that has no sentinel."""
        read = self.ledger.digests
        return any(one.whole is None and not one.fault and one.version not in read(label) for label, one in self.found.items())

    def undecided(self) -> bool:
        """Whether another watcher holds an attempt, and it is not known yet whether it is alive."""
        return any(not self.leases.alive(beat) for beat in self._foreign.values())
