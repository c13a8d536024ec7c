"""What persistent homology and the comparison of models show in this run, in sentences."""

from collections.abc import Mapping, Sequence
from typing import Any

from tda.config.stages import ReportConfig
from tda.report.data.evidence import each, known, name, value
from tda.report.data.load import Cell, Run
from tda.report.data.words import fixed, listing, percent
from tda.report.topics.rules import ABOUT
from tda.report.topics.sentences import all_of, models_of, span

JOIN, LOOPS = ("homology", "both", "h0", "longest"), ("homology", "both", "h1", "total_persistence")


def homology(cells: Sequence[Cell], config: ReportConfig) -> list[str]:
    """Whether a gap shows in the angle at which the last components join, and which model has most and least of loops."""

    def sentence(dataset: str, group: list[Cell]) -> str:
        return f"On {dataset}, {_joins(group, config)}.{_loops(group, config)}"

    return each(cells, [JOIN], sentence)


def _joins(group: list[Cell], config: ReportConfig) -> str:
    """In which models both modalities together join later than either alone: there a gap lies between them."""
    alone = {cell.encoder: _alone(cell) for cell in group}
    at = f"{span((known(cell, *JOIN) for cell in group), _hundredth)} radians"
    if None in alone.values():
        return f"the last components of both modalities together join at {at}"
    later = [cell for cell in group if known(cell, *JOIN) > ABOUT * (alone[cell.encoder] or 0)]
    rest = _names([cell for cell in group if cell not in later], config)
    if not later:
        return f"components show no gap in {models_of(rest, len(group), negated=True)}: both modalities join at {at}, about as one alone"
    angles = listing(f"{known(cell, *JOIN):.2f} against {alone[cell.encoder]:.2f} radians" for cell in later)
    where = models_of(_names(later, config), len(group)) + (f", not in {listing(rest, 'or')}" if rest else "")
    return f"components show a gap in {where}: both modalities join later than either alone, {angles}"


def _alone(cell: Cell) -> float | None:
    """The later of the angles at which the last components of each modality alone join."""
    found = [value(cell, "homology", modality, "h0", "longest") for modality in ("image", "text")]
    angles = [angle for angle in found if angle is not None]
    return max(angles) if len(angles) == len(found) else None


def _loops(group: list[Cell], config: ReportConfig) -> str:
    """Which model has most and least of loops, by the sum of their lifetimes."""
    found = [cell for cell in group if value(cell, *LOOPS) is not None]
    if not found:
        return ""
    high, low = (choose(found, key=lambda cell: known(cell, *LOOPS)) for choose in (max, min))
    most, least = (f"{name(cell.encoder, config)}, {known(cell, *LOOPS):.2f}{_spread(cell)}" for cell in (high, low))
    if high is low:
        return f" The lifetimes of loops add up to {known(high, *LOOPS):.2f}{_spread(high)} in {name(high.encoder, config)}."
    sums = span((known(cell, *LOOPS) for cell in found), _hundredth)
    if known(high, *LOOPS) <= ABOUT * known(low, *LOOPS):
        return f" The lifetimes of loops add up to about the same in {all_of(len(found))}, {sums}."
    return f" The lifetimes of loops add up to most in {most}, and least in {least}."


def _spread(cell: Cell) -> str:
    found = value(cell, "homology", "both", "stability", "h1", "total_persistence", "std")
    return f" ± {found:.2f} over landmark seeds" if found is not None else ""


def _names(cells: Sequence[Cell], config: ReportConfig) -> list[str]:
    return [name(cell.encoder, config) for cell in cells]


def _hundredth(number: float) -> str:
    return f"{number:.2f}"


def differences(run: Run) -> list[str]:
    """How different the spaces of CLIP and CLOOB are; without these roles, the pairs of models that are most and least alike."""
    found = {dataset: _both(run.comparisons.get(dataset, {})) for dataset in run.datasets}
    return [f"On {run.shown(dataset)}, {words}." for dataset, entries in found.items() if (words := _difference(run, entries))]


def _both(comparisons: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [one for one in comparisons.get("comparisons", []) if one.get("modality") == "both"]


def _difference(run: Run, entries: Sequence[Mapping[str, Any]]) -> str:
    roles = [{run.config.models.get(one["a"]), run.config.models.get(one["b"])} for one in entries]
    cast = [one for one, role in zip(entries, roles, strict=True) if role == {"CLIP", "CLOOB"}]
    if cast:
        return _of_pair(run, cast[0])
    ranked = sorted((one for one in entries if measure(one, "mutual_knn")), key=lambda one: float(one["mutual_knn"]["value"]))
    if not ranked:
        return ""
    least, most = ranked[0], ranked[-1]
    if least is most:
        return _of_pair(run, most)
    if _ends(least)[1] >= _ends(most)[0]:  # what sampling may have put in this order
        shared = span((float(one["mutual_knn"]["value"]) for one in ranked), percent)
        return f"all pairs of models are about equally alike, with {shared} of nearest neighbours in common"
    return f"{_pair(run, most)} are most alike, with {_shared(most)}; {_pair(run, least)} are least alike, with {_shared(least)}"


def _of_pair(run: Run, one: Mapping[str, Any]) -> str:
    """How alike two models are: the share of neighbours first, then what else was measured."""
    rest = _measures(one)
    if not measure(one, "mutual_knn"):
        return f"{_pair(run, one)} have {rest}" if rest else ""
    return f"{_pair(run, one)} have {_shared(one)}" + (f"; {rest}" if rest else "")


def _pair(run: Run, one: Mapping[str, Any]) -> str:
    return f"{name(one['a'], run.config)} and {name(one['b'], run.config)}"


def _shared(one: Mapping[str, Any]) -> str:
    found = one["mutual_knn"]
    interval = f" ({' to '.join(map(percent, _ends(one)))})" if found.get("ci95") else ""
    return f"{percent(float(found['value']))}{interval} of nearest neighbours in common"


def _ends(one: Mapping[str, Any]) -> tuple[float, float]:
    """The 95% interval of shared neighbours; without one, the value itself."""
    found = one["mutual_knn"]
    low, high = found.get("ci95") or (found["value"], found["value"])
    return float(low), float(high)


def _measures(one: Mapping[str, Any]) -> str:
    """CKA and cross-barcode, where they were measured; CKA without its bias where that is known."""
    cka = "linear_cka_debiased" if measure(one, "linear_cka_debiased") else "linear_cka"
    labels = {cka: "CKA (unbiased)" if cka != "linear_cka" else "CKA", "cross_barcode": "cross-barcode"}
    return listing(f"{label} {fixed(float(one[key]['value']))}" for key, label in labels.items() if measure(one, key))


def measure(one: Mapping[str, Any], key: str) -> Mapping[str, Any] | None:
    """A measure of a comparison; None where it was not taken."""
    found = one.get(key)
    return found if isinstance(found, Mapping) and found.get("value") is not None else None
