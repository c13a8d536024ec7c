"""The whole pipeline in one command: train, embed, nearest, dedupe, analyse, report; each stage does only what is not done yet.

A data set `<name>-minus-<reference>` among `datasets` is `name` without the pairs of `reference`: both are embedded, the closest rows are
found, and the remaining rows are analysed.
"""

import dataclasses
import sys
from collections.abc import Iterator

from rich.console import Console

from jobs.analyze import analyze
from jobs.dedup.planted_recall import evaluate
from jobs.dedupe import dedupe
from jobs.diversity import diversity
from jobs.embed import embed_sets
from jobs.experiment.datasets_and_encoders import (
    both_see,
    check_under,
    dataset_of,
    embedded_names,
    encoder_of,
    encoders_on,
    guided_of,
    joins_of,
    views_of,
)
from jobs.experiment.summary import across, summary_table
from jobs.nearest import run as nearest
from jobs.report import run as report
from jobs.runtime.app import Outcome, command
from jobs.runtime.session import shared_ray
from jobs.runtime.showing.display import counted, display, placed
from jobs.runtime.sweeps.cells import current_cell
from jobs.train import train_arms
from tda.config.datasets import DatasetConfig
from tda.config.jobs import AnalyzeJob, DedupeJob, DiversityJob, NearestJob, PaperJob, ReportJob, TrainJob
from tda.config.models import Arm, EncoderConfig
from tda.errors import UserError
from tda.store.datasets.views import recorded_name
from tda.store.paths import RootPaths, base_of

RESULTS = ("analyze", "diversity", "report")  # stages of a sweep's cell: what they rest on is that of the root around it


def run(job: PaperJob) -> Outcome:
    """Every stage in order over one Ray; the run ends at the first stage that is incomplete."""
    _check(job)
    around = dataclasses.replace(job, root=base_of(job.root))
    stages = {"train": _train, "embed": _embed, "nearest": _nearest, "dedupe": _dedupe, "analyze": _analyze}
    stages |= ({"diversity": _diversity} if guided_of(job) else {}) | {"report": _report}
    if current_cell() is not None:
        del stages["report"]  # that of the root around the cells shows them all
    numbers, places = dict[str, float](), dict[str, None]()
    with shared_ray(), display() as shown:
        for number, (name, stage) in enumerate(stages.items(), start=1):
            place = f"{number}/{len(stages)} {name}"
            shown.note(place)
            with placed(place):
                for outcome in stage(job if name in RESULTS else around):
                    shown.note(f"    {outcome.line}")
                    if not outcome.whole:
                        return Outcome(whole=False, line=f"{name}: {outcome.line}", places=[*places, *(outcome.places or ())])
                    numbers |= outcome.numbers if name == "analyze" else {}
                    places |= dict.fromkeys(outcome.places or ())
    Console(width=None if sys.stdout.isatty() else 100).print(summary_table(job.root, job.datasets, job.encoders))
    line = f"report: {RootPaths(job.root).report()}" if "report" in stages else f"analysed: {job.root}"
    return Outcome(whole=True, line=line, numbers=numbers, places=list(places))


def _check(job: PaperJob) -> None:
    """Refuse mistakes of the configuration before any work starts."""
    for field in ("datasets", "encoders"):
        if not getattr(job, field):
            raise UserError(f"{field}=[] leaves nothing to do: name at least one, or choose an experiment")
    strays = sorted(set(job.arms) - set(job.encoders))
    if strays:
        raise UserError(f"arms {', '.join(strays)} are not among encoders={job.encoders}")
    if job.arms and job.train_dataset is None:
        raise UserError("arms are given but train_dataset is not: name the preset of their training data")
    for name in filter(None, (job.train_dataset, *embedded_names(job))):
        dataset_of(job, name)
    for name in job.encoders:
        encoder_of(job, name)
    check_under(job)
    labelled = [view.name for view in views_of(job) if view != view.plain]
    if labelled:
        raise UserError(f"datasets name {labelled[0]}: an experiment makes its views by its own dedupe settings, so leave out the @")
    if job.dedupe.by is not None and job.dedupe.by not in job.encoders:
        raise UserError(f"dedupe.by={job.dedupe.by} is not among encoders={job.encoders}")


