"""How the spectra of a run fall, from the singular values in metrics.json: analyses of earlier versions hold these too.

D values, descending.
"""

from collections.abc import Mapping, Sequence

from tda.config.stages import ReportConfig
from tda.geometry.spectrum.fall import Drop
from tda.report.data.evidence import known, name
from tda.report.data.load import Cell
from tda.report.data.words import listing
from tda.report.topics.rules import fall_in
from tda.report.topics.sentences import span


def collapsed(group: Sequence[Cell], config: ReportConfig, modality: str) -> str:
    """Which spectra collapse by a drop, after how many dimensions and how deep; which fade under the threshold without one."""
    found = {cell.encoder: one for cell in group if (one := fall_in(cell, modality)) is not None}
    dropped = {encoder: one.drop for encoder, one in found.items() if one.drop is not None}
    faded = [cell for cell in group if cell.encoder in found and found[cell.encoder].kind == "fades"]
    rest = [encoder for encoder in found if encoder not in dropped]
    first = _dropped(group, dropped, rest, config) if dropped else "no spectrum collapses"
    return f"{first}{_faded(faded, modality, config)}"


def _dropped(group: Sequence[Cell], dropped: Mapping[str, Drop], rest: Sequence[str], config: ReportConfig) -> str:
    dims = {cell.encoder: int(known(cell, "dim")) for cell in group}
    after = before_collapse([(drop.index, dims[encoder]) for encoder, drop in dropped.items()])
    depth = span((drop.decades for drop in dropped.values()), lambda decades: f"{decades:.1f}")
    where = f"after {after}, by a drop of {depth} decades"
    if len(dropped) == len(group):
        return f"{'every' if len(group) > 1 else 'the'} spectrum collapses, {where}"
    names, whole = ([name(encoder, config) for encoder in some] for some in (dropped, rest))
    return f"the spectrum collapses in {listing(names)}, {where}" + (f", and not in {listing(whole, 'or')}" if whole else "")


def _faded(faded: Sequence[Cell], modality: str, config: ReportConfig) -> str:
    if not faded:
        return ""
    after = before_collapse([(int(known(cell, "spectrum", modality, "collapse_index")), int(known(cell, "dim"))) for cell in faded])
    return f"; in {listing(name(cell.encoder, config) for cell in faded)} values fade under the threshold after {after}, without a drop"


def before_collapse(counts: Sequence[tuple[int, int]]) -> str:
    """Dimensions before a collapse, of how many: "39 to 57 of 64 dimensions"."""
    by_dim = {dim: [index for index, of in counts if of == dim] for _, dim in counts}
    return listing(f"{span(indices, str)} of {dim} dimensions" for dim, indices in by_dim.items())
