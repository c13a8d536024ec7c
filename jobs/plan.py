"""The cost of a run before it starts: FLOPs, bytes, memory and hours of every stage, from training to the report.

python -m jobs.plan experiment=paper cluster=h200x8

FLOPs are counted on the models' graphs, without weights. Sizes come from presets, or from records under `root`; so do rates, if a device of
the same kind has measured them. Only records are read, and nothing runs, but for a quarter of a second in which this machine is measured
where the run is planned for it.
"""

import sys
from collections.abc import Iterator
from dataclasses import replace
from math import log10

import numpy as np
from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table

from jobs.analysis.settled import settled
from jobs.experiment.datasets_and_encoders import (
    both_see,
    check_under,
    embedded_names,
    encoder_of,
    encoders_on,
    guided_of,
    joins_of,
    views_of,
)
from jobs.join.driver import cells_of, probes_of
from jobs.join.probe_choice import AUTO, UNASKED, queries_wanted
from jobs.planning.calibrate import Measured, calibrated, measured
from jobs.planning.costs import Cost, JoinSize, Machines, embed_cost, nearest_cost
from jobs.planning.machine import cores_of
from jobs.planning.stages import analysis_costs, comparison_cost, dedupe_cost, diversity_cost, report_cost, sweep_cost, train_cost
from jobs.planning.work import Size
from jobs.runtime.app import Outcome, command
from jobs.runtime.presets import load_choice
from tda.config.datasets import DatasetConfig
from tda.config.jobs import PlanJob
from tda.encoders.model_cost import ModelCost
from tda.errors import UserError
from tda.store.datasets.views import recorded_name


def run(job: PlanJob) -> Outcome:
    """Print the cost of every stage with its formulas, and the total. Raises UserError for an unknown size."""
    from tda.encoders.flops import model_cost

    models = {name: model_cost(encoder_of(job, name)) for name in job.encoders}
    costs = list(plan(job, models))
    console = Console(width=None if sys.stdout.isatty() else 140)
    console.print(_table(job, costs))
    for cost in costs:
        if cost.warning:
            console.print(f"warning: {cost.stage}: {cost.warning}", markup=False, highlight=False, soft_wrap=True)
    console.print(LEGEND, markup=False, highlight=False, soft_wrap=True)
    counted = list[dict[str, str]]()
    for cost in costs:
        if cost.formulas not in counted:  # encoders of one size share theirs
            counted.append(dict(cost.formulas))
            console.print(f"{cost.stage}", markup=False, highlight=False)
            for name, formula in cost.formulas.items():
                console.print(f"    {name}: {formula}", markup=False, highlight=False, soft_wrap=True)
    hours, devices = sum(cost.hours for cost in costs), Machines.of(job.cluster.hardware).devices
    kind = "GPU" if job.cluster.hardware.gpus else "core"
    totals = f"{sum(cost.flops for cost in costs):.3g} FLOP, {sum(cost.read for cost in costs):.3g} bytes read"
    return Outcome(
        whole=True, line=f"plan: {_duration(hours)} on {devices} {kind}s ({totals}, {hours * devices:,.3g} {kind}-hours)", places=[]
    )


def plan(job: PlanJob, models: dict[str, ModelCost]) -> Iterator[Cost]:
    """The costs of the stages, in their order."""
    if not models:
        raise UserError("encoders=[] leaves nothing to plan: name at least one, or choose an experiment")
    check_under(job)
    itemsize, sizes, found = np.dtype(job.embed.dtype).itemsize, dict[str, int](), dict[str, Measured]()
    yield from _training(job, models)
    for name in embedded_names(job):
        dataset: DatasetConfig = load_choice("dataset", name, job.root)
        seen = {encoder: models[encoder] for encoder in encoders_on(job, name)}
        found[name] = measured(job.root, name, seen)
        sizes[name] = _pairs(job, dataset, found[name])
        machines = calibrated(job.cluster.hardware, found[name])
        yield embed_cost(name, sizes[name], _pair_bytes(dataset, found[name]), seen, itemsize=itemsize, machines=machines)
    grouped: set[tuple[str, str]] = set()
    for dataset_name, reference in joins_of(job):
        cells = cells_of(job.nearest, sizes[reference])
        probes = probes_of(job.nearest, sizes[reference], cells)
        for encoder, model in ((one, models[one]) for one in both_see(job, dataset_name, reference)):
            size = JoinSize(
                queries=sizes[dataset_name],
                reference=sizes[reference],
                dim=model.dim,
                itemsize=itemsize,
                probes=UNASKED if probes == AUTO else probes,
                cells=cells,
                drawn=job.nearest.audit_rows + queries_wanted(job.nearest.min_recall) if probes == AUTO else 0,
                grouped=(reference, encoder) in grouped,
            )
            grouped.add((reference, encoder))
            yield nearest_cost(f"nearest {dataset_name} in {reference}, {encoder}", size, Machines.of(job.cluster.hardware))
    yield from _results(job, models, sizes, itemsize)