def _train(job: PaperJob) -> list[Outcome]:
    return train_arms([_train_job(job, name, arm) for name, arm in job.arms.items()])


def _train_job(job: PaperJob, name: str, arm: Arm) -> TrainJob:
    return TrainJob(
        root=job.root,
        loss=arm.loss,
        hopfield=arm.hopfield,
        dataset=dataset_of(job, str(job.train_dataset)),
        encoder=encoder_of(job, name),
        train=job.train,
        cluster=job.cluster,
    )


def _embed(job: PaperJob) -> list[Outcome]:
    """Data sets that the same encoders see together, so that one decode feeds them all."""
    groups: dict[tuple[str, ...], list[DatasetConfig]] = {}
    for name in embedded_names(job):
        groups.setdefault(tuple(encoders_on(job, name)), []).append(dataset_of(job, name))
    return [
        outcome
        for encoders, datasets in groups.items()
        for outcome in embed_sets(job.root, datasets, [encoder_of(job, name) for name in encoders], job.embed, job.cluster)
    ]


def _nearest(job: PaperJob) -> Iterator[Outcome]:
    for dataset, reference, encoder in counted([(*names, encoder) for names in joins_of(job) for encoder in both_see(job, *names)]):
        yield nearest(
            NearestJob(
                root=job.root,
                dataset=DatasetConfig(name=dataset),
                reference=DatasetConfig(name=reference),
                encoder=EncoderConfig(name=encoder),
                nearest=job.nearest,
                cluster=job.cluster,
            )
        )


def _dedupe(job: PaperJob) -> Iterator[Outcome]:
    for view in counted(views_of(job)):
        for encoder in both_see(job, view.base, view.reference):
            yield dedupe(
                DedupeJob(
                    root=job.root,
                    dataset=DatasetConfig(name=view.base),
                    reference=DatasetConfig(name=view.reference),
                    encoder=EncoderConfig(name=encoder),
                    dedupe=job.dedupe,
                ),
                view,
            )
        dataset = dataset_of(job, recorded_name(view.base))
        if dataset.toy is not None and dataset.toy.duplicates:
            for encoder in [job.dedupe.by] if job.dedupe.by else both_see(job, view.base, view.reference):
                yield Outcome(whole=True, line=evaluate(job.root, view, encoder, str(dataset.shards).removesuffix("/*.tar")))


def _analyze(job: PaperJob) -> Iterator[Outcome]:
    jobs = [_analyze_job(job, dataset, encoder) for dataset in job.datasets for encoder in encoders_on(job, dataset)]
    for one in counted(jobs):
        yield _named(analyze(one), one)
    yield from across(job, jobs)


def _named(outcome: Outcome, job: AnalyzeJob) -> Outcome:
    """The numbers of one analysis, under its data set and encoder."""
    numbers = {f"{job.dataset.name}.{job.encoder.name}.{path}": value for path, value in outcome.numbers.items()}
    return dataclasses.replace(outcome, numbers=numbers)


def _analyze_job(job: PaperJob, dataset: str, encoder: str) -> AnalyzeJob:
    others = [name for name in job.datasets if name != dataset and encoder in encoders_on(job, name)]
    separability = job.analysis.separability
    transfer = dataclasses.replace(separability, transfer=separability.transfer or others)
    return AnalyzeJob(
        root=job.root,
        dataset=DatasetConfig(name=dataset),
        encoder=encoder_of(job, encoder),
        analysis=dataclasses.replace(job.analysis, separability=transfer),
        cluster=job.cluster,
    )


def _diversity(job: PaperJob) -> Iterator[Outcome]:
    for name in counted(guided_of(job)):
        yield diversity(
            DiversityJob(
                root=job.root,
                dataset=DatasetConfig(name=name),
                encoders=job.encoders,
                diversity=job.diversity,
                report=job.report,
                cluster=job.cluster,
            )
        )


def _report(job: PaperJob) -> list[Outcome]:
    return [report(ReportJob(root=job.root, report=job.report))]


main = command("paper", PaperJob, run)

if __name__ == "__main__":
    sys.exit(main())
