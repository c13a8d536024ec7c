"""Tables of topology, and of the distance between spaces."""

import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from tda.report.data.evidence import name, value
from tda.report.data.load import Cell, Run
from tda.report.data.words import fixed
from tda.report.drawing.table import Column, Table, Value, count, interval_text, remarks_of
from tda.report.topics.topology import findings as findings_topology

MEASURES = {
    "linear_cka_debiased": "CKA, unbiased",
    "linear_cka": "CKA",
    "mutual_knn": "Shared neighbours",
    "cross_barcode": "Cross-barcode",
}
_ROWS = ("both", "image", "text")


def compared(run: Run) -> Table:
    """How different the models' spaces of the same pairs are."""
    columns = [Column(label="Data set"), Column(label="Rows"), Column(label="Models", numeric=False)]
    for key, label in MEASURES.items():
        paged = key != "linear_cka"  # its unbiased form is on the page
        columns += [
            Column(label="Value", show=_hundredth, group=label, paged=paged),
            Column(label="95% interval", group=label, paged=paged, filed=False),
            *(Column(label=end, group=f"{label}, 95% interval", paged=False) for end in ("from", "to")),
            Column(label="Shuffled", show=_hundredth, group=label, paged=paged),
        ]
    rows: list[list[Value]] = []
    for dataset in run.datasets:
        names = dict(zip(("image", "text"), run.of(dataset)[0].modalities, strict=True))
        entries = run.comparisons.get(dataset, {}).get("comparisons", [])
        for one in sorted(entries, key=lambda one: list(_ROWS).index(one.get("modality", "both"))):
            pair = f"{name(one['a'], run.config)} – {name(one['b'], run.config)}"
            measured = [cell for key in MEASURES for cell in _measured(one, key)]
            rows.append([run.shown(dataset), names.get(one.get("modality"), "both"), pair, *measured])
    return Table(
        name="compared",
        label="Models compared",
        title="How different are the models' spaces of the same pairs?",
        columns=columns,
        rows=rows,
        sentences=findings_topology.differences(run),
        missing=_uncompared(run),
        note="Unbiased CKA and the share of nearest neighbours in common are 1 for the same space, the H0 cross-barcode is 0; none changes "
        "under a rotation. “Shuffled” is the same measure of shuffled partners, as unrelated spaces would show. Plain CKA is in "
        "the CSV.",
        outer=2,
    )


def _uncompared(run: Run) -> list[str]:
    """Data sets of several models that were not compared, with the command that compares them."""
    models = {dataset: [cell.encoder for cell in run.of(dataset)] for dataset in run.datasets if dataset not in run.comparisons}
    return [_complaint(run, dataset, encoders) for dataset, encoders in models.items() if len(encoders) > 1]


def _complaint(run: Run, dataset: str, encoders: Sequence[str]) -> str:
    words = [f"dataset.name={dataset}", f"encoders=[{','.join(encoders)}]", f"root={run.root}"]
    return f"{dataset}: comparisons.json is missing; {shlex.join(['python', '-m', 'jobs.analyze', *words])} makes it"


def _measured(one: Mapping[str, Any], key: str) -> list[Value]:
    found = findings_topology.measure(one, key) or {}
    interval = found.get("ci95") or (None, None)
    return [found.get("value"), interval_text(interval, _hundredth), *interval, found.get("chance")]


def _hundredth(number: float) -> str:
    return f"{round(number, 2) + 0.0:.2f}".replace("-", "−")  # no minus before a zero


def topology(run: Run) -> Table:
    """Persistent homology in numbers."""
    degrees = {"h0": "Components (H0)", "h1": "Loops (H1)"}
    columns = [Column(label="Data set"), Column(label="Rows"), Column(label="Model", numeric=False)]
    for label in degrees.values():
        columns += [
            Column(label="Lifetimes, sum", group=label),
            Column(label="over seeds", group=label, filed=False),
            Column(label="Longest", group=label),
            *(Column(label=kind, group=f"{label}, sum over seeds", paged=False) for kind in ("mean", "standard deviation")),
        ]
    columns += [Column(label="Landmarks", show=count)]
    rows: list[list[Value]] = [
        [
            cell.shown,
            dict(zip(("image", "text"), cell.modalities, strict=True)).get(modality, "both"),
            name(cell.encoder, run.config),
            *(number for degree in degrees for number in _persistent(cell, modality, degree)),
            value(cell, "homology", modality, "landmarks"),
        ]
        for modality in _ROWS
        for cell in run.cells
        if value(cell, "homology", modality, "h0", "total_persistence") is not None
    ]
    order = [run.shown(dataset) for dataset in run.datasets]
    rows.sort(key=lambda row: order.index(str(row[0])))
    return Table(
        name="topology",
        label="Topology",
        title="Components and loops in numbers",
        columns=columns,
        rows=rows,
        sentences=[],
        remarks=remarks_of(run, "homology"),
        note="Lifetimes of the features of a Vietoris–Rips filtration of landmarks, in radians. “Over seeds”: mean and standard deviation "
        "over other draws of landmarks. The longest lifetime of a component is the angle at which the last two groups join.",
        outer=2,
    )


def _persistent(cell: Cell, modality: str, degree: str) -> list[Value]:
    total, longest = (value(cell, "homology", modality, degree, kind) for kind in ("total_persistence", "longest"))
    mean, std = (value(cell, "homology", modality, "stability", degree, "total_persistence", kind) for kind in ("mean", "std"))
    shown = f"{fixed(mean)} ± {fixed(std)}" if mean is not None and std is not None else None
    return [total, shown, longest, mean, std]
