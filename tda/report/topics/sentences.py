"""How a finding is put: models under their verdict, and the range of their numbers. Tables hold the numbers of each."""

from collections.abc import Callable, Iterable, Mapping, Sequence

from tda.report.data.words import listing


def by_verdict(verdict_of: Mapping[str, str], order: Iterable[str]) -> str:
    """Verdicts in this order, each with its models: "separated in a, partly separated in b and c, and mixed in d"."""
    groups = {verdict: [model for model, found in verdict_of.items() if found == verdict] for verdict in order}
    parts = [f"{verdict} in {models_of(models, len(verdict_of))}" for verdict, models in groups.items() if models]
    return f"{', '.join(parts[:-1])}, and {parts[-1]}" if len(parts) > 1 else "".join(parts)


def models_of(models: Sequence[str], total: int, every: str = "every model") -> str:
    """The models by name; where they are all of several, in one word."""
    return every if len(models) == total > 1 else listing(models)


def span(values: Iterable[float], show: Callable[[float], str]) -> str:
    """Lowest and highest number, or the one number where both read the same."""
    found = list(values)
    return " to ".join(dict.fromkeys([show(min(found)), show(max(found))]))
