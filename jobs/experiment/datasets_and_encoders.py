"""The names of an experiment: presets that are embedded, views made of them, and the pairs that are joined."""

from typing import Any

from jobs.runtime.presets import load_choice
from tda.config.datasets import DatasetConfig
from tda.config.jobs import PaperJob
from tda.config.models import EncoderConfig
from tda.errors import UserError
from tda.store.datasets.views import View, recorded_name, view_of
from tda.store.paths import outer_root


def embedded_names(job: PaperJob) -> list[str]:
    """Presets that are embedded: the base of every data set, what is subtracted from it, and the reference."""
    names = [recorded_name(name) for name in job.datasets] + [view.reference for view in views_of(job)]
    return list(dict.fromkeys([*names, *filter(None, [job.reference])]))


def views_of(job: PaperJob) -> list[View]:
    """`<base>-minus-<reference>` among the data sets; of a-minus-b-minus-c first a-minus-b."""
    found: list[View] = []
    for name in job.datasets:
        chain: list[View] = []
        view = view_of(name)
        while view is not None:
            chain.insert(0, view)
            view = view_of(view.base)
        found += chain
    return list(dict.fromkeys(found))


def joins_of(job: PaperJob) -> list[tuple[str, str]]:
    """(data set, reference) pairs whose closest rows are found: each view's base in its reference, each data set in the experiment's."""
    wanted = [(recorded_name(view.base), view.reference) for view in views_of(job)]
    if job.reference is not None:
        wanted += [(recorded_name(name), job.reference) for name in job.datasets]
    return [(dataset, reference) for dataset, reference in dict.fromkeys(wanted) if dataset != reference]


def guided_of(job: PaperJob) -> list[str]:
    """Those of the data sets in which the diversity of guided images is measured: none with one encoder alone, which has no rival."""
    return [name for name in job.guided if name in job.datasets] if len(job.encoders) > 1 else []


def dataset_of(job: PaperJob, name: str) -> DatasetConfig:
    """A preset, with shards from the experiment; cells of a sweep share those of the root around them. Raises UserError if it has none."""
    given = job.shards.get(name)
    dataset: DatasetConfig = load_choice("dataset", name, outer_root(job.root), **({} if given is None else {"shards": given}))
    if dataset.shards is None:
        raise UserError(f"dataset {name} has no shards: give shards.{name}='/data/{{00000..00059}}.tar'")
    return dataset


def encoder_of(job: PaperJob, name: str) -> EncoderConfig:
    given: Any = job.checkpoints.get(name)
    encoder: EncoderConfig = load_choice("encoder", name, job.root, **({} if given is None else {"checkpoint": given}))
    return encoder
