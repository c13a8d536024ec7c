"""Intervals of a share: `successes` of `trials`."""

CONFIDENCE = 0.95
METHODS = ("exact", "wilson")


def interval(successes: int, trials: int, method: str = "exact", confidence: float = CONFIDENCE) -> tuple[float, float]:
    """The binomial interval: `exact` of Clopper and Pearson (1934), or `wilson` (1927); (0, 1) without trials."""
    assert method in METHODS, method
    if not trials:
        return 0.0, 1.0
    return _exact(successes, trials, confidence) if method == "exact" else _wilson(successes, trials, confidence)


def _exact(successes: int, trials: int, confidence: float) -> tuple[float, float]:
    from scipy.stats import beta  # a second to import, for one row of a result

    tail = (1 - confidence) / 2
    low = float(beta.ppf(tail, successes, trials - successes + 1)) if successes else 0.0
    high = float(beta.ppf(1 - tail, successes + 1, trials - successes)) if successes < trials else 1.0
    return low, high


def _wilson(successes: int, trials: int, confidence: float) -> tuple[float, float]:
    from scipy.stats import binomtest

    low, high = binomtest(successes, trials).proportion_ci(confidence, method="wilson")
    return float(low), float(high)
