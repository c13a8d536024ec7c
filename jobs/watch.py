"""Every checkpoint of a training run, embedded and analysed as it appears: <encoder>@<step> on each data set.

python -m jobs.watch checkpoints=/runs/a/checkpoints watch.naming=open_clip encoder.name=a encoder.config=model.json
dataset.name=coco dataset.shards='/data/*.tar' root=URL once=true

once=true looks once, for schedulers; else it looks again every `interval` seconds. watch.submit=mine makes each checkpoint a job of the Ray
cluster at cluster.dashboard. It can be killed at any moment: see `jobs.watching.ledger`.
"""

import hashlib
import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from typing import Any

from hydra.core.hydra_config import HydraConfig

from jobs.analyze import analyze
from jobs.embed import embed_sets
from jobs.runtime.app import Outcome, command
from jobs.runtime.presets import load_choice
from jobs.runtime.session import shared_ray
from jobs.submission.client import Jobs, dashboard_url
from jobs.submission.request import refuse_secrets, runtime_env_of
from jobs.watching.ledger import Ledger
from jobs.watching.naming import naming_of
from jobs.watching.notify import Notifier
from jobs.watching.place import Place
from jobs.watching.poll import WatchSettings
from jobs.watching.runner import InPlace, Runner, Task
from jobs.watching.states import FINAL, is_whole, line, publish_states, states
from jobs.watching.submitted import RayJobs, words_of_jobs
from jobs.watching.watcher import Watcher
from tda.config.datasets import DatasetConfig
from tda.config.jobs import AnalyzeJob, SubmitJob, WatchJob
from tda.config.models import EncoderConfig
from tda.errors import UserError
from tda.store.commit.records import code_version
from tda.store.datasets.views import view_of
from tda.store.files import absolute, require_writable
from tda.store.paths import RootPaths, check_name
from tda.store.shards.expand import expand_shards
from tda.toyworld import ensure_toy

TICK = 1.0  # seconds between two questions to runs elsewhere, and to other watchers' leases

FIRST_FIELDS = ("name", "shards", "modalities", "toy", "pairs", "pair_bytes")  # of a data set, in every digest of work
WHENCE = ("published", "source")  # where it comes from, which changes no vector


def run(job: WatchJob) -> Outcome:
    """Look, and run what is new, in this process or as jobs of a cluster. With `watch.task`: run that one attempt."""
    if job.watch.task is not None:
        return _one(job, job.watch.task)
    return watch(job, InPlace if job.watch.submit == "no" else lambda _: _submitting(job))


def _one(job: WatchJob, attempt: str) -> Outcome:
    """One attempt at one checkpoint, as its watcher wrote it into the ledger. Raises UserError for one that is not there."""
    folder, _, number = attempt.rpartition("/")
    found = Ledger(job.root, job.encoder.name).content(folder, f"{number}.running.json").get("task")
    if found is None:
        raise UserError(f"watch.task={attempt} is not in the ledger of {job.encoder.name}; it is set by a watcher alone")
    task = Task(**found)
    with shared_ray():
        outcomes = list(_work(job, _checked(job), task))
    lacking = [outcome.line for outcome in outcomes if not outcome.whole]
    places = [place for outcome in outcomes for place in outcome.places or ()]
    return Outcome(whole=not lacking, line="; ".join(lacking or [outcome.line for outcome in outcomes]), places=places)


def _submitting(job: WatchJob) -> Runner:
    """Raises UserError for a cluster that refuses, NotReachedError for one that does not answer."""
    submit = SubmitJob(code=job.watch.submit, env=job.watch.env, cluster=job.cluster)
    words = words_of_jobs(HydraConfig.get().overrides.task, absolute(job.root))
    refuse_secrets(words)
    jobs = Jobs(dashboard_url(job.cluster))
    jobs.require_token(insecure=job.cluster.insecure)
    return RayJobs(
        jobs,
        words=words,
        request={"runtime_env": runtime_env_of(submit), "entrypoint_num_cpus": submit.driver_cpus},
        at_once=job.watch.at_once,
        wait_seconds=job.cluster.wait_seconds,
    )


def watch(job: WatchJob, make_runner: Callable[[Callable[[Task], list[Outcome]]], Runner]) -> Outcome:
    """`run` with a runner of your own: `make_runner` gets the work of one checkpoint, as a function of its task.

    Raises UserError, before anything is looked at, for settings that no checkpoint could be analysed with.
    """
    datasets = _checked(job)
    settings = WatchSettings(
        name=job.encoder.name,
        work=work_digest(job, datasets),
        config=job.watch,
        check=lambda task: _require_loadable(encoder_of(job, task)),
        notify=Notifier(job.watch.notify, job.watch.webhook),
        once=job.once,
    )
    runner = make_runner(lambda task: list(_work(job, datasets, task)))
    watcher = Watcher(Place(absolute(job.checkpoints), naming_of(job.watch)), Ledger(job.root, settings.name), runner, settings)
    names = [dataset.name for dataset in datasets]
    with shared_ray(), _published(watcher, job, names):
        _once(watcher, job.watch.settle_seconds) if job.once else _loop(watcher, job, names)
    rows = states(watcher)
    return Outcome(whole=is_whole(rows), line=line(settings.name, rows), places=[RootPaths(job.root).watched(settings.name)])


