"""The actor of `jobs.embed`: holds the models, turns one shard at a time into a published transaction per encoder."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from jobs.runtime.heartbeat import Beating
from tda.config import EmbedConfig, EncoderConfig
from tda.errors import UserError
from tda.store.files import exists
from tda.store.layout import Layout
from tda.store.records import Identity, ShardRecord, read_record


@dataclass(frozen=True, kw_only=True)
class EmbedPlan:
    """What every actor of a run is told; encoders and identities by encoder name."""

    root: str
    dataset: str
    encoders: Mapping[str, EncoderConfig]
    identities: Mapping[str, Identity]
    modalities: tuple[str, str]
    limits: EmbedConfig
    device: str
    threads: int


@dataclass(frozen=True)
class ShardTask:
    """One shard, and the encoders that have no record of it."""

    name: str
    url: str
    encoders: tuple[str, ...]

    def __str__(self) -> str:
        return self.url


class Embedder(Beating):
    """Models are loaded with the first shard, so that a checkpoint that is refused is an error of a task, not of an actor's birth."""

    def __init__(self, plan: EmbedPlan) -> None:
        super().__init__()
        self.plan = plan
        self.layout = Layout(plan.root)
        self._models: dict[str, Any] = {}
        self._canaries: dict[str, dict[str, Any]] = {}

    def embed(self, task: ShardTask, attempt: int) -> list[ShardRecord]:
        """Publish the shard for each of its encoders, and return the records. What an earlier attempt has recorded is not done again.

        Raises ShardError if the shard cannot be used, UserError if a model cannot.
        """
        with self.at_work():
            return self._embed(task, attempt)

    def _embed(self, task: ShardTask, attempt: int) -> list[ShardRecord]:
        from tda.encoders.pipeline import embed_shard
        from tda.store.pairs import check_shard
        from tda.store.transaction import publish_shard

        plan = self.plan
        wanting = [name for name in task.encoders if not exists(self.layout.record(plan.dataset, name, task.name))]
        if wanting:
            source = check_shard(task.url, plan.modalities)
            made = embed_shard(task.url, {name: self._model(name) for name in wanting}, plan.limits, moved_on=self.moved_on)
            for name, shard in made.items():
                publish_shard(
                    self.layout,
                    plan.dataset,
                    name,
                    task.name,
                    rows=shard.rows,
                    drops=shard.drops,
                    identity=plan.identities[name],
                    source=source,
                    seconds=shard.seconds,
                    attempt=attempt,
                    canary=self._canaries[name],
                )
        return [read_record(self.layout, plan.dataset, name, task.name) for name in task.encoders]

    def _model(self, name: str) -> Any:
        if name not in self._models:
            import torch

            from tda.encoders import load_configured
            from tda.encoders.canary import vouch

            torch.set_num_threads(self.plan.threads)
            model = load_configured(self.plan.encoders[name], self.plan.device)
            found, wanted = model.weights_sha256, self.plan.identities[name].weights_sha256
            if found != wanted:
                raise UserError(
                    f"encoder.checkpoint={self.plan.encoders[name].checkpoint} is {found} on a worker, {wanted} where the run began"
                )
            self._canaries[name] = vouch(self.plan.encoders[name], model)
            self._models[name] = model
        return self._models[name]
