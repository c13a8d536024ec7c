"""Starts what is new in a place, in order of step, and keeps the ledger: each content of each checkpoint is analysed once, or named."""

import math
import sys
from contextlib import nullcontext
from dataclasses import replace

from jobs.runtime.owner import is_alive, is_dead, owner
from jobs.watching.copies import ChangedError, Copied
from jobs.watching.lease import beating
from jobs.watching.ledger import NOTICE, NOTIFIED, Entry, Ledger
from jobs.watching.place import Checkpoint, Place
from jobs.watching.poll import LOST, Poller, WatchSettings
from jobs.watching.runner import Run, Runner, State, Task
from tda.errors import LacunaError
from tda.store.files import exists, join


class Watcher(Poller):
    """One watcher. Several may share a ledger: an attempt belongs to the one that created its first file."""

    def __init__(self, place: Place, ledger: Ledger, runner: Runner, settings: WatchSettings) -> None:
        super().__init__(place, ledger, runner, settings)
        self.unread: dict[str, str] = {}  # checkpoint -> why its file could not be read in this look
        self._me = owner()
        self._passed = set[str]()  # started, or found to have nothing to do, since the last look
        self._announced = set[str]()  # folders of entries of an earlier version that were announced
        self._held = dict[tuple[str, str], float]()  # folder of an entry and a notice without its notification -> since when it is known
        self._again = dict[str, float]()  # folder of the entry -> when it may be tried again

    def look(self) -> None:
        """A look, after which everything may be tried again that its back-off allows."""
        self._passed, self.unread = set(), {}
        super().look()
        self._announce_late()

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

    def _startable(self, label: str, key: str) -> bool:
        entry, folder = self.ledger.entry(label, key), f"{label}/{key}"
        tried = folder in self.mine or self.settings.clock() < self._again.get(folder, 0)
        return not (tried or entry.over or entry.open or entry.failures >= self.settings.config.max_attempts)

    def _start(self, one: Checkpoint) -> None:
        """One attempt: copy, take, check, run. Ends early where the file changes or goes, or another watcher has taken it."""
        copied = self._copied(one)
        if copied is None:
            return
        key = self._key(copied.digest)
        entry = self.ledger.entry(one.label, key)
        if not self._startable(one.label, key):
            if entry.over:
                self.copies.release(one.label, copied.digest, [copied.url.rpartition("/")[2]])
            return
        task = self._task(one, copied, key, entry.attempt + 1)
        taken = {"task": task.plain(), "owner": self._me, "notices": True}
        if not self.ledger.add(task.folder, f"{task.attempt}.submitted.json", taken):
            return
        self.mine[task.folder] = task
        beat = join(self.ledger.folder, task.folder, f"{task.attempt}.beat.json")
        with beating(beat, self.settings.config.lease_seconds) if not self.runner.shared else nullcontext():
            self._run(task, check=one.whole is None)

    def _task(self, one: Checkpoint, copied: Copied, key: str, attempt: int) -> Task:
        return Task(
            label=one.label,
            step=one.step,
            key=key,
            attempt=attempt,
            encoder=f"{self.settings.name}@{one.step}",
            url=copied.url,
            sha256=copied.digest,
            config=copied.config,
        )

    def _run(self, task: Task, *, check: bool) -> None:
        try:
            if check:
                self.settings.check(task)
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

    def _copied(self, one: Checkpoint) -> Copied | None:
        digest = self.ledger.digests(one.label).get(one.version)
        name = one.url.rpartition("/")[2]
        prefix = self.copies.prefix(one.label, digest or "")
        if digest and f"{prefix}{name}" in self.ledger.copies():
            content = self.ledger.content(one.label, f"{one.version}.{digest}.pin.json")
            others = [other for other in self.ledger.copies() if other.startswith(prefix)]
            return self.copies.held(content["sha256"], f"{prefix}{name}", others)
        try:
            copied = self.copies.take(one)
        except ChangedError:
            return None
        except FileNotFoundError:
            self._vanish(one.label, one.label, "its file was gone while it was read")
            self.found.pop(one.label, None)
            return None
        except (LacunaError, OSError) as error:
            self.unread[one.label] = f"{type(error).__name__}: {' '.join(str(error).split())}"
            return None
        content = {"sha256": copied.digest, "step": one.step, "name": name, "url": one.url, "whole": one.whole}
        self.ledger.add(one.label, f"{one.version}.{copied.digest[:16]}.pin.json", content)
        if self.settings.config.copy:
            self.ledger.copied(copied.url.rpartition("/")[2], copied.config and copied.config.rpartition("/")[2])
        return copied

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
        elif not exists(task.url) and not self.ledger.content(folder, f"{task.attempt}.failed.json"):  # else another watcher ended it
            self.ledger.add(folder, "vanished.json", {"reason": "its file was gone while it was analysed"})
        else:
            self.ledger.add(folder, f"{task.attempt}.failed.json", {"reason": run.line or LOST})
        self._after(task, run)

    def _announce(self, task: Task, message: str) -> None:
        """Notify of the end of a checkpoint's work. Of several watchers that see it, the one that creates the next notice does.

        One that is killed between its notice and the notification is followed by another: the user is notified once, or, if it was killed
        just after, twice.
        """
        entry = self.ledger.entry(task.label, task.key)
        if entry.announced or not self._unheld(task.folder, entry):
            return
        number = f"{len(entry.notices) + 1}." if entry.notices else ""
        prefix = f"{task.attempt}.{entry.state}."
        if self.ledger.add(task.folder, f"{prefix}{number}{NOTICE}", {"owner": self._me}):
            self._notify({"encoder": task.encoder, "step": task.step, "state": entry.state, "message": message})
            self.ledger.add(task.folder, f"{prefix}{NOTIFIED}", {})

    def _announce_late(self) -> None:
        """Notify of ends whose watcher was killed before it did. Attempts of earlier versions left no notices, and are passed over."""
        for label, keys in self.ledger.keys().items():
            for key in keys:
                entry, folder = self.ledger.entry(label, key), f"{label}/{key}"
                given_up = entry.state == "failed" and entry.failures >= self.settings.config.max_attempts
                if folder in self._announced or entry.announced or not (entry.over or given_up):
                    continue
                taken = self.ledger.content(folder, f"{entry.attempt}.submitted.json")
                if not taken.get("notices"):
                    self._announced.add(folder)
                    continue
                began = self.ledger.content(folder, f"{entry.attempt}.running.json") or taken
                self._announce(Task(**began["task"]), self._ending(folder, entry))

    def _unheld(self, folder: str, entry: Entry) -> bool:
        """Whether no watcher that lives is about to notify of this end; one elsewhere has a lease's time for it."""
        if not entry.notices:
            return True
        holder, now = self.ledger.content(folder, entry.notices[-1]).get("owner"), self.settings.clock()
        if not holder:  # of an earlier version, which notified after it
            self._announced.add(folder)
            return False
        since = self._held.setdefault((folder, entry.notices[-1]), now)
        return is_dead(holder) or (not is_alive(holder) and now - since >= self.settings.config.lease_seconds)

    def _ending(self, folder: str, entry: Entry) -> str:
        """The last line or the reason that the ledger holds."""
        name = f"{entry.attempt}.failed.json" if entry.state == "failed" else f"{entry.state}.json"
        found = self.ledger.content(folder, name)
        return str(found.get("line") or found.get("reason") or entry.state)

    def _after(self, task: Task, run: Run) -> None:
        entry = self.ledger.entry(task.label, task.key)
        failures = entry.failures
        wait = self.settings.config.backoff_seconds * 2 ** max(0, failures - 1)
        self._again[task.folder] = math.inf if self.settings.once else self.settings.clock() + wait
        given_up = failures >= self.settings.config.max_attempts
        if entry.over or given_up:
            self.copies.release(task.label, task.sha256, self.ledger.copies())
            self._announce(task, run.line or entry.state)
        elif run.state is not State.STOPPED:
            print(f"lacuna watch: {task.label}: attempt {task.attempt} failed: {run.line or LOST}", file=sys.stderr, flush=True)
