"""How far the arms are, on standard error: a bar each for people, one line now and then for files."""

from dataclasses import dataclass, field

from jobs.runtime.progress import Bars
from tda.encoders.training.loop import Progress


@dataclass(kw_only=True)
class TrainBars(Bars):
    """Shows step, loss and learning rate of every arm. A context manager."""

    steps: dict[str, int]  # arm -> steps it will take
    _last: dict[str, Progress] = field(default_factory=dict)

    def totals(self) -> dict[str, int]:
        return self.steps

    def update(self, arm: str, progress: Progress) -> None:
        """An arm is this far."""
        self._last[arm] = progress
        self.show(arm, progress.step, told(progress), self._line)

    def _line(self) -> str:
        return "; ".join(f"{name} {p.step}/{p.steps} {told(p)}" for name, p in self._last.items() if p.step < p.steps)


def told(progress: Progress) -> str:
    return f"loss {progress.loss:.3f}, learning rate {progress.learning_rate:.1e}"
