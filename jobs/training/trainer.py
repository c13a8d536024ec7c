"""The actor of `jobs.train`: trains one arm at a time, and reports its progress meanwhile."""

from functools import lru_cache
from typing import TYPE_CHECKING, Any

from jobs.runtime.tasks import uncollected

if TYPE_CHECKING:
    from tda.encoders.training.data import TrainingPairs
    from tda.encoders.training.loop import Arm, Progress
    from tda.encoders.training.stream import StreamedPairs


class ArmTrainer:
    """Two threads of one process: `train` works in one while `progress` answers in the other."""

    def __init__(self, device: str, threads: int) -> None:
        with uncollected():
            import tda.encoders.training.loop  # noqa: F401 (loaded before the first arm arrives)

        self.device, self.threads = device, threads
        self._progress: Progress | None = None

    def train(self, arm: "Arm", urls: tuple[str, ...], folder: str) -> dict[str, Any]:
        """Train `arm` on the shards at `urls` into `folder`, from its last checkpoint on; returns the content of `model.json`."""
        import torch

        from tda.encoders.training.loop import train

        torch.set_num_threads(arm.config.threads or self.threads)
        self._progress = None
        return train(arm, self._pairs(arm, urls), folder, self.device, self._report)

    def _pairs(self, arm: "Arm", urls: tuple[str, ...]) -> "TrainingPairs | StreamedPairs":
        if not arm.config.stream:
            return _pairs(urls, _Settings(arm.settings))
        from tda.encoders.training.stream import StreamedPairs

        given = {name: getattr(arm.config, name) for name in ("batch_size", "seed", "shuffle")}
        return StreamedPairs(urls, arm.settings, **given, threads=self.threads)

    def progress(self) -> "Progress | None":
        """Of the arm in training; None before its first steps."""
        return self._progress

    def _report(self, progress: "Progress") -> None:
        self._progress = progress


class _Settings(dict[str, Any]):
    """A model's configuration that can key a cache, by its content."""

    def __hash__(self) -> int:  # type: ignore[override]  # a plain dict has none
        return hash(repr(self))


@lru_cache(maxsize=1)
def _pairs(urls: tuple[str, ...], settings: _Settings) -> "TrainingPairs":
    """Arms that share their data and their input size share one decode."""
    from tda.encoders.training.data import read_training_pairs

    return read_training_pairs(urls, settings)
