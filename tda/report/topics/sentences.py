"""How a finding is put: models under their verdict, and the range of their numbers. Tables hold the numbers of each."""

from collections.abc import Callable, Iterable, Mapping, Sequence

from tda.report.data.words import listing


def by_verdict(verdict_of: Mapping[str, str], order: Iterable[str]) -> str:
    """Verdicts in this order, each with its models: "separated in a, partly separated in b and c, and mixed in d"."""
    groups = {verdict: [model for model, found in verdict_of.items() if found == verdict] for verdict in order}
    parts = [f"{verdict} in {models_of(models, len(verdict_of))}" for verdict, models in groups.items() if models]
    return f"{', '.join(parts[:-1])}, and {parts[-1]}" if len(parts) > 1 else "".join(parts)


def models_of(models: Sequence[str], total: int, *, negated: bool = False) -> str:
    """The models by name; where they are all of several, by their number."""
    if len(models) < total or total == 1:
        return listing(models)
    return none_of(total) if negated else all_of(total)


def all_of(total: int) -> str:
    return "both models" if total == 2 else f"all {total} models"


def none_of(total: int) -> str:
    """After a negation: in none of them."""
    return "either model" if total == 2 else f"any of {total} models"


def span(values: Iterable[float], show: Callable[[float], str]) -> str:
    """Lowest and highest number, or the one number where both read the same."""
    found = list(values)
    return " to ".join(dict.fromkeys([show(min(found)), show(max(found))]))
