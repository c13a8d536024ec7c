"""The cost of the other stages of an experiment: training, the decision on duplicates, comparisons, sweeps, the report.

Core-seconds are those of a reference core (`jobs.planning.work`); they are rough where a stage takes minutes.
"""

from dataclasses import replace

from jobs.planning.analysis import part_costs
from jobs.planning.costs import MATCH_BYTES, ROW_BYTES, Cost, Machines
from jobs.planning.work import REFERENCE_CORE, Size
from tda.config.analysis import AnalysisConfig
from tda.config.diversity import DiversityConfig
from tda.config.models import TrainConfig
from tda.encoders.model_cost import ModelCost
from tda.store.datasets.kept_parts import SPAN_ROWS

BACKWARD = 3  # a step costs its forward pass three times
DECIDE_ROW, HASH_ROW = 4e-8, 1.5e-6  # seconds a row: to decide on it, to hash its URL and caption
SELF_ROW = 2e-6
HASH_BUCKETS = 256  # of the reference's hashes, one of which is sorted at a time
COMPARED = 0.05  # seconds a comparison, for each thousand compared pairs and draw
DIVERSITY_FIXED, DIVERSITY_SCENE, DIVERSITY_PAIR, MOST_SCENES = 2e-3, 1.5e-6, 1e-10, 20_000  # a distribution over scenes
REPORT_FIXED, REPORT_CELL = 3.0, 1.5  # seconds: for a page, and for each data set under an encoder


def train_cost(arm: str, model: ModelCost, pairs: int, pair_bytes: float, *, config: TrainConfig, machines: Machines) -> Cost:
    """One arm, on one device."""
    flops = float(BACKWARD * model.pair * config.steps * config.batch_size)
    decoded = pairs / (machines.hardware.decode_rate * machines.cores)
    seconds = flops / (machines.rate / machines.devices) + decoded
    return Cost(
        stage=f"train {arm}",
        flops=flops,
        read=pairs * pair_bytes,
        written=4.0 * model.parameters * 3,
        memory=4.0 * model.parameters * 4 + 4.0 * pairs * 3 * model.pixels**2,
        hours=seconds / 3600,
        bound="one device",
        formulas={"work": f"{config.steps:,} steps of {config.batch_size:,} pairs, forward and backward, on one device an arm"},
    )


def dedupe_cost(stage: str, rows: int, reference: int, *, within: bool, machines: Machines) -> Cost:
    """Hashing both sides once, and reading the cosines of every row; the rows of a large set by tasks, all else in one process."""
    tasks = rows > SPAN_ROWS and not within
    slower = REFERENCE_CORE / machines.core_rate
    own, alone = (DECIDE_ROW + HASH_ROW) * rows * slower, (HASH_ROW * reference + SELF_ROW * rows * within) * slower
    took = own / (machines.at_once(machines.cores) if tasks else 1) + alone
    read = float(MATCH_BYTES * rows + ROW_BYTES * (rows + reference))
    reading = read / machines.hardware.read_bytes
    where = f"the rows in runs of {SPAN_ROWS:,} by tasks, the reference in one process" if tasks else "in one process"
    held = SPAN_ROWS * machines.cores if tasks else rows
    return Cost(
        stage=stage,
        flops=0.0,
        read=read,
        written=float(9 * rows),
        memory=float((3 + 16 * within) * held + 16 * reference / HASH_BUCKETS * tasks + 16 * reference * (not tasks)),
        hours=max(took, reading) / 3600,
        bound="reading" if reading > took else "all cores" if tasks and own > alone else "one core",
        formulas={"work": f"URLs and captions of {rows:,} rows and of {reference:,} of the reference hashed, cosines read, {where}"},
        core_seconds=own + alone,
    )


def analysis_costs(name: str, size: Size, analysis: AnalysisConfig, machines: Machines) -> list[Cost]:
    """Every part of one data set under one encoder."""
    return list(part_costs(size, analysis, machines, prefix=f"analyze {name}: "))


def sweep_cost(name: str, size: Size, analysis: AnalysisConfig, cells: int, machines: Machines) -> Cost:
    """Layouts and clusters of a grid; the neighbours of all are found once."""
    layout, clusters = (next(part_costs(size, _only(analysis, part), machines)) for part in ("umap", "clusters"))
    seconds = cells * (layout.core_seconds + clusters.core_seconds)
    return Cost(
        stage=f"analyze {name}: {cells} layouts",
        flops=cells * layout.flops,
        read=cells * layout.read,
        written=0.0,
        memory=min(cells, machines.cores) * layout.memory,
        hours=seconds / min(cells, machines.cores) / 3600,
        bound="all cores",
        formulas={"work": f"{cells} settings of umap, clusters of each"},
        core_seconds=seconds,
    )


def _only(analysis: AnalysisConfig, part: str) -> AnalysisConfig:
    space = replace(analysis.clusters, space="layout" if part == "umap" else "raw", stability_seeds=1)
    return replace(analysis, parts=[part], clusters=space)


def comparison_cost(dataset: str, encoders: int, analysis: AnalysisConfig, machines: Machines) -> Cost:
    """Every two encoders, by image, by text and by both."""
    config = analysis.compare
    count = 3 * encoders * (encoders - 1) // 2
    seconds = count * COMPARED * config.draws * config.sample / 1000 * REFERENCE_CORE / machines.core_rate
    return Cost(
        stage=f"analyze {dataset}: comparisons",
        flops=0.0,
        read=0.0,
        written=0.0,
        memory=1e8 * machines.cores,
        hours=seconds / min(max(1, count), machines.cores) / 3600,
        bound="all cores",
        formulas={"work": f"{count} comparisons of {config.sample:,} pairs, {config.draws} draws each"},
        core_seconds=seconds,
    )


def diversity_cost(dataset: str, pairs: int, arms: int, config: DiversityConfig, machines: Machines) -> Cost:
    """Guided images of a drawn world: a distribution over its scenes for each prompt, arm and level of fidelity."""
    scenes = min(pairs, MOST_SCENES)
    each = DIVERSITY_FIXED + DIVERSITY_SCENE * scenes + DIVERSITY_PAIR * scenes * scenes
    count = arms * config.prompts * (config.levels + 2)
    seconds = count * each * REFERENCE_CORE / machines.core_rate
    return Cost(
        stage=f"diversity {dataset}",
        flops=0.0,
        read=0.0,
        written=0.0,
        memory=4.0 * scenes * scenes * arms + 8.0 * scenes * (config.prompts + 200) * arms,
        hours=seconds / min(arms, machines.cores) / 3600,
        bound="a core for each arm",
        formulas={"work": f"{count:,} distributions over {scenes:,} scenes: {config.prompts:,} prompts by {arms} arms"},
        core_seconds=seconds,
    )


def report_cost(cells: int, machines: Machines) -> Cost:
    """The page of all that was analysed."""
    seconds = (REPORT_FIXED + REPORT_CELL * cells) * REFERENCE_CORE / machines.core_rate
    return Cost(
        stage="report", flops=0.0, read=1e7 * cells, written=3e6 * cells, memory=1e9, hours=seconds / 3600, bound="one core",
        formulas={"work": f"figures and tables of {cells} analyses"}, core_seconds=seconds,
    )  # fmt: skip
