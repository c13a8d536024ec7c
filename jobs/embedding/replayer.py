"""The actor of `jobs.embed replay=true`: tries the quarantined pairs of recorded shards again, and them alone."""

import dataclasses
from collections.abc import Iterable, Iterator

from jobs.embedding.embedder import Embedder, ShardTask
from tda.store.commit.records import ShardRecord, iter_records, read_record, recorded_shards
from tda.store.paths import RootPaths


def replay_tasks(paths: RootPaths, dataset: str, encoders: Iterable[str], shards: dict[str, str]) -> Iterator[ShardTask]:
    """A task for every shard (name -> URL) of which an encoder has dropped pairs."""
    dropped: dict[str, list[str]] = {}
    for encoder in encoders:
        here = [name for name in recorded_shards(paths, dataset, encoder) if name in shards]
        for record in iter_records(paths, dataset, encoder, here):
            if record.drops:
                dropped.setdefault(record.shard, []).append(encoder)
    yield from (ShardTask(dataset, shard, shards[shard], tuple(names)) for shard, names in dropped.items())


class Replayer(Embedder):
    """Reads a shard once an encoder, as each has dropped pairs of its own."""

    def _embed(self, task: ShardTask, attempt: int) -> list[ShardRecord]:
        """Renew the record of the shard for each of its encoders where anything has changed, and return the records that stand.

        Raises ShardError if the shard cannot be used or is not the one that was embedded, UserError if a model cannot.
        """
        _ = attempt  # of this run; the record counts on from its own
        return [self._replay(task, name) for name in task.encoders]

    def _replay(self, task: ShardTask, name: str) -> ShardRecord:
        from tda.store.commit.replay import Replay
        from tda.store.shards import check_shard

        plan = self.plan
        record = read_record(self.paths, task.dataset, name, task.name)
        if not record.drops:  # another driver was faster
            return record
        source, replay = check_shard(task.url, plan.modalities), Replay(self.paths, record)
        replay.check_source(source)
        made = self._made(task, {name: self._model(name)}, replay.select)[name]
        source = self._unchanged(task, source, made.source_sha256)
        if not replay.settles(made.rows, made.drops):
            return record
        whole = dataclasses.replace(made, rows=replay.merged(made.rows))
        return self._publish(task, name, whole, source, attempt=record.attempt + 1, replaces=record)
