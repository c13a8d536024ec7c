"""How often the intervals of the report hold the truth, by simulation: each claims 95 %.

R draws of a world whose truth is known; the share that is covered has a standard error of 1.3 % at 300 draws.

python tests/bench/coverage.py [--draws 300] [--only NAME ...]
"""

import argparse
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table as Printed
from scipy.stats import norm

from tda.geometry.compare import compare
from tda.geometry.dimension import mle, two_nn
from tda.geometry.duplicate_recall import clustered_interval, interval
from tda.geometry.local_dimension import Clusters, associate
from tda.geometry.mean_interval import mean_interval
from tda.geometry.shift import Values, shift

Held = Iterator[tuple[str, float]]  # the case, and the share of draws whose interval holds the truth
MEASURES = ("cka", "cka_debiased", "mutual_knn", "cross_barcode")


def share(draws: int, covers: Callable[[np.random.Generator, int], Any]) -> Any:
    """The mean of what `covers` finds over draws."""
    return np.mean([covers(np.random.default_rng(seed), seed) for seed in range(draws)], axis=0)


def recall(draws: int) -> Held:
    """64 of many shards with 16 duplicates each, recall .95, alike within a shard by an intraclass correlation."""

    def covers(rng: np.random.Generator, correlation: float) -> list[bool]:
        trials, odds = rng.poisson(16, 64), 1 / max(correlation, 1e-9) - 1
        found = rng.binomial(trials, rng.beta(0.95 * odds, 0.05 * odds, 64))
        ends = clustered_interval(found, trials), interval(int(found.sum()), int(trials.sum()))
        return [low <= 0.95 <= high for low, high in ends]

    for correlation in (0.0, 0.02, 0.1):
        clustered, plain = share(draws, lambda rng, _, at=correlation: covers(rng, at))  # type: ignore[misc]
        yield f"audit of recall by shard, intraclass {correlation:g}", clustered
        yield f"  the same without shards, intraclass {correlation:g}", plain


def distance(draws: int) -> Held:
    """Kolmogorov-Smirnov distance and difference of medians of normal rows."""
    place = np.linspace(-8, 8, 20_001)

    def covers(rng: np.random.Generator, seed: int, rows: int, mean: float, spread: float) -> list[bool]:
        one, other = 0.1 * rng.normal(size=rows), 0.1 * (mean + spread * rng.normal(size=rows))
        found = shift(Values.of(one), Values.of(other), draws=200, seed=seed)
        truth = float(np.abs(norm.cdf(place) - norm.cdf((place - mean) / spread)).max())
        return [found.ks_ci95[0] <= truth <= found.ks_ci95[1], found.median_ci95[0] <= -0.1 * mean <= found.median_ci95[1]]

    for rows in (100, 400):
        for mean, spread in ((0.0, 1.0), (0.1, 1.0), (0.5, 1.0), (2.0, 1.0), (0.0, 2.0)):
            case = f"{rows} rows each, means {mean:g} apart, spread x {spread:g}"
            ks, median = share(draws, lambda rng, seed, at=(rows, mean, spread): covers(rng, seed, *at))  # type: ignore[misc]
            yield f"KS distance, {case}", ks
            yield f"difference of medians, {case}", median


def spaces(draws: int) -> Held:
    """CKA, shared neighbours and cross-barcode of images and texts together, halves by pairs; the truth is the mean at that size."""
    rng = np.random.default_rng(1)
    image_ND = rng.standard_normal((3000, 20)) * np.linspace(2, 0.2, 20) + 0.5
    both = np.stack([image_ND, image_ND + 0.3 * rng.standard_normal(image_ND.shape) + 1])

    def drawn(other: Any, seed: int, pairs: int, k: int, halves: int) -> Any:
        chosen = np.random.default_rng(seed).choice(3000, pairs, replace=False)
        x_ND, y_ND = (np.concatenate(space_2ND[:, chosen]) for space_2ND in (both, other))
        return compare(x_ND, y_ND, k=k, sample=2 * pairs, draws=halves, seed=seed, blocks=2)

    for noise in (0.5, 1.5):
        other = both + noise * rng.standard_normal(both.shape)
        for pairs, k in ((60, 5), (150, 10)):
            truth = np.mean(
                [[getattr(drawn(other, -seed - 1, pairs, k, 2), m).value for m in MEASURES] for seed in range(-draws, 0)], axis=0
            )
            held = np.zeros(len(MEASURES))
            for seed in range(draws):
                found = drawn(other, seed, pairs, k, 30)
                held += [getattr(found, m).ci95[0] <= one <= getattr(found, m).ci95[1] for m, one in zip(MEASURES, truth, strict=True)]
            for name, count in zip(MEASURES, held, strict=True):
                yield f"{name}, {pairs} pairs, noise {noise:g}", count / draws


def dimension(draws: int) -> Held:
    """1.96 sampling errors about the estimate hold the mean estimate of as many rows; the true dimension they do not."""
    for dim, rows in ((2, 200), (5, 200), (5, 500), (20, 500)):
        for name, estimate in (("Two-NN", two_nn), ("ML", mle)):
            found = [estimate(np.random.default_rng(seed).standard_normal((rows, dim))) for seed in range(draws)]  # type: ignore[operator]
            value_R, error_R = np.asarray([(one.value, one.stderr) for one in found]).T
            yield f"{name}, {rows} rows, d = {dim}: mean estimate", float((np.abs(value_R - value_R.mean()) <= 1.96 * error_R).mean())
            yield f"  the same: d itself (bias {value_R.mean() - dim:+.2f})", float((np.abs(value_R - dim) <= 1.96 * error_R).mean())


def correlation(draws: int) -> Held:
    """Bootstrap over clusters of a correlation of .5."""

    def covers(rng: np.random.Generator, seed: int, clusters: int) -> bool:
        x_K = rng.standard_normal(clusters)
        y_K = 0.5 * x_K + np.sqrt(0.75) * rng.standard_normal(clusters)
        given = Clusters(dimension_K=x_K, top1_K=y_K, size_K=rng.integers(20, 60, clusters))
        found = associate(given, draws=300, seed=seed).ci95["pearson"]
        return found is not None and found[0] <= 0.5 <= found[1]

    for clusters in (12, 20, 40):
        yield f"correlation over {clusters} clusters", float(share(draws, lambda rng, seed, at=clusters: covers(rng, seed, at)))  # type: ignore[misc]


def seeds(draws: int) -> Held:
    """A mean over seeds."""

    def covers(rng: np.random.Generator, count: int) -> bool:
        found = mean_interval(rng.normal(0.4, 0.1, count).tolist())
        return bool(found.low <= 0.4 <= found.high)

    for count in (2, 3, 5):
        yield f"mean over {count} seeds", float(share(draws, lambda rng, _, at=count: covers(rng, at)))  # type: ignore[misc]


WORLDS = {"recall": recall, "distance": distance, "spaces": spaces, "dimension": dimension, "correlation": correlation, "seeds": seeds}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--draws", type=int, default=300)
    parser.add_argument("--only", nargs="*", choices=WORLDS, default=list(WORLDS))
    given = parser.parse_args()
    printed = Printed("interval", "covered")
    for name in given.only:
        for case, held in WORLDS[name](given.draws):
            printed.add_row(case, f"{held:.1%}")
    Console().print(printed)


if __name__ == "__main__":
    main()