@contextmanager
def _published(watcher: Watcher, job: WatchJob, datasets: list[str]) -> Iterator[None]:
    """Whatever ends the block, `checkpoints.json` has all states."""
    try:
        yield
    finally:
        publish_states(watcher, RootPaths(job.root).watched(job.encoder.name), datasets, states(watcher))


def _once(watcher: Watcher, settle_seconds: float) -> None:
    watcher.look()
    watcher.work()
    if watcher.unsettled():
        time.sleep(settle_seconds)
        watcher.look()
        watcher.work()
    while watcher.mine or watcher.undecided():
        time.sleep(TICK)
        watcher.look()
        watcher.work()


def _loop(watcher: Watcher, job: WatchJob, datasets: list[str]) -> None:
    while True:
        try:
            watcher.look()
            watcher.work()
        except OSError as error:  # a store that cannot be reached now
            print(f"lacuna watch: {error}; next look in {job.interval:g} s", file=sys.stderr, flush=True)
        rows = states(watcher)
        publish_states(watcher, RootPaths(job.root).watched(job.encoder.name), datasets, rows)
        if job.watch.last is not None and any(row["step"] >= job.watch.last and row["state"] in FINAL for row in rows):
            return
        _wait(watcher, job.interval)


def _wait(watcher: Watcher, interval: float) -> None:
    """Until the next look; runs elsewhere are followed meanwhile."""
    end = time.monotonic() + interval
    while (left := end - time.monotonic()) > 0:
        time.sleep(min(left, TICK) if watcher.mine else left)
        if watcher.mine:
            watcher.work()


def _checked(job: WatchJob) -> list[DatasetConfig]:
    if not job.encoder.name:
        raise UserError("encoder.name is missing: give encoder.name=VALUE; checkpoints are named VALUE@STEP")
    check_name("encoder.name", f"{job.encoder.name}@1+00000000")
    datasets = [load_choice("dataset", name, job.root) for name in job.datasets] or [job.dataset]
    for dataset in datasets:
        if not dataset.name:
            raise UserError("dataset.name is missing: give dataset.name=NAME dataset.shards=..., or presets by datasets=[NAME,...]")
        if (view := view_of(dataset.name)) is not None:
            raise UserError(f"dataset {dataset.name} is a view, which jobs.dedupe makes for each encoder: watch {view.base} instead")
        ensure_toy(dataset)
        if dataset.format == "webdataset":
            expand_shards(dataset.shards, "dataset.shards")
    require_writable(job.root)
    return datasets


def work_digest(job: WatchJob, datasets: list[DatasetConfig]) -> str:
    """Digest of all that decides the result beside a checkpoint's content: another one makes every checkpoint's work new.

    What is embedded and measured stays so: only what changed is computed again.
    """
    encoder = asdict(replace(job.encoder, name="", checkpoint=None, sha256=None, source=None))
    del encoder["url"]
    content = {
        "encoder": encoder,
        "datasets": [_described(dataset) for dataset in datasets],
        "embed": {name: getattr(job.embed, name) for name in ("dtype", "resize", "max_pixels", "max_caption_bytes", "max_member_bytes")},
        "analysis": {name: value for name, value in asdict(job.analysis).items() if name not in ("device", "block_rows")},
        "lacuna": code_version(),
    }
    return hashlib.sha256(json.dumps(content, sort_keys=True, default=str).encode()).hexdigest()[:12]


def _described(dataset: DatasetConfig) -> dict[str, Any]:
    """The fields of a data set; one that was added later counts only where it is set, so that older digests still hold."""
    plain, unset = asdict(dataset), asdict(DatasetConfig(name=""))
    return {name: value for name, value in plain.items() if name in FIRST_FIELDS or (value != unset[name] and name not in WHENCE)}


def encoder_of(job: WatchJob, task: Task) -> EncoderConfig:
    """The model of a checkpoint: as the job's, with the checkpoint's name and weights."""
    config = job.encoder.config or task.config
    return replace(job.encoder, name=task.encoder, checkpoint=task.url, sha256=task.sha256, config=config, canary=None)


def _require_loadable(encoder: EncoderConfig) -> None:
    """Raise UserError unless the file holds the whole model."""
    from tda.encoders import load_configured

    load_configured(encoder, device="cpu")


def _work(job: WatchJob, datasets: list[DatasetConfig], task: Task) -> Iterator[Outcome]:
    """Embed and analyse one checkpoint on every data set; ends at the first step that is not whole."""
    encoder = encoder_of(job, task)
    for outcome in embed_sets(job.root, datasets, [encoder], job.embed, job.cluster):
        yield outcome
        if not outcome.whole:
            return
    for dataset in datasets:
        one: Any = AnalyzeJob(root=job.root, dataset=dataset, encoder=encoder, analysis=job.analysis, cluster=job.cluster)
        yield analyze(one)


main = command("watch", WatchJob, run)

if __name__ == "__main__":
    sys.exit(main())
