"""Shards -> embeddings: one shard is the unit of work, every encoder of the run is fed from one decode of it.

python -m jobs.embed dataset.name=coco dataset.shards='/data/{00000..00059}.tar' encoder.name=tiny encoder.config=model.json
encoder.checkpoint=model.safetensors root=URL

The same with replay=true, and what made pairs fail mended or allowed (embed.max_pixels=200000000): tries the quarantined pairs again.

Two texts a pair, as JSONL, Parquet or tar: dataset.name=stories dataset.modalities=[passage,review] dataset.shards='/data/*.jsonl'
encoder=carp_l encoder.checkpoint=CARP_L.pt encoder.tokenizer=FOLDER
"""

import dataclasses
import sys
from collections import Counter
from collections.abc import Iterable

from jobs.runtime.app import Outcome, command
from jobs.runtime.choices import load_choice
from jobs.runtime.dispatch import dispatch
from jobs.runtime.embedder import IN_FLIGHT, Embedder, EmbedPlan, ShardTask
from jobs.runtime.heartbeat import Watch, beating_actor
from jobs.runtime.progress import ShardProgress
from jobs.runtime.replayer import Replayer, replay_tasks
from jobs.runtime.session import ray_session, room, share_of_cpus, slots
from jobs.runtime.tally import Tally
from tda.config import ClusterConfig, DatasetConfig, EmbedConfig, EmbedJob, EncoderConfig
from tda.encoders import modalities_of
from tda.encoders.describe import describe
from tda.errors import LacunaError, ShardError, UserError
from tda.store.files import filesystem, is_local, require_writable
from tda.store.layout import Layout
from tda.store.records import Identity, ShardRecord, check_identity, iter_records, recorded_shards
from tda.store.shards import expand_shards, name_shards
from tda.toyworld import ensure_toy

Records = dict[str, Tally]  # encoder -> what is recorded


def run(job: EmbedJob) -> Outcome:
    """Embed `job.dataset` with `job.encoder`, or with every preset of `job.encoders`."""
    encoders = [load_choice("encoder", name, job.root) for name in job.encoders] or [job.encoder]
    return embed(job.root, job.dataset, encoders, job.embed, job.cluster, replay=job.replay)


def embed(
    root: str,
    dataset: DatasetConfig,
    encoders: list[EncoderConfig],
    limits: EmbedConfig,
    cluster: ClusterConfig,
    *,
    replay: bool = False,
) -> Outcome:
    """Embed what is not recorded yet, or with `replay` only what recorded shards have in quarantine.

    Whole if every shard is recorded, none failed, and no more pairs were dropped than `limits` allow.

    Raises UserError, before any actor starts, if no shard matches, an encoder has other modalities than the data set, a checkpoint or
    configuration is missing, the root cannot be written, or it holds vectors of other content under the same names; before the first
    shard, if a model does not fit its checkpoint or its canary is refused.
    """
    layout, by_name, modalities = Layout(_absolute(root)), _by_name(encoders), (dataset.modalities[0], dataset.modalities[1])
    for encoder in by_name.values():
        _require_modalities(encoder, modalities)
    ensure_toy(dataset)
    shards = name_shards([_absolute(url) for url in expand_shards(dataset.shards)])
    identities = {name: _identity(encoder, dataset, limits) for name, encoder in by_name.items()}
    for name, identity in identities.items():
        check_identity(layout, dataset.name, name, identity)
    records = {name: _recorded(layout, dataset.name, name, shards) for name in by_name}
    tasks = list(replay_tasks(layout, dataset.name, by_name, shards) if replay else _tasks(shards, records))
    failures: list[LacunaError] = []
    if tasks:
        require_writable(layout.root)
        plan = EmbedPlan(
            root=layout.root,
            dataset=dataset.name,
            encoders=by_name,
            identities=identities,
            modalities=modalities,
            limits=limits,
            device="",
            threads=1,
            decode_threads=1,
        )
        failures = _work(plan, tasks, records, cluster, Replayer if replay else Embedder)
    absent = max(len(shards) - len(done) for done in records.values()) if replay else 0
    done_before = len(shards) - len(tasks) - absent
    outcome = _outcome(dataset.name, records, failures, shards=len(shards) - absent, done_before=done_before, limits=limits)
    return outcome if not absent else Outcome(whole=False, line=f"{outcome.line}; {absent} not embedded yet, which replay=true does not do")


def _recorded(layout: Layout, dataset: str, encoder: str, shards: dict[str, str]) -> Tally:
    tally = Tally()
    here = [shard for shard in recorded_shards(layout, dataset, encoder) if shard in shards]
    for record in iter_records(layout, dataset, encoder, here):
        tally.add(record)
    return tally


def _by_name(encoders: list[EncoderConfig]) -> dict[str, EncoderConfig]:
    if not all(encoder.name for encoder in encoders):
        raise UserError("encoder.name is missing: give encoder.name=VALUE, or presets by encoders=[NAME,...]")
    twice = [name for name, n in Counter(encoder.name for encoder in encoders).items() if n > 1]
    if twice:
        raise UserError(f"encoders name {twice[0]!r} twice")
    return {
        encoder.name: dataclasses.replace(
            encoder,
            config=encoder.config if encoder.pretrained else encoder.config and _absolute(encoder.config),  # a tag's is a name
            tokenizer=encoder.tokenizer and _absolute(encoder.tokenizer),
            checkpoint=encoder.checkpoint and _absolute(encoder.checkpoint),
        )
        for encoder in encoders
    }


