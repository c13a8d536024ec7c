"""Shards to embeddings. A shard is the unit of work and is decoded once for all encoders of the run.

python -m jobs.embed dataset.name=coco dataset.shards='/data/{00000..00059}.tar' encoder.name=tiny encoder.config=model.json
encoder.checkpoint=model.safetensors root=URL

With replay=true: embeds only the quarantined pairs again, after a fix or with other limits (embed.max_pixels=200000000).

Members of other names: dataset.members='{image: [input.jpg], caption: [caption, json:TEXT]}'

Two texts a pair, as JSONL, Parquet or tar: dataset.name=stories dataset.modalities=[passage,review] dataset.shards='/data/*.jsonl'
encoder=carp_l encoder.checkpoint=CARP_L.pt encoder.tokenizer=FOLDER
"""

import dataclasses
import sys
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from jobs.embedding.changed_shards import SourceCheck
from jobs.embedding.dataset_run import Records, RunTotals, Share
from jobs.embedding.embedder import IN_FLIGHT, Embedder, EmbedPlan, ShardTask
from jobs.embedding.replayer import Replayer, replay_tasks
from jobs.runtime.actors.dispatch import dispatch
from jobs.runtime.actors.heartbeat import Watch, beating_actor
from jobs.runtime.app import Outcome, command
from jobs.runtime.presets import load_choice
from jobs.runtime.progress import ShardProgress
from jobs.runtime.run_progress import Work, track
from jobs.runtime.session import ray_session, room, share_of_cpus, slots
from jobs.runtime.showing.display import tracked
from tda.config.cluster import ClusterConfig
from tda.config.datasets import DatasetConfig
from tda.config.jobs import EmbedJob
from tda.config.models import EncoderConfig
from tda.config.stages import EmbedConfig
from tda.encoders import HASHED_WORDS, describe, modalities_of
from tda.errors import LacunaError, ShardError, UserError
from tda.store.commit.records import Identity, ShardRecord, check_identity, recorded_shards
from tda.store.files import absolute, require_writable
from tda.store.paths import RootPaths
from tda.store.shards.members import Members
from tda.store.shards.units.plan import shard_urls
from tda.toyworld import ensure_toy


def run(job: EmbedJob) -> Outcome:
    """Embed `job.dataset` with `job.encoder`, or with every preset of `job.encoders`."""
    encoders = [load_choice("encoder", name, job.root) for name in job.encoders] or [job.encoder]
    return embed(job.root, job.dataset, encoders, job.embed, job.cluster, replay=job.replay)


def embed(
    root: str,
    dataset: DatasetConfig,
    encoders: Sequence[EncoderConfig],
    limits: EmbedConfig,
    cluster: ClusterConfig,
    *,
    replay: bool = False,
) -> Outcome:
    """One data set: `embed_sets`."""
    return embed_sets(root, [dataset], encoders, limits, cluster, replay=replay, field="dataset.shards")[0]


def embed_sets(
    root: str,
    datasets: Sequence[DatasetConfig],
    encoders: Sequence[EncoderConfig],
    limits: EmbedConfig,
    cluster: ClusterConfig,
    *,
    replay: bool = False,
    field: str = "shards.{name}",
) -> list[Outcome]:
    """Embed what is not recorded yet, or with `replay` only what recorded shards have in quarantine; one actor serves all data sets.

    An outcome is whole if every shard of its data set is recorded, none failed, and no more pairs were dropped than `limits` allow.
    `field` is the setting of a data set's shards, for error messages.

    Raises UserError, before any actor starts, if no shard matches, an encoder has other modalities than a data set, a checkpoint or
    configuration is missing, the root cannot be written, or it holds vectors of other content under the same names; before the first
    shard, if a model does not fit its checkpoint or its canary is refused.
    """
    paths, by_name = RootPaths(absolute(root)), _by_name(encoders)
    plan, shards = _plan_of(paths, datasets, by_name, limits, field)
    with tracked("what is recorded"):
        shares = [_share(plan, name, urls, paths, replay=replay) for name, urls in shards.items()]
    work = {share.dataset: track("embed", share.dataset, list(by_name), total=len(share.shards), before=share.before) for share in shares}
    if any(share.tasks for share in shares):
        require_writable(paths.root)
        _work(plan, shares, work, cluster, Replayer if replay else Embedder)
        for share in shares:
            share.recount(partial(recorded_shards, paths, share.dataset))
    return [share.outcome(limits, replay=replay) for share in shares]


def _plan_of(
    paths: RootPaths, datasets: Sequence[DatasetConfig], encoders: Mapping[str, EncoderConfig], limits: EmbedConfig, field: str
) -> tuple[EmbedPlan, dict[str, dict[str, str]]]:
    """The plan, whose device and threads are for `_work` to choose, and the shards of each data set; all that can be refused is checked."""
    for encoder in encoders.values():
        for dataset in datasets:
            _require_modalities(encoder, _modalities(dataset))
    for dataset in datasets:
        ensure_toy(dataset)
    shards = {dataset.name: shard_urls(paths.root, dataset, field.format(name=dataset.name)) for dataset in datasets}
    modalities = _modalities(datasets[0])  # those of every encoder, so of every data set
    identities = {name: _identity(encoder, modalities, limits) for name, encoder in encoders.items()}
    for dataset in datasets:
        for name, identity in identities.items():
            check_identity(paths, dataset.name, name, identity)
    plan = EmbedPlan(
        root=paths.root,
        encoders=dict(encoders),
        identities=identities,
        modalities=modalities,
        limits=limits,
        device="",
        threads=1,
        decode_threads=1,
        members={dataset.name: made for dataset in datasets if (made := Members.of(dataset.members))},
    )
    return plan, shards


