"""Display names of data sets and models: those that `report.names` gives, else short ones."""

from collections.abc import Iterable, Mapping

from tda.store.datasets.views import view_of


def shown_names(datasets: Iterable[str], names: Mapping[str, str]) -> dict[str, str]:
    """Data set -> its display name: the configured one, else a view's base where no other data set is shown so, else itself."""
    wanted = {dataset: names.get(dataset) or _base(dataset) for dataset in datasets}
    taken = [*wanted.values(), *wanted]
    return {
        dataset: shown if shown in (dataset, names.get(dataset)) or taken.count(shown) == 1 else dataset
        for dataset, shown in wanted.items()
    }


def distinct(encoders: Iterable[str], names: Mapping[str, str]) -> dict[str, str]:
    """The names without those of encoders that would be shown alike."""
    shown = {encoder: names.get(encoder, encoder) for encoder in encoders}
    alike = [encoder for encoder, one in shown.items() if list(shown.values()).count(one) > 1]
    return {key: one for key, one in names.items() if key not in alike}


def _base(dataset: str) -> str:
    view = view_of(dataset)
    return view.base if view else dataset
