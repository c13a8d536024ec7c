"""The loss x Hopfield ablation: one model for each arm, trained in parallel if there are devices.

python -m jobs.train arm=infoloob root=URL          -m arm=infonce,infonce_hopfield,infoloob,cloob for all four
python -m jobs.train dataset.name=toy_train encoder.name=toy_infoloob loss=infoloob hopfield=false root=URL
"""

import sys
from dataclasses import dataclass
from typing import Any

from jobs.runtime.actors.dispatch import dispatch
from jobs.runtime.app import Outcome, command
from jobs.runtime.run_progress import Work, track
from jobs.runtime.session import ray_session, slots
from jobs.runtime.sweeps.record import flat
from tda.config.cluster import ClusterConfig
from tda.config.jobs import TrainJob
from tda.errors import LacunaError, UserError
from tda.store.files import absolute, filesystem, require_writable
from tda.store.paths import RootPaths
from tda.store.shards.units.plan import shard_urls
from tda.store.shards.units.unit import is_unit, planned_source
from tda.toyworld import ensure_toy

MAX_ATTEMPTS = 3  # actors an arm may lose; each goes on from the last checkpoint


@dataclass(frozen=True)
class Task:
    """An arm, the URLs of its shards and the folder of its model: absolute paths, valid on every worker."""

    arm: Any  # tda.encoders.training.loop.Arm: importing it takes the seconds of torch
    urls: tuple[str, ...]
    folder: str

    def __str__(self) -> str:
        return str(self.arm.encoder)


def run(job: TrainJob) -> Outcome:
    """Train one arm, from its last checkpoint if there is one; a finished model is left as it is."""
    return train_arms([job])[0]


def train_arms(jobs: list[TrainJob]) -> list[Outcome]:
    """Train every unfinished arm, one actor each as far as the cluster has room; outcomes are in the order of `jobs`.

    Raises UserError, before any actor starts, for unusable data, model configuration or root, for two arms of one name, and for a folder
    with a model of another configuration.
    """
    tasks = [_task(job) for job in jobs]
    names = [str(task) for task in tasks]
    if twice := {name for name in names if names.count(name) > 1}:
        raise UserError(f"encoder.name={min(twice)} is trained twice: every arm needs a name of its own")
    outcomes = {
        name: _outcome(name, task.folder, result, again=True)
        for name, task in zip(names, tasks, strict=True)
        if (result := _finished(task))
    }
    todo = [task for task in tasks if str(task) not in outcomes]
    work = {str(task): _tracked(task, finished=task not in todo) for task in tasks}
    if todo:
        require_writable(jobs[0].root)
        _work(todo, jobs[0].cluster, outcomes, work)
    return [outcomes[name] for name in names]


def _task(job: TrainJob) -> Task:
    from tda.encoders.formats.open_clip import model_config_of, require_open_clip, with_tokenizer
    from tda.encoders.training.loop import Arm
    from tda.encoders.weights.local_copy import read_config

    if not job.encoder.name:
        raise UserError("encoder.name is missing: give encoder.name=VALUE")
    if job.dataset.members is not None:
        raise UserError("dataset.members is read by jobs.embed alone: give jobs.train shards whose members are <key>.jpg and <key>.txt")
    ensure_toy(job.dataset)
    settings = with_tokenizer(read_config(job.encoder.config), job.encoder.tokenizer)
    require_open_clip(model_config_of(settings), job.encoder.config)
    named = shard_urls(absolute(job.root), job.dataset)
    arm = Arm(
        encoder=job.encoder.name,
        loss=job.loss,
        hopfield=job.hopfield,
        config=job.train,
        settings=settings,
        shards=tuple((name, _size(url)) for name, url in named.items()),
    )
    return Task(arm, tuple(named.values()), absolute(RootPaths(job.root).model_dir(job.encoder.name)))


def _size(url: str) -> int:
    if is_unit(url):
        return planned_source(url).size
    fs, path = filesystem(url)
    try:
        return int(fs.size(path))
    except FileNotFoundError:
        raise UserError(f"dataset.shards names {url}, which is not there") from None


