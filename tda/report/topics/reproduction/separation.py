"""Claims on the gap between modalities: Figs 1 to 8, 16 and 17, Table I."""

from collections.abc import Callable

from tda.geometry.shift import shift
from tda.report.data.evidence import name, value
from tda.report.data.load import Cell, Run
from tda.report.data.words import fixed, percent
from tda.report.topics.reproduction.judged import Check, at, both, number, playing
from tda.report.topics.rules import APART, GAP, INTERWOVEN, SEPARATES, other_share, shared_part
from tda.store.types import VECTORS

TRAINED, HELD, RANDOM = ("separability", "train", "accuracy"), ("separability", "pca2", "accuracy"), ("cosine", "random", "mean")


def nearer_to_training(run: Run) -> list[Check]:
    """Fig. 1: LAION lies nearer to the training data than COCO, in every model and modality."""
    checks = []
    for encoder in run.encoders:
        one, other = (_compared(run, encoder, role) for role in ("LAION", "COCO"))
        for laion, coco in ((laion, coco) for laion in one for coco in other):
            checks += [_nearer(run, laion, coco, reference) for reference in laion.closest if reference in coco.closest]
    return checks


def _compared(run: Run, encoder: str, role: str) -> list[Cell]:
    return [cell for cell in run.cells if cell.encoder == encoder and cell.closest and run.config.datasets.get(cell.dataset) == role]


def _nearer(run: Run, laion: Cell, coco: Cell, reference: str) -> Check:
    found = [shift(laion.closest[reference].values[modality], coco.closest[reference].values[modality]) for modality in VECTORS]
    lows, highs = ([one.median_ci95[end] for one in found] for end in (0, 1))
    holds = True if min(lows) > 0 else False if min(highs) < 0 else None
    apart = " and ".join(f"{one.median_difference:+.3f}" for one in found)
    return Check(holds, f"{name(laion.encoder, run.config)}, {laion.dataset} less {coco.dataset}: medians {apart}")


def separable(run: Run) -> list[Check]:
    """Table I: a linear classifier separates CLIP on both data sets and CLOOB on COCO alone."""

    def accuracy(model: str, dataset: str, holds: Callable[[float], bool]) -> list[Check]:
        return number(playing(run, model, dataset), run, at(*TRAINED), holds, percent)

    checks = accuracy("CLIP", "LAION", _separates) + accuracy("CLIP", "COCO", _separates)
    return checks + accuracy("CLOOB", "LAION", lambda one: one < SEPARATES) + accuracy("CLOOB", "COCO", _separates)


def _separates(accuracy: float) -> bool:
    return accuracy >= SEPARATES


def carp(run: Run) -> list[Check]:
    return number(playing(run, "CARP"), run, at(*TRAINED), _separates, percent)


def two_components(run: Run) -> list[Check]:
    """Fig. 2: two principal components separate CLIP's modalities."""
    return number(playing(run, "CLIP"), run, at(*HELD), _separates, percent)


def random_cosine(run: Run) -> list[Check]:
    """Fig. 3: random partners lie about 0 in CLOOB, above it in CLIP."""
    checks = []
    for clip, cloob in both(run, "CLIP", "CLOOB"):
        one, other = value(clip, *RANDOM), value(cloob, *RANDOM)
        if one is not None and other is not None:
            numbers = f"{clip.dataset}: mean random cosine {fixed(one)} in CLIP, {fixed(other)} in CLOOB"
            checks.append(Check(abs(other) < one, numbers))
    return checks


def conjecture(number: int) -> Callable[[Run], list[Check]]:
    """Conjectures 1 and 2, by the verdict of each data set with guided images."""
    holds = {"supported": True, "reversed": False, "not supported": False}

    def judge(run: Run) -> list[Check]:
        found = {dataset: one[f"conjecture_{number}"] for dataset, one in run.diversity.items()}
        return [Check(holds.get(one["verdict"]), f"{dataset}: {one.get('reason') or one['verdict']}") for dataset, one in found.items()]

    return judge


def layout(dataset: str) -> Callable[[Run], list[Check]]:
    """Figs 4 and 5: on the layout CLIP's modalities keep apart and CLOOB's interweave."""

    def judge(run: Run) -> list[Check]:
        return _shares(run, "CLIP", dataset, apart=True) + _shares(run, "CLOOB", dataset, apart=False)

    return judge


def _shares(run: Run, model: str, dataset: str | None, *, apart: bool) -> list[Check]:
    """The share of the other modality among neighbours, on the layout and in the space."""
    checks = []
    for cell in playing(run, model, dataset):
        on_layout, ambient = other_share(cell, "layout"), other_share(cell, "ambient")
        if on_layout is not None:
            space = "" if ambient is None else f", {percent(ambient)} in the space"
            words = f"{name(cell.encoder, run.config)} on {cell.dataset}: {percent(on_layout)} of neighbours of the other modality{space}"
            checks.append(Check(on_layout <= APART if apart else on_layout >= INTERWOVEN, words))
    return checks


def neighbours(run: Run) -> list[Check]:
    """Fig. 6: in CLIP the neighbours of a row are of its own modality, in CLOOB of both; measured in the space."""
    apart = number(playing(run, "CLIP", "LAION"), run, _ambient, lambda one: one <= APART, percent, named="of the other modality")
    mixed = number(playing(run, "CLOOB", "LAION"), run, _ambient, lambda one: one >= INTERWOVEN, percent, named="of the other modality")
    return apart + mixed


def _ambient(cell: Cell) -> float | None:
    return other_share(cell, "ambient")


def ablation(run: Run) -> list[Check]:
    """Fig. 7: InfoLOOB without Hopfield retrieval mixes the modalities, InfoNCE with it keeps them apart. One training of each arm."""
    loob = _shares(run, "InfoLOOB", "COCO", apart=False)
    return loob + _shares(run, "InfoNCE + Hopfield", "COCO", apart=True)


def ablation_distances(run: Run) -> list[Check]:
    """Fig. 8: the distance that all pairs share is the larger part under InfoNCE with Hopfield, and the smaller under InfoLOOB."""
    checks = []
    for loob, hopfield in both(run, "InfoLOOB", "InfoNCE + Hopfield", "COCO"):
        if all(value(cell, *path) is not None for cell in (loob, hopfield) for path in (GAP, ("cosine", "pair", "mean"))):
            one, other = shared_part(loob), shared_part(hopfield)
            checks.append(
                Check(one < other, f"{loob.dataset}: {percent(one)} under InfoLOOB, {percent(other)} under InfoNCE with Hopfield")
            )
    return checks


def settings(model: str, *, apart: bool) -> Callable[[Run], list[Check]]:
    """Figs 16 and 17: the picture holds under every setting of the layout."""

    def judge(run: Run) -> list[Check]:
        checks = []
        for cell in playing(run, model):
            mixed = [float(one["mixing"]) for one in cell.sweep.get("cells", []) if one.get("mixing") is not None]
            if mixed:
                held = [share <= APART if apart else share >= INTERWOVEN for share in mixed]
                words = f"{cell.dataset}: {percent(min(mixed))} to {percent(max(mixed))} of the other modality under {len(mixed)} settings"
                checks.append(Check(all(held), words))
        return checks

    return judge
