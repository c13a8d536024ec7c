"""The schema of `sweep`: what `-m` does with the combinations of several values. It changes no result of a job."""

from dataclasses import dataclass, field

from tda.config.fields import Checked, bounded


@dataclass(kw_only=True)
class MultirunConfig(Checked, path="sweep"):
    """A sweep of any job, by -m."""

    name: str | None = None  # of its folder under sweeps/; null: the job and the swept keys
    parallel: int = bounded(1, least=1)  # cells at once, which share the cluster in equal parts
    objective: str | None = None  # the number of a cell that a sweeper such as Optuna optimises: retrieval.image_to_text.top1
    zip: list[str] = field(default_factory=list)  # swept keys whose values go together: the first with the first