def _finished(task: Task) -> dict[str, Any] | None:
    from tda.encoders.training.checkpoints import Snapshots

    return Snapshots(task.folder, task.arm.config_hash, content=task.arm.content()).finished()


def _tracked(task: Task, *, finished: bool) -> Work:
    steps = task.arm.config.steps
    return track("train", encoders=[str(task)], total=steps, before=steps if finished else 0)


def _work(tasks: list[Task], cluster: ClusterConfig, outcomes: dict[str, Outcome], work: dict[str, Work]) -> None:
    """Train `tasks` on actors; adds their results to `outcomes`."""
    from jobs.training.bars import TrainBars

    with ray_session(cluster), TrainBars(steps={str(task): task.arm.config.steps for task in tasks}, work=work) as bars:
        crew = Crew(cluster, bars)

        def on_result(task: Task, result: dict[str, Any]) -> None:
            outcomes[str(task)] = _outcome(str(task), task.folder, result)
            work[str(task)].reached(task.arm.config.steps)
            work[str(task)].values |= {"loss": result["training"]["final_loss"]}

        def on_failure(task: Task, error: LacunaError) -> None:
            outcomes[str(task)] = Outcome(whole=False, line=f"{task}: not trained: {error}", places=[task.folder])
            work[str(task)].failed(str(task), error)
            bars.note(str(error))

        dispatch(
            tasks,
            make_actor=crew.hire,
            submit=crew.submit,
            on_result=on_result,
            on_failure=on_failure,
            actors=min(crew.size, len(tasks)),
            in_flight=1,
            max_attempts=MAX_ATTEMPTS,
            on_tick=crew.ask,
        )


class Crew:
    """The actors, and one pending progress call to each, repeated when it returns."""

    def __init__(self, cluster: ClusterConfig, bars: Any) -> None:
        import ray

        from jobs.training.trainer import ArmTrainer

        self.size, gpus = slots(cluster)
        self.bars, self._asked = bars, dict[Any, tuple[str, Any]]()  # pending progress call -> arm, actor
        self._placement = ("cuda" if gpus else "cpu", max(1, int(cluster.cpus_per_actor)))
        options: dict[str, Any] = {
            "num_cpus": cluster.cpus_per_actor,
            "num_gpus": gpus,
            "max_restarts": 0,
            "max_task_retries": 0,
            "max_concurrency": 2,
        }
        self._actor = ray.remote(**options)(ArmTrainer)

    def hire(self) -> Any:
        return self._actor.remote(*self._placement)

    def submit(self, actor: Any, task: Task, _attempt: int) -> Any:
        reference = actor.train.remote(task.arm, task.urls, task.folder)
        self._asked = {answer: (arm, other) for answer, (arm, other) in self._asked.items() if other != actor}
        self._asked[actor.progress.remote()] = (str(task), actor)
        return reference

    def ask(self) -> None:
        """Show finished progress calls; a lost actor is not called again."""
        import ray
        from ray.exceptions import RayError

        ready, _ = ray.wait(list(self._asked), num_returns=len(self._asked), timeout=0) if self._asked else ([], [])
        for reference in ready:
            arm, actor = self._asked.pop(reference)
            try:
                progress = ray.get(reference)
            except RayError:
                continue
            if progress is not None:
                self.bars.update(arm, progress)
            self._asked[actor.progress.remote()] = (arm, actor)


def _outcome(name: str, folder: str, result: dict[str, Any], *, again: bool = False) -> Outcome:
    training = result["training"]
    loss = f"{training['loss']}{' + Hopfield' if training['hopfield'] else ''}, {training['steps']} steps on {training['pairs']} pairs"
    how = "already trained" if again else f"trained in {training['seconds']:.0f} s"
    line = f"{name}: {loss}, final loss {training['final_loss']:.3f}, {how}"
    return Outcome(whole=True, line=line, numbers=flat(training), places=[folder])


main = command("train", TrainJob, run)

if __name__ == "__main__":
    sys.exit(main())
