"""What persistent homology and the comparison of models show in this run, in sentences."""

from collections.abc import Mapping, Sequence
from typing import Any

from tda.config import ReportConfig
from tda.report.data.evidence import each, known, name, value
from tda.report.data.load import Cell, Run
from tda.report.data.words import fixed, listing

JOIN, LOOPS = ("homology", "both", "h0", "longest"), ("homology", "both", "h1", "total_persistence")


def homology(cells: Sequence[Cell], config: ReportConfig) -> list[str]:
    """At what angle the last components join, and how much there is of loops."""

    def tell(dataset: str, group: list[Cell]) -> str:
        joins = [f"{known(cell, *JOIN):.2f}{_within(cell)} in {name(cell.encoder, config)}" for cell in group]
        loops = [
            f"{known(cell, *LOOPS):.2f}{_spread(cell)} in {name(cell.encoder, config)}" for cell in group if value(cell, *LOOPS) is not None
        ]
        rest = f"; the lifetimes of all loops add up to {listing(loops)}" if loops else ""
        return f"On {dataset} the last components of both modalities together join at an angle (radians) of {listing(joins)}{rest}."

    return each(cells, [JOIN], tell)


def _within(cell: Cell) -> str:
    """The same of each modality alone: a gap between them shows as a later join."""
    alone = [value(cell, "homology", modality, "h0", "longest") for modality in ("image", "text")]
    known_ones = [f"{one:.2f} in {modality}" for one, modality in zip(alone, cell.modalities, strict=True) if one is not None]
    return f" ({listing(known_ones)} alone)" if known_ones else ""


def _spread(cell: Cell) -> str:
    found = value(cell, "homology", "both", "stability", "h1", "total_persistence", "std")
    return f" ± {found:.2f} over landmark seeds" if found is not None else ""


def differences(run: Run) -> list[str]:
    """How different the spaces of CLIP and CLOOB are; without these roles, the nearest and the furthest pair of models."""
    found = {dataset: _both(run.comparisons.get(dataset, {})) for dataset in run.datasets}
    return [sentence for dataset, entries in found.items() if (sentence := _difference(run, dataset, entries))]


def _both(comparisons: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [one for one in comparisons.get("comparisons", []) if one.get("modality") == "both"]


def _difference(run: Run, dataset: str, entries: Sequence[Mapping[str, Any]]) -> str:
    roles = [{run.config.models.get(one["a"]), run.config.models.get(one["b"])} for one in entries]
    cast = [one for one, role in zip(entries, roles, strict=True) if role == {"CLIP", "CLOOB"}]
    if cast:
        one = cast[0]
        return f"On {dataset} {_pair(run, one)}: {_measures(one)}."
    ranked = sorted((one for one in entries if measure(one, "mutual_knn")), key=lambda one: float(one["mutual_knn"]["value"]))
    if not ranked:
        return ""
    if len(ranked) == 1:
        return f"On {dataset} {_pair(run, ranked[0])}: {_measures(ranked[0])}."
    least, most = ranked[0], ranked[-1]
    return f"On {dataset} most alike are {_pair(run, most)}: {_measures(most)}; least alike {_pair(run, least)}: {_measures(least)}."


def _pair(run: Run, one: Mapping[str, Any]) -> str:
    return f"{name(one['a'], run.config)} and {name(one['b'], run.config)}"


def _measures(one: Mapping[str, Any]) -> str:
    known_ones = {
        "linear_cka_debiased": "CKA (unbiased)",
        "linear_cka": "CKA",
        "mutual_knn": "shared neighbours",
        "cross_barcode": "cross-barcode",
    }
    words = {key: label for key, label in known_ones.items() if measure(one, key)}
    if "linear_cka_debiased" in words:
        words.pop("linear_cka", None)
    return listing(f"{label} {_with_interval(one[key])}" for key, label in words.items())


def measure(one: Mapping[str, Any], key: str) -> Mapping[str, Any] | None:
    """A measure of a comparison, where it was taken."""
    found = one.get(key)
    return found if isinstance(found, Mapping) and found.get("value") is not None else None


def _with_interval(found: Mapping[str, Any]) -> str:
    low, high = found.get("ci95") or (None, None)
    return fixed(float(found["value"])) + (f" ({fixed(low)} to {fixed(high)})" if low is not None and high is not None else "")
