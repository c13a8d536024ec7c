"""The arms of the ablation in a sweep of `jobs.paper` over train.inv_tau: their numbers by temperature and seed."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from tda.report.data.load import Run
from tda.report.data.sweeps import Sweep
from tda.report.data.words import fixed, percent

TEMPERATURE, SEED = "train.inv_tau", "train.seed"
GAP = "gap.centroid_distance"


@dataclass(frozen=True)
class Number:
    """A number of metrics.json that may depend on the temperature."""

    path: str
    label: str
    show: Callable[[float], str] = fixed


NUMBERS = (
    Number(GAP, "gap"),
    Number("mixing.ambient", "neighbours of the same modality", percent),
    Number("spectrum.image.effective_rank", "effective rank, {first}"),
    Number("retrieval.image_to_text.top1", "top-1, {first} to {second}", percent),
)


@dataclass(frozen=True, kw_only=True)
class Trained:
    """One arm at one temperature by one seed, measured on one data set. `arm` as report.ablation names it, such as InfoNCE + Hopfield."""

    dataset: str
    encoder: str
    arm: str
    inv_tau: float
    seed: int
    numbers: Mapping[str, float]


def trained(run: Run) -> list[Trained]:
    """Every arm of every whole cell of sweeps over the temperature."""
    found = [one for sweep in run.sweeps if sweep.job == "paper" and TEMPERATURE in sweep.varied for one in _of(sweep, run)]
    return sorted(found, key=lambda one: (one.dataset, list(run.config.ablation).index(one.encoder), one.inv_tau, one.seed))


def _of(sweep: Sweep, run: Run) -> Iterator[Trained]:
    for cell in sweep.whole:
        inv_tau, numbers = cell["values"].get(TEMPERATURE), cell["numbers"]
        for encoder, arm in run.config.ablation.items() if isinstance(inv_tau, int | float) else ():
            mark = f".{encoder}.{GAP}"
            for dataset in (name.removesuffix(mark) for name in numbers if name.endswith(mark)):
                own = {one.path: numbers[key] for one in NUMBERS if (key := f"{dataset}.{encoder}.{one.path}") in numbers}
                seed = int(cell["values"].get(SEED) or 0)
                yield Trained(dataset=dataset, encoder=encoder, arm=arm, inv_tau=float(inv_tau), seed=seed, numbers=own)


def label_of(number: Number, run: Run) -> str:
    first, second = run.modalities
    return number.label.format(first=first, second=second)
