"""The cost of a run before it starts: FLOPs, bytes, memory and hours of embedding and of the nearest-row search.

python -m jobs.plan experiment=paper cluster=h200x8

FLOPs are counted on the models' graphs, without weights. Sizes come from presets, or from records under `root`; so do rates, if a device of
the same kind has measured them. Only records are read, and nothing runs.
"""

import sys
from collections.abc import Iterator

import numpy as np
from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table

from jobs.experiment.names import embedded_names, encoder_of, joins_of
from jobs.join.driver import cells_of, probes_of
from jobs.planning.calibrate import Measured, calibrated, measured
from jobs.planning.costs import Cost, JoinSize, Machines, embed_cost, nearest_cost
from jobs.runtime.app import Outcome, command
from jobs.runtime.presets import load_choice
from tda.config.datasets import DatasetConfig
from tda.config.jobs import PlanJob
from tda.encoders.model_cost import ModelCost
from tda.errors import UserError


def run(job: PlanJob) -> Outcome:
    """Print the cost of every stage with its formulas, and the total. Raises UserError for an unknown size."""
    from tda.encoders.flops import model_cost

    models = {name: model_cost(encoder_of(job, name)) for name in job.encoders}
    costs = list(plan(job, models))
    console = Console(width=None if sys.stdout.isatty() else 140)
    console.print(_table(job, costs))
    for cost in costs:
        console.print(f"{cost.stage}", markup=False, highlight=False)
        for name, formula in cost.formulas.items():
            console.print(f"    {name}: {formula}", markup=False, highlight=False, soft_wrap=True)
    hours, devices = sum(cost.hours for cost in costs), Machines.of(job.cluster.hardware).devices
    kind = "GPU" if job.cluster.hardware.gpus else "core"
    totals = f"{sum(cost.flops for cost in costs):.3g} FLOP, {sum(cost.read for cost in costs):.3g} bytes read"
    return Outcome(whole=True, line=f"plan: {_duration(hours)} on {devices} {kind}s ({totals}, {hours * devices:,.3g} {kind}-hours)")


def plan(job: PlanJob, models: dict[str, ModelCost]) -> Iterator[Cost]:
    """The costs of the stages, in their order."""
    if not models:
        raise UserError("encoders=[] leaves nothing to plan: name at least one, or choose an experiment")
    itemsize, sizes, found = np.dtype(job.embed.dtype).itemsize, dict[str, int](), dict[str, Measured]()
    for name in embedded_names(job):
        dataset: DatasetConfig = load_choice("dataset", name, job.root)
        found[name] = measured(job.root, name, models)
        sizes[name] = _pairs(job, dataset, found[name])
        machines = calibrated(job.cluster.hardware, found[name])
        yield embed_cost(name, sizes[name], _pair_bytes(dataset, found[name]), models, itemsize=itemsize, machines=machines)
    laid_out: set[tuple[str, str]] = set()
    for dataset_name, reference in joins_of(job):
        cells = cells_of(job.nearest, sizes[reference])
        for encoder, model in models.items():
            size = JoinSize(
                queries=sizes[dataset_name],
                reference=sizes[reference],
                dim=model.dim,
                itemsize=itemsize,
                probes=probes_of(job.nearest, sizes[reference], cells),
                cells=cells,
                laid_out=(reference, encoder) in laid_out,
            )
            laid_out.add((reference, encoder))
            yield nearest_cost(f"nearest {dataset_name} in {reference}, {encoder}", size, Machines.of(job.cluster.hardware))


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


TOY_PAIR_BYTES = 4096  # three members of a tar, each with a header and rounded up to 512


def _table(job: PlanJob, costs: list[Cost]) -> Table:
    table = Table(title=f"Lacuna: the cost of {', '.join(job.datasets)}", title_justify="left", box=SIMPLE, padding=(0, 1, 0, 0))
    table.add_column("stage")
    for heading in ("FLOP", "read", "written", "memory", "time", "bound by"):
        table.add_column(heading, justify="right", no_wrap=True)
    for cost in costs:
        numbers = (f"{value:.3g}" for value in (cost.flops, cost.read, cost.written, cost.memory))
        table.add_row(cost.stage, *numbers, _duration(cost.hours), cost.bound)
    return table


def _duration(hours: float) -> str:
    return f"{hours:,.1f} h" if hours >= 1 else f"{hours * 60:.1f} min" if hours >= 1 / 60 else f"{hours * 3600:.1f} s"


main = command("plan", PlanJob, run, recorded=False)

if __name__ == "__main__":
    sys.exit(main())
