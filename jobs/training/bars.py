"""Progress of the arms on standard error: a bar each on a terminal, a line from time to time elsewhere."""

from dataclasses import dataclass, field

from jobs.runtime.progress import Bars
from jobs.runtime.run_progress import Work
from tda.encoders.training.loop import Progress


@dataclass(kw_only=True)
class TrainBars(Bars):
    """Shows step, loss and learning rate of every arm. A context manager."""

    steps: dict[str, int]  # arm -> steps it will take
    unit: str = "steps"
    work: dict[str, Work] = field(default_factory=dict)
    _last: dict[str, Progress] = field(default_factory=dict)

    def totals(self) -> dict[str, int]:
        return self.steps

    def update(self, arm: str, progress: Progress) -> None:
        """Show the progress of an arm."""
        self._last[arm] = progress
        if arm in self.work:
            self.work[arm].reached(progress.step)
            self.work[arm].values = {"loss": progress.loss, "learning_rate": progress.learning_rate}
        self.show(arm, progress.step, progress_line(progress), self._line)

    def heartbeat(self, name: str) -> str:
        last = self._last.get(name)
        return f"{name} {last.step}/{last.steps} {progress_line(last)}" if last else f"{name}: starting"

    def _line(self) -> str:
        return "; ".join(f"{name} {p.step}/{p.steps} {progress_line(p)}" for name, p in self._last.items() if p.step < p.steps)


def progress_line(progress: Progress) -> str:
    return f"loss {progress.loss:.3f}, learning rate {progress.learning_rate:.1e}"
