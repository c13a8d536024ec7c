"""The actor of `jobs.embed`: holds the models, turns shards into a published transaction per encoder.

It works on `IN_FLIGHT` shards at once, on as many threads of Ray's: while the device is at one, the other is read and decoded, or written.
"""

import os
import sys
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from jobs.embedding.metrics import EmbedMetrics
from jobs.runtime.actors.heartbeat import Beating
from jobs.runtime.tasks import uncollected
from tda.config.models import EncoderConfig
from tda.config.stages import EmbedConfig
from tda.errors import ShardError, UserError
from tda.store.commit.records import Identity, ShardRecord, read_record
from tda.store.files import exists
from tda.store.paths import RootPaths
from tda.store.shards.members import Members
from tda.store.types import Source

IN_FLIGHT = 2  # shards an actor works on at once
EXIT_DEVICE_LOST = 70


@dataclass(frozen=True, kw_only=True)
class EmbedPlan:
    """The settings of every actor of a run; encoders and identities by encoder name."""

    root: str
    encoders: Mapping[str, EncoderConfig]
    identities: Mapping[str, Identity]
    modalities: tuple[str, str]
    limits: EmbedConfig
    device: str
    threads: int  # of torch
    decode_threads: int
    members: Mapping[str, Members] = field(default_factory=dict)  # by data set, where a setting names them


@dataclass(frozen=True)
class ShardTask:
    """One shard, and the encoders that have no record of it. `redo`: encoders whose record is of another content of the shard."""

    dataset: str
    name: str
    url: str
    encoders: tuple[str, ...]
    redo: tuple[str, ...] = ()

    def __str__(self) -> str:
        return self.url


class Embedder(Beating):
    """Models are loaded with the first shard, so that a refused checkpoint fails a task, not the start of an actor."""

    def __init__(self, plan: EmbedPlan) -> None:
        super().__init__()
        self.plan = plan
        self.paths = RootPaths(plan.root)
        self._metrics = EmbedMetrics()
        self._pipeline: Any = None
        self._models: dict[str, Any] = {}
        self._canaries: dict[str, dict[str, Any]] = {}
        self._loading = threading.Lock()

    def embed(self, task: ShardTask, attempt: int) -> list[ShardRecord]:
        """Publish the shard for each of its encoders, and return the records. What an earlier attempt has recorded is not done again.

        Raises ShardError if the shard cannot be used, UserError if a model cannot. A device that is lost ends the process: another
        actor takes over.
        """
        with self.at_work():
            return self._embed(task, attempt)

    def _embed(self, task: ShardTask, attempt: int) -> list[ShardRecord]:
        from tda.store.shards import check_shard

        source, outdated = None, dict[str, ShardRecord]()
        if task.redo:
            source = check_shard(task.url, self.plan.modalities)
            outdated = self._outdated(task, source)
        wanting = [name for name in task.encoders if name in outdated or not exists(self.paths.record(task.dataset, name, task.name))]
        if wanting:
            source = source or check_shard(task.url, self.plan.modalities)
            made = self._made(task, {name: self._model(name) for name in wanting})
            source = self._unchanged(task, source, made[wanting[0]].source_sha256)
            for name, shard in made.items():
                old = outdated.get(name)
                self._publish(task, name, shard, source, attempt=old.attempt + 1 if old else attempt, replaces=old)
        return [read_record(self.paths, task.dataset, name, task.name) for name in task.encoders]

    def _outdated(self, task: ShardTask, source: Source) -> dict[str, ShardRecord]:
        """Records to be renewed; an earlier attempt may have renewed some."""
        from tda.store.shards.changed import Standing, standing

        records = {name: read_record(self.paths, task.dataset, name, task.name) for name in task.redo}
        return {
            name: old
            for name, old in records.items()
            if old.source.get("members") != self._named(task) or standing(old.source, source, self.paths.root) is not Standing.SAME
        }

    def _unchanged(self, task: ShardTask, before: Source, sha256: str | None) -> Source:
        """The source with the digest of what was read. Raises ShardError where the shard was replaced meanwhile: that is a mixture."""
        from tda.store.shards.origins import source_now

        after = source_now(task.url) or before
        listed = not task.url.startswith(("http://", "https://"))  # servers behind one address may give etags of their own
        if after.size != before.size or (listed and after.etag != before.etag):
            detail = f"while it was read: {before.size} bytes, {before.etag}; then {after.size} bytes, {after.etag}"
            raise ShardError(task.url, "changed", f"{detail}. Run again when it is written")
        return replace(before, sha256=sha256, members=self._named(task))

    def _named(self, task: ShardTask) -> dict[str, list[str]] | None:
        """The members that a setting names, as records hold them."""
        members = self.plan.members.get(task.dataset)
        return members.plain() if members else None

    def _made(self, task: ShardTask, models: dict[str, Any], select: Any = None) -> dict[str, Any]:
        """What the models make of the shard, or of the pairs that `select` lets through."""
        from tda.encoders.pipeline.errors import DeviceLostError

        members = self.plan.members.get(task.dataset)
        try:
            made: dict[str, Any] = self._pipeline.embed_shard(task.url, models, select, self.moved_on, members)
        except DeviceLostError as error:
            print(f"{task}: {error}", file=sys.stderr, flush=True)
            os._exit(EXIT_DEVICE_LOST)
        return made

    def _publish(
        self, task: ShardTask, name: str, made: Any, source: Source, *, attempt: int, replaces: ShardRecord | None = None
    ) -> ShardRecord:
        from tda.store.commit.transaction import publish_shard

        record = publish_shard(
            self.paths,
            task.dataset,
            name,
            task.name,
            rows=made.rows,
            drops=made.drops,
            identity=self.plan.identities[name],
            source=source,
            seconds=made.seconds,
            speed=made.speed,
            attempt=attempt,
            canary=self._canaries[name],
            replaces=replaces,
        )
        if replaces is None:  # what a replay renews has been counted
            self._metrics.count(record)
        return record

    def _model(self, name: str) -> Any:
        with self._loading:
            if name not in self._models:
                self._models[name] = self._load(name)
            return self._models[name]

    def _load(self, name: str) -> Any:
        with uncollected():
            import torch

            from tda.encoders import load_configured
            from tda.encoders.canary import vouch
            from tda.encoders.pipeline.shard import Pipeline

            torch.set_num_threads(self.plan.threads)
            self._pipeline = self._pipeline or Pipeline(self.plan.limits, self.plan.decode_threads)
            model = load_configured(self.plan.encoders[name], self.plan.device)
        found, wanted = model.weights_sha256, self.plan.identities[name].weights_sha256
        if found != wanted:
            raise UserError(
                f"encoder.checkpoint={self.plan.encoders[name].checkpoint} is {found} on a worker, {wanted} where the run began"
            )
        if self.plan.limits.compile:
            model.compile()
        self._canaries[name] = vouch(self.plan.encoders[name], model)
        return model
