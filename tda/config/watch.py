"""The schema of `conf/watch`: how checkpoints are named, when one is ready, and how often it is tried."""

from dataclasses import dataclass, field

from tda.config.fields import Checked, bounded

NAMINGS = ("lacuna", "open_clip", "olmo_core", "prime_rl", "hf_trainer")


@dataclass(kw_only=True)
class WatchConfig(Checked, path="watch"):
    """Checkpoints of one training run, in one folder."""

    naming: str = bounded("lacuna", choices=NAMINGS)  # how the trainer names its checkpoints; lacuna: jobs.train
    pattern: str | None = None  # of your own, with {step} or {epoch}, in place of `naming`: step_{step}.pt, or run-{step}/model.pt
    file: str | None = None  # of the weights, within a checkpoint's folder
    sentinel: str | None = None  # a file that appears when a checkpoint is whole; within its folder, or beside it with {step}
    settle_seconds: float = bounded(10, least=0)  # once=true: time between the two looks at a checkpoint without a sentinel
    copy: bool = True  # copied under the root before it is read: trainers delete old checkpoints
    max_attempts: int = bounded(3, least=1)  # a checkpoint that failed this often is named and given up
    backoff_seconds: float = bounded(60, least=0)  # before the second attempt of a loop; twice as long before each later one
    lease_seconds: float = bounded(60, above=0)  # a watcher without a sign of life for so long has lost its checkpoint
    last: int | None = bounded(None, least=0)  # a loop ends when this step is analysed, or has failed for good
    notify: list[str] = field(default_factory=list)  # a command and its arguments, with {encoder} {state} {step} {message}; no shell
    webhook: str | None = None  # a URL that gets the same as JSON, by POST; recorded as ***
    submit: str = bounded("no", choices=("no", "mine", "cluster"))  # no: analysed by this command | each checkpoint is a job of the cluster
    # at `cluster.dashboard`, with the code of this machine (mine), or with what is installed there (cluster)
    at_once: int = bounded(4, least=1)  # jobs that are submitted and have not ended
    env: list[str] = field(default_factory=list)  # names of environment variables whose values these jobs get
    task: str | None = None  # set by a watcher for a job that it submits: the attempt of its ledger, which this command runs
