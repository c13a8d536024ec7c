"""The share of the gap that the loss explains: InfoNCE against InfoLOOB at equal temperature, and each at its own."""

from collections.abc import Sequence

from tda.config.models import INV_TAU
from tda.geometry.mean_interval import MeanInterval, mean_interval
from tda.report.data.load import Run
from tda.report.data.words import fixed, percent
from tda.report.topics.temperature.numbers import GAP, Trained, trained

NCE, LOOB = "InfoNCE", "InfoLOOB"  # without Hopfield retrieval: nothing else differs
Place = tuple[float, int]  # temperature and seed


def temperature_findings(run: Run) -> list[str]:
    """One sentence a data set on which both arms were measured at two temperatures or more, by two seeds or more."""
    found = trained(run)
    datasets = dict.fromkeys(one.dataset for one in found)
    return [text for dataset in datasets if (text := _finding(run.shown(dataset), [one for one in found if one.dataset == dataset]))]


def at_equal_temperature(found: Sequence[Trained]) -> dict[int, float]:
    """Seed -> how much wider the gap of InfoNCE is than that of InfoLOOB, the mean over the temperatures that every seed has."""
    nce, loob = _gaps(found, NCE), _gaps(found, LOOB)
    both = nce.keys() & loob.keys()
    seeds = {seed for _, seed in both}
    shared = {inv_tau for inv_tau, _ in both if all((inv_tau, seed) in both for seed in seeds)}
    return {seed: sum(nce[at, seed] - loob[at, seed] for at in shared) / len(shared) for seed in sorted(seeds)} if shared else {}


def at_own_temperature(found: Sequence[Trained]) -> dict[int, float]:
    """Seed -> the same difference, each loss at the temperature that is published with it."""
    nce, loob = _gaps(found, NCE), _gaps(found, LOOB)
    own = INV_TAU["infonce"], INV_TAU["infoloob"]
    seeds = {seed for at, seed in nce if at == own[0]} & {seed for at, seed in loob if at == own[1]}
    return {seed: nce[own[0], seed] - loob[own[1], seed] for seed in sorted(seeds)}


def _gaps(found: Sequence[Trained], arm: str) -> dict[Place, float]:
    return {(one.inv_tau, one.seed): one.numbers[GAP] for one in found if one.arm == arm and GAP in one.numbers}


def _finding(dataset: str, found: Sequence[Trained]) -> str:
    equal = at_equal_temperature(found)
    if len(equal) < 2:
        return ""
    start = (
        f"On {dataset}, at equal temperature the gap of {NCE} is wider than that of {LOOB} by {_text(mean_interval(list(equal.values())))}"
    )
    own = {seed: value for seed, value in at_own_temperature(found).items() if seed in equal}
    if len(own) < 2:
        return f"{start}."
    between = (
        f"at their own temperatures ({INV_TAU['infonce']:g} and {INV_TAU['infoloob']:g}) by {_text(mean_interval(list(own.values())))}"
    )
    return f"{start}; {between}{_share(equal, own)}."


def _share(equal: dict[int, float], own: dict[int, float]) -> str:
    """How much of the difference the loss explains; nothing where that difference may be none."""
    if mean_interval(list(own.values())).low <= 0:
        return ""
    share = mean_interval([equal[seed] / own[seed] for seed in own])
    low, high = (min(1.0, max(0.0, end)) for end in (share.low, share.high))
    return (
        f": the loss explains {percent(min(1.0, max(0.0, share.mean)))} of it ({percent(low)} to {percent(high)}), the temperature the rest"
    )


def _text(found: MeanInterval) -> str:
    return f"{fixed(found.mean)} ({fixed(found.low)} to {fixed(found.high)}, {found.repeats} seeds)"