def _training(job: PlanJob, models: dict[str, ModelCost]) -> Iterator[Cost]:
    """The arms of the experiment."""
    if not job.arms or job.train_dataset is None:
        return
    dataset: DatasetConfig = load_choice("dataset", job.train_dataset, job.root)
    found = measured(job.root, job.train_dataset, models)
    for arm in job.arms:
        machines = calibrated(job.cluster.hardware, found)
        yield train_cost(arm, models[arm], _pairs(job, dataset, found), _pair_bytes(dataset, found), config=job.train, machines=machines)


def _results(job: PlanJob, models: dict[str, ModelCost], sizes: dict[str, int], itemsize: int) -> Iterator[Cost]:
    """What follows the embeddings: duplicates, analyses, comparisons, the report. A view counts as large as its base."""
    machines = cores_of(job.cluster)
    for view in views_of(job):
        rows, reference = (sizes[recorded_name(name)] for name in (view.base, view.reference))
        for encoder in both_see(job, view.base, view.reference):
            yield dedupe_cost(f"dedupe {view.name}, {encoder}", rows, reference, within=job.dedupe.self, machines=machines)
    for name in job.datasets:
        encoders = encoders_on(job, name)
        for encoder, model in ((one, models[one]) for one in encoders):
            size = Size(pairs=sizes[recorded_name(name)], dim=model.dim, itemsize=itemsize)
            analysis = settled(job.analysis, size.pairs)
            yield from analysis_costs(f"{name}, {encoder}", size, analysis, machines)
            cells = len(job.sweep.n_neighbors or [0]) * len(job.sweep.min_dist or [0])
            if name in job.sweep.datasets and encoder in job.sweep.encoders:
                umap = replace(analysis.umap, max_pairs=job.sweep.max_pairs)
                yield sweep_cost(f"{name}, {encoder}", size, replace(analysis, umap=umap), cells, machines)
        if len(encoders) > 1:
            yield comparison_cost(name, len(encoders), job.analysis, machines)
    for name in guided_of(job):
        yield diversity_cost(name, sizes[recorded_name(name)], len(models), job.diversity, machines)
    yield report_cost(sum(len(encoders_on(job, name)) for name in job.datasets), machines)


def _pairs(job: PlanJob, dataset: DatasetConfig, found: Measured) -> int:
    """From the command, else the preset, else the records."""
    known = job.pairs.get(dataset.name) or dataset.pairs or (dataset.toy.pairs if dataset.toy else None) or found.pairs
    if not known:
        raise UserError(f"the size of dataset {dataset.name} is not known: give pairs.{dataset.name}=NUMBER")
    return known


def _pair_bytes(dataset: DatasetConfig, found: Measured) -> float:
    known = found.pair_bytes or dataset.pair_bytes or (TOY_PAIR_BYTES if dataset.toy else None)
    if not known:
        raise UserError(f"the bytes of a pair of {dataset.name} are not known: set pair_bytes in its preset")
    return float(known)


LEGEND = (
    "How it is counted. N: pairs or queries, M: rows of the reference, D: dimensions, b: bytes of a stored number, "
    "C: cells of the reference, P: cells that are searched for a query, S: rows from which the cells are found"
)
TOY_PAIR_BYTES = 4096  # three members of a tar, each with a header and rounded up to 512


def _table(job: PlanJob, costs: list[Cost]) -> Table:
    table = Table(title=f"Lacuna: the cost of {', '.join(job.datasets)}", title_justify="left", box=SIMPLE, padding=(0, 1, 0, 0))
    table.add_column("stage")
    for heading in ("arithmetic", "read", "written", "memory", "time", "held up by"):
        table.add_column(heading, justify="right", no_wrap=True)
    for cost in costs:
        numbers = (_bytes(value) for value in (cost.read, cost.written, cost.memory))
        table.add_row(cost.stage, f"{cost.flops:.2g} FLOP" if cost.flops else "-", *numbers, _duration(cost.hours), cost.bound)
    return table


def _bytes(count: float) -> str:
    """In the unit that leaves three digits; a dash for nothing."""
    units = ("bytes", "kB", "MB", "GB", "TB", "PB", "EB")
    place = min(len(units) - 1, int(log10(count) // 3)) if count >= 1 else 0
    return f"{count / 1000**place:.3g} {units[place]}" if count else "-"


def _duration(hours: float) -> str:
    return f"{hours:,.1f} h" if hours >= 1 else f"{hours * 60:.1f} min" if hours >= 1 / 60 else f"{hours * 3600:.1f} s"


main = command("plan", PlanJob, run, recorded=False)

if __name__ == "__main__":
    sys.exit(main())
