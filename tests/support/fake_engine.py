"""Ray's part in an embedding run, without processes: 64 workers that commit a shard as soon as the driver looks.

What is left is the driver's own work: expanding, listing, resuming, dispatching, counting.
"""

import os
import random
import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
from many_shards import write_record
from ray.exceptions import RayActorError

from tda.store.commit.records import Identity, ShardRecord
from tda.store.paths import RootPaths

WORKERS = 64
LOST_EVERY = 10_000  # results after which an actor dies with its shard undone


class Reference:
    """A result to come."""

    def __init__(self, work: Callable[[], Any]) -> None:
        self.work, self.done = work, False
        self.value: Any = None


class Method:
    def __init__(self, work: Callable[..., Any]) -> None:
        self.work = work

    def options(self, **_: Any) -> "Method":
        return self

    def remote(self, *arguments: Any) -> Reference:
        return Reference(lambda: self.work(*arguments))


class Worker:
    """An actor of an embedding run."""

    def __init__(self, engine: "FakeEngine") -> None:
        self.__ray_ready__, self.embed, self.still_for = Method(lambda: None), Method(engine.embed), Method(lambda: 0.0)


class FakeEngine:
    """Takes the place of Ray under `jobs.embed`. `stop_after`: results after which the run is interrupted, as by Ctrl-C."""

    def __init__(self, root: Path, identity: Identity, stop_after: int | None = None) -> None:
        self.paths, self.identity, self.stop_after = RootPaths(str(root)), identity, stop_after
        self.random, self.embedded, self.lost, self.workers = random.Random(0), 0, 0, 0
        self.seconds = 0.0
        self.folder = Path(self.paths.records_dir("d", identity.encoder))
        self.folder.mkdir(parents=True, exist_ok=True)
        self._record = asdict(_record(identity))

    def install(self, patch: pytest.MonkeyPatch) -> None:
        import ray

        for name in ("wait", "get", "kill"):
            patch.setattr(ray, name, getattr(self, name))
        made = {
            "ray_session": lambda _: nullcontext(),
            "slots": lambda _: (WORKERS, 1.0),
            "room": lambda *_: WORKERS,
            "share_of_cpus": lambda _: 1,
            "beating_actor": lambda *_, **__: self,
            "describe": lambda *_: (self.identity.weights_sha256, self.identity.preprocessing),
        }
        for name, value in made.items():
            patch.setattr(f"jobs.embed.{name}", value)

    def remote(self, _plan: Any) -> Worker:
        self.workers += 1
        return Worker(self)

    def embed(self, task: Any, _attempt: int) -> list[ShardRecord]:
        """Commit a shard as a worker does, but without waiting for the disk. The seconds of that are the workers'."""
        began = time.perf_counter()
        try:
            return self._embed(task)
        finally:
            self.seconds += time.perf_counter() - began

    def _embed(self, task: Any) -> list[ShardRecord]:
        if self.stop_after is not None and self.embedded >= self.stop_after:
            raise KeyboardInterrupt
        if (self.embedded + 1) % LOST_EVERY == 0 and self.lost * LOST_EVERY < self.embedded:
            self.lost += 1
            raise RayActorError
        stat = os.stat(task.url)  # noqa: PTH116 (a Path each is most of the time)
        source = {"path": task.url, "size": stat.st_size, "etag": str(stat.st_mtime)}
        write_record(self.folder, task.name, self._record | {"source": source})
        self.embedded += 1
        return [replace(_record(self.identity), shard=task.name, source=source)]

    def wait(self, references: list[Reference], num_returns: int = 1, timeout: float | None = None, **_: Any) -> Any:
        """Some of them come to their end now, in no order."""
        for reference in references:
            if not reference.done and (self.random.random() < 0.5 or timeout != 0):
                reference.done = True
                try:
                    reference.value = reference.work()
                except RayActorError as error:
                    reference.value = error
        ready = [reference for reference in references if reference.done][:num_returns]
        return ready, [reference for reference in references if reference not in ready]

    def get(self, reference: Reference) -> Any:
        if isinstance(reference.value, RayActorError):
            raise reference.value
        return reference.value

    def kill(self, _worker: Worker) -> None:
        pass


def _record(identity: Identity) -> ShardRecord:
    return ShardRecord(
        dataset="d", encoder=identity.encoder, shard="", source={}, rows_in=10_000, rows_out=9_990,
        drops={"image_truncated": 7, "empty_caption": 3}, output={"sha256": "0" * 64, "bytes": 21_000_000},
        weights_sha256=identity.weights_sha256, config_hash=identity.config_hash,
        seconds={"read": 1.0, "decode": 2.0, "batch": 3.0, "encode": 4.0, "span": 10.0}, speed={"pairs_per_second": 1000.0},
        canary={"digest": "c1:" + "3" * 64, "device": "cuda", "precision": "bf16", "cosine": 0.9999},
    )  # fmt: skip