def _share(plan: EmbedPlan, dataset: str, shards: dict[str, str], paths: RootPaths, *, replay: bool) -> Share:
    members = plan.members.get(dataset)
    records, outdated = dict[str, RunTotals](), dict[str, set[str]]()
    for name in plan.encoders:
        records[name] = RunTotals()
        check = SourceCheck(paths, shards, plan.limits, records[name].add, members.plain() if members else None)
        for note in check.run(dataset, name):
            print(f"lacuna embed: {dataset} / {name}: {note}", file=sys.stderr)
        outdated[name] = set(check.outdated)
    tasks = replay_tasks(paths, dataset, plan.encoders, shards) if replay else _tasks(dataset, shards, records, outdated)
    return Share(dataset, shards, records, list(tasks))


def _by_name(encoders: Sequence[EncoderConfig]) -> dict[str, EncoderConfig]:
    if not all(encoder.name for encoder in encoders):
        raise UserError("encoder.name is missing: give encoder.name=VALUE, or presets by encoders=[NAME,...]")
    twice = [name for name, n in Counter(encoder.name for encoder in encoders).items() if n > 1]
    if twice:
        raise UserError(f"encoders name {twice[0]!r} twice")
    return {
        encoder.name: dataclasses.replace(
            encoder,
            config=encoder.config if encoder.pretrained else encoder.config and absolute(encoder.config),  # a tag's is a name
            tokenizer=absolute(encoder.tokenizer) if encoder.tokenizer not in (None, HASHED_WORDS) else encoder.tokenizer,
            checkpoint=encoder.checkpoint and absolute(encoder.checkpoint),
        )
        for encoder in encoders
    }


def _modalities(dataset: DatasetConfig) -> tuple[str, str]:
    return dataset.modalities[0], dataset.modalities[1]


def _require_modalities(encoder: EncoderConfig, modalities: tuple[str, str]) -> None:
    own = modalities_of(encoder.format)
    if own != modalities:
        given, wanted = (f"[{','.join(pair)}]" for pair in (modalities, own))
        raise UserError(f"dataset.modalities={given}, but encoder {encoder.name} embeds {wanted}: set dataset.modalities={wanted}")


def _identity(encoder: EncoderConfig, modalities: tuple[str, str], limits: EmbedConfig) -> Identity:
    weights_sha256, preprocessing = describe(encoder, limits.resize)
    return Identity(
        encoder=encoder.name,
        weights_sha256=weights_sha256,
        preprocessing=preprocessing,
        dtype=limits.dtype,
        modalities=modalities,
    )


def _tasks(dataset: str, shards: dict[str, str], records: Records, outdated: Mapping[str, set[str]]) -> Iterable[ShardTask]:
    for shard, url in shards.items():
        if wanting := tuple(name for name, done in records.items() if shard not in done):
            yield ShardTask(dataset, shard, url, wanting, redo=tuple(name for name in wanting if shard in outdated[name]))


@dataclass(frozen=True)
class _Following:
    """What becomes of each task goes to the outcome of its data set, to the progress of the run, and to the screen."""

    shares: Mapping[str, Share]
    work: Mapping[str, Work]
    progress: ShardProgress

    def submit(self, actor: Any, task: ShardTask, attempt: int) -> Any:
        self.work[task.dataset].began(task.name)
        return actor.embed.remote(task, attempt)

    def add(self, task: ShardTask, made: list[ShardRecord]) -> None:
        self.shares[task.dataset].add(made)
        self.work[task.dataset].did(task.name, made[0].rows_in)
        self.progress.add(pairs=made[0].rows_in, drops=sum(made[0].drops.values()), records=made)

    def fail(self, task: ShardTask, error: LacunaError) -> None:
        if not isinstance(error, ShardError):  # a full disk: every other shard would fail too
            raise error
        self.shares[task.dataset].fail(error)
        self.work[task.dataset].failed(task.name, error)
        self.progress.add(failed=True)
        self.progress.note(str(error))


def _work(plan: EmbedPlan, shares: Sequence[Share], work: Mapping[str, Work], cluster: ClusterConfig, kind: type[Embedder]) -> None:
    """Run the tasks on actors; adds published records and failures to each share."""
    tasks = [task for share in shares for task in share.tasks]
    with ray_session(cluster):
        actors, gpus = slots(cluster)
        plan = dataclasses.replace(
            plan,
            device="cuda" if gpus else "cpu",
            threads=max(1, int(cluster.cpus_per_actor)),
            decode_threads=plan.limits.decode_threads or max(2, share_of_cpus(actors)),
        )
        actor = beating_actor(kind, num_cpus=cluster.cpus_per_actor, num_gpus=gpus, max_concurrency=IN_FLIGHT)
        what = f"{', '.join(share.dataset for share in shares if share.tasks)} / {', '.join(plan.encoders)}"
        with ShardProgress(what=what, shards=len(tasks)) as progress:
            following = _Following({share.dataset: share for share in shares}, work, progress)
            try:
                dispatch(
                    tasks,
                    make_actor=lambda: actor.remote(plan),
                    submit=following.submit,
                    on_result=following.add,
                    on_failure=following.fail,
                    actors=lambda: room(cluster, gpus),
                    in_flight=IN_FLIGHT,
                    max_attempts=plan.limits.max_attempts,
                    watch=Watch(silent_seconds=cluster.heartbeat_seconds, stalled_seconds=plan.limits.stalled_seconds),
                    wait_seconds=cluster.wait_seconds,
                    report=progress.note,
                )
            except UserError:
                raise
            except LacunaError as error:
                for share in shares:
                    share.end(error)


main = command("embed", EmbedJob, run)

if __name__ == "__main__":
    sys.exit(main())