def _absolute(url: str) -> str:
    """As a worker with another working directory has to be told it."""
    if url.startswith("pkg://"):
        return url
    fs, path = filesystem(url)
    return path if is_local(fs) else url


def _require_modalities(encoder: EncoderConfig, modalities: tuple[str, str]) -> None:
    own = modalities_of(encoder.format)
    if own != modalities:
        given, wanted = (f"[{','.join(pair)}]" for pair in (modalities, own))
        raise UserError(f"dataset.modalities={given}, but encoder {encoder.name} embeds {wanted}: set dataset.modalities={wanted}")


def _identity(encoder: EncoderConfig, dataset: DatasetConfig, limits: EmbedConfig) -> Identity:
    weights_sha256, preprocessing = describe(encoder, limits.resize)
    return Identity(
        encoder=encoder.name,
        weights_sha256=weights_sha256,
        preprocessing=preprocessing,
        dtype=limits.dtype,
        modalities=(dataset.modalities[0], dataset.modalities[1]),
    )


def _tasks(shards: dict[str, str], records: Records) -> Iterable[ShardTask]:
    for shard, url in shards.items():
        if wanting := tuple(name for name, done in records.items() if shard not in done):
            yield ShardTask(shard, url, wanting)


def _work(plan: EmbedPlan, tasks: list[ShardTask], records: Records, cluster: ClusterConfig, kind: type[Embedder]) -> list[LacunaError]:
    """Run the tasks on actors; `records` grows by what they publish. Returns why shards failed, and last what ended the run early."""
    failures: list[LacunaError] = []
    with ray_session(cluster):
        actors, gpus = slots(cluster)
        plan = dataclasses.replace(
            plan,
            device="cuda" if gpus else "cpu",
            threads=max(1, int(cluster.cpus_per_actor)),
            decode_threads=plan.limits.decode_threads or max(2, share_of_cpus(actors)),
        )
        actor = beating_actor(kind, num_cpus=cluster.cpus_per_actor, num_gpus=gpus, max_concurrency=IN_FLIGHT)
        with ShardProgress(what=f"{plan.dataset} / {', '.join(plan.encoders)}", shards=len(tasks)) as progress:

            def on_result(_: ShardTask, made: list[ShardRecord]) -> None:
                for record in made:
                    records[record.encoder].add(record)
                progress.add(pairs=made[0].rows_in, drops=sum(made[0].drops.values()), records=made)

            def on_failure(_: ShardTask, error: LacunaError) -> None:
                if not isinstance(error, ShardError):  # a full disk: every other shard would be embedded in vain
                    raise error
                failures.append(error)
                progress.add(failed=True)
                progress.note(str(error))

            try:
                dispatch(
                    tasks,
                    make_actor=lambda: actor.remote(plan),
                    submit=lambda handle, task, attempt: handle.embed.remote(task, attempt),
                    on_result=on_result,
                    on_failure=on_failure,
                    actors=lambda: room(cluster, gpus),
                    in_flight=IN_FLIGHT,
                    max_attempts=plan.limits.max_attempts,
                    watch=Watch(silent_seconds=cluster.heartbeat_seconds, stalled_seconds=plan.limits.stalled_seconds),
                    wait_seconds=cluster.wait_seconds,
                    tell=progress.note,
                )
            except UserError:
                raise
            except LacunaError as error:
                failures.append(error)
    return failures


def _outcome(dataset: str, records: Records, failures: list[LacunaError], *, shards: int, done_before: int, limits: EmbedConfig) -> Outcome:
    """Count what the records say; the line names what is not whole, and why."""
    told = {name: done.told() for name, done in records.items()}
    same = len(set(told.values())) == 1
    pairs = next(iter(told.values())) if same else "; ".join(f"{name} {text}" for name, text in told.items())
    done = max(map(len, records.values()))
    line = f"{dataset} / {', '.join(records)}: {pairs}, {done} shard{'s' * (done != 1)} ({done_before} done before)"
    worst = max(done.drop_fraction for done in records.values())
    if worst > limits.max_drop_fraction:
        line += f"; {worst:.1%} dropped is more than embed.max_drop_fraction={limits.max_drop_fraction:g} allows"
    failed = [error for error in failures if isinstance(error, ShardError)]
    if failed:
        some = ", ".join(f"{error.shard} ({error.reason})" for error in failed[:3])
        line += f"; {len(failed)} shard{'s' * (len(failed) != 1)} failed: {some}{', ...' if len(failed) > 3 else ''}"
    if failures[len(failed) :]:
        line += f"; ended early: {failures[-1]}; {shards - done - len(failed)} shards are left"
    return Outcome(whole=not failures and worst <= limits.max_drop_fraction, line=line)


main = command("embed", EmbedJob, run)

if __name__ == "__main__":
    sys.exit(main())
