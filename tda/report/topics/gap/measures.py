"""The gap as other papers report it: one table, and one sentence a data set."""

from collections.abc import Sequence

from tda.config.stages import ReportConfig
from tda.report.data.evidence import each, known, name, value
from tda.report.data.load import Cell, Run
from tda.report.data.words import fixed, listing, percent
from tda.report.drawing.table import Column, Table

PART = "gap_measures"
RMG = (PART, "relative_modality_gap")
P_VALUE = (PART, "sampled", "own_modality", "p_value")
LEVEL = 0.05
DIRECTIONS = {"image_to_text": "Hubs, {first} to {second}", "text_to_image": "Hubs, {second} to {first}"}

# group, label, path under the part; the last two places say whether it is a share, and whether the page has it beside the CSV
COLUMNS = (
    ("Distance", "RMG", ("relative_modality_gap",), False, True),
    ("Distance", "L2I", ("sampled", "pair_difference", "distance"), False, True),
    ("Distance", "Fréchet", ("frechet",), False, True),
    ("Distance", "along the gap", ("sampled", "pair_difference", "along_gap"), True, False),
    ("Mean cosine within", "{first}", ("cone", "image"), False, True),
    ("Mean cosine within", "{second}", ("cone", "text"), False, True),
    ("Angle of subspaces", "smallest", ("principal_angles", "smallest"), False, False),
    ("Angle of subspaces", "mean", ("principal_angles", "mean"), False, True),
    ("Two samples", "own modality", ("sampled", "own_modality", "value"), True, True),
    ("Two samples", "p", ("sampled", "own_modality", "p_value"), False, True),
    ("Two samples", "MMD²", ("sampled", "mmd", "value"), False, True),
    ("Two samples", "p of MMD²", ("sampled", "mmd", "p_value"), False, False),
    ("RankMe", "{first}", ("rank_me", "image"), False, True),
    ("RankMe", "{second}", ("rank_me", "text"), False, True),
    ("Slope of the spectrum", "{first}", ("alpha", "image"), False, False),
    ("Slope of the spectrum", "{second}", ("alpha", "text"), False, False),
    *(
        (group, label, ("sampled", "hubness", direction, key), share, page)
        for direction, group in DIRECTIONS.items()
        for label, key, share, page in (
            ("skewness", "skewness", False, True),
            ("never found", "anti_hubs", True, False),
            ("of the top 1%", "top_share", True, False),
            ("top-1", "top1", True, True),
            ("top-1, CSLS", "top1_csls", True, True),
            ("top-1, inverted softmax", "top1_inverted_softmax", True, False),
        )
    ),
    ("Shared shape", "debiased CKA", ("sampled", "cka_debiased"), False, True),
    ("Shared shape", "neighbours", ("sampled", "mutual_knn"), True, True),
    ("Shared shape", "cross-barcode", ("sampled", "cross_barcode"), False, False),
    ("Shared shape", "imbalance, {first} to {second}", ("sampled", "information_imbalance", "image_to_text"), False, False),
    ("Shared shape", "imbalance, {second} to {first}", ("sampled", "information_imbalance", "text_to_image"), False, False),
    ("Shared shape", "IdCor", ("sampled", "dimension_correlation", "value"), False, False),
    ("Shared shape", "p of IdCor", ("sampled", "dimension_correlation", "p_value"), False, False),
    ("After a rotation", "residual", ("sampled", "procrustes", "residual"), False, True),
    ("After a rotation", "top-1 before", ("sampled", "procrustes", "top1_before"), True, False),
    ("After a rotation", "top-1", ("sampled", "procrustes", "top1"), True, True),
)


def measures(run: Run) -> Table:
    """A row for each data set and model."""
    first, second = run.modalities
    words = {"first": first, "second": second}
    cells = [cell for cell in run.cells if cell.metrics.get(PART)]
    columns = [
        Column(label=label.format(**words), group=group.format(**words), show=percent if share else fixed, paged=page)
        for group, label, _, share, page in COLUMNS
    ]
    rows = [[cell.shown, name(cell.encoder, run.config), *(value(cell, PART, *path) for _, _, path, _, _ in COLUMNS)] for cell in cells]
    return Table(
        name="measures",
        label="Measures",
        title="The gap as other papers report it",
        columns=[Column(label="Data set"), Column(label="Model", numeric=False), *columns],
        rows=rows,
        sentences=apart(cells, run.config),
        remarks=[f"{cell.shown} / {cell.encoder}: {note}" for cell in cells for note in cell.metrics[PART].get("notes", [])],
        note="RMG and L2I as Schrodi et al. 2024, angles in degrees between ten principal directions of each modality, the share of "
        "the nearest rows that are of a row's own modality with the p-value of exchanged pairs, RankMe of uncentred rows. Hubs and what "
        "follows are measured on a sample of pairs, so that top-1 is among these alone. The CSV has more columns.",
    )


def apart(cells: Sequence[Cell], config: ReportConfig) -> list[str]:
    """The range of RMG over the models of a data set, and in which the two modalities are two samples."""

    def sentence(dataset: str, group: list[Cell]) -> str:
        ordered = sorted(group, key=lambda cell: known(cell, *RMG))
        ends = [f"{fixed(known(cell, *RMG))} ({name(cell.encoder, config)})" for cell in (ordered[0], ordered[-1])]
        span = f"RMG is {ends[0]}" if len(group) == 1 else f"RMG goes from {ends[0]} to {ends[1]}"
        two = [name(cell.encoder, config) for cell in group if known(cell, *P_VALUE) < LEVEL]
        tested = f"a two-sample test separates the modalities in {listing(two)}" if two else "no two-sample test separates the modalities"
        return f"On {dataset}, {span}; {tested}."

    return each(cells, [RMG, P_VALUE], sentence)
