"""The names of an experiment: presets that are embedded, views made of them, and the pairs that are joined."""

from typing import Any

from jobs.runtime.presets import choices, load_choice
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


def encoders_on(job: PaperJob, name: str) -> list[str]:
    """The encoders that see a data set: those that `under` names for it or for the set that a view is made of, else all."""
    chosen = job.under.get(name, job.under.get(recorded_name(name)))
    return [encoder for encoder in job.encoders if chosen is None or encoder in chosen]


def both_see(job: PaperJob, dataset: str, reference: str) -> list[str]:
    """The encoders that see a data set and its reference."""
    return [encoder for encoder in encoders_on(job, dataset) if encoder in encoders_on(job, reference)]


def check_under(job: PaperJob) -> None:
    """Raise UserError for a name in `under` that is no preset and not in the experiment, and for a data set that no encoder sees.

    Presets that a command has left out of the experiment may stay in `under`.
    """
    known = {*job.datasets, *embedded_names(job)}
    for name, encoders in job.under.items():
        if name not in known and name not in choices("dataset"):
            raise UserError(f"under.{name}: it is not among the experiment's data sets, {', '.join(sorted(known))}")
        if strays := [encoder for encoder in encoders if encoder not in job.encoders and encoder not in choices("encoder")]:
            raise UserError(f"under.{name} names {strays[0]}, which is not among encoders={job.encoders}")
    for name in [*job.datasets, *embedded_names(job)]:
        if not encoders_on(job, name):
            raise UserError(f"no encoder sees {name}: name one in under.{name}")
    for view in views_of(job):
        both = both_see(job, view.base, view.reference)
        if not both:
            raise UserError(f"no encoder sees {view.base} and {view.reference}: {view.name} cannot be made")
        if job.dedupe.by in job.encoders and job.dedupe.by not in both:
            raise UserError(f"dedupe.by={job.dedupe.by} does not see {view.base} and {view.reference}: name it in under, or another")


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
    given: dict[str, Any] = {"checkpoint": job.checkpoints.get(name), "tokenizer": job.tokenizers.get(name)}
    values = {field: value for field, value in given.items() if value is not None}
    encoder: EncoderConfig = load_choice("encoder", name, job.root, **values)
    return encoder
