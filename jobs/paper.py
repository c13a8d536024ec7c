"""The whole pipeline in one command: draw, train, embed, analyse, report; each stage does only what is not done yet."""

import dataclasses
import sys

from rich.console import Console

from jobs.analyze import analyze
from jobs.embed import embed
from jobs.report import run as report
from jobs.runtime.across import across
from jobs.runtime.app import Outcome, command
from jobs.runtime.choices import load_choice
from jobs.runtime.session import shared_ray
from jobs.runtime.summary import summary_table
from jobs.train import train_arms
from tda.config import AnalyzeJob, Arm, DatasetConfig, EncoderConfig, PaperJob, ReportJob, TrainJob
from tda.errors import UserError
from tda.store.layout import Layout


def run(job: PaperJob) -> Outcome:
    """Every stage in order over one Ray; a stage that is not whole ends the run, since the next ones rest on it."""
    _check(job)
    progress = Console(stderr=True)
    stages = {"train": _train, "embed": _embed, "analyze": _analyze, "report": _report}
    with shared_ray():
        for number, (name, stage) in enumerate(stages.items(), start=1):
            progress.print(f"[bold]{number}/{len(stages)} {name}[/bold]", highlight=False)
            for outcome in stage(job):
                progress.print(f"    {outcome.line}", highlight=False, markup=False)
                if not outcome.whole:
                    return Outcome(whole=False, line=f"{name}: {outcome.line}")
    Console(width=None if sys.stdout.isatty() else 100).print(summary_table(job.root, job.datasets, job.encoders))
    return Outcome(whole=True, line=f"report: {Layout(job.root).report()}")


def _check(job: PaperJob) -> None:
    """Every mistake that can be seen beforehand, before hours are spent."""
    for field in ("datasets", "encoders"):
        if not getattr(job, field):
            raise UserError(f"{field}=[] leaves nothing to do: name at least one, or choose an experiment")
    strays = sorted(set(job.arms) - set(job.encoders))
    if strays:
        raise UserError(f"arms {', '.join(strays)} are not among encoders={job.encoders}")
    if job.arms and job.train_dataset is None:
        raise UserError("arms are given but train_dataset is not: name the preset that they are trained on")
    for name in filter(None, (job.train_dataset, *job.datasets)):
        _dataset(job, name)
    for name in job.encoders:
        _encoder(job, name)


def _dataset(job: PaperJob, name: str) -> DatasetConfig:
    given = job.shards.get(name)
    dataset: DatasetConfig = load_choice("dataset", name, job.root, **({} if given is None else {"shards": given}))
    if dataset.shards is None:
        raise UserError(f"dataset {name} has no shards: give shards.{name}='/data/{{00000..00059}}.tar'")
    return dataset


def _encoder(job: PaperJob, name: str) -> EncoderConfig:
    given = job.checkpoints.get(name)
    encoder: EncoderConfig = load_choice("encoder", name, job.root, **({} if given is None else {"checkpoint": given}))
    return encoder


def _train(job: PaperJob) -> list[Outcome]:
    return train_arms([_train_job(job, name, arm) for name, arm in job.arms.items()])


def _train_job(job: PaperJob, name: str, arm: Arm) -> TrainJob:
    return TrainJob(
        root=job.root,
        loss=arm.loss,
        hopfield=arm.hopfield,
        dataset=_dataset(job, str(job.train_dataset)),
        encoder=_encoder(job, name),
        train=job.train,
        cluster=job.cluster,
    )


def _embed(job: PaperJob) -> list[Outcome]:
    encoders = [_encoder(job, name) for name in job.encoders]
    return [embed(job.root, _dataset(job, name), encoders, job.embed, job.cluster) for name in job.datasets]


def _analyze(job: PaperJob) -> list[Outcome]:
    jobs = [_analyze_job(job, dataset, encoder) for dataset in job.datasets for encoder in job.encoders]
    return [*(analyze(one) for one in jobs), *across(job, jobs)]


def _analyze_job(job: PaperJob, dataset: str, encoder: str) -> AnalyzeJob:
    others = [name for name in job.datasets if name != dataset]
    separability = job.analysis.separability
    transfer = dataclasses.replace(separability, transfer=separability.transfer or others)
    return AnalyzeJob(
        root=job.root,
        dataset=_dataset(job, dataset),
        encoder=_encoder(job, encoder),
        analysis=dataclasses.replace(job.analysis, separability=transfer),
        cluster=job.cluster,
    )


def _report(job: PaperJob) -> list[Outcome]:
    return [report(ReportJob(root=job.root, report=job.report))]


main = command("paper", PaperJob, run)

if __name__ == "__main__":
    sys.exit(main())
