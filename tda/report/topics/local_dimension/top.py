"""What the head of the page says of local dimension."""

from tda.report.data.load import Run
from tda.report.data.words import signed
from tda.report.topics.local_dimension.findings import PARTIAL
from tda.report.topics.topic import Finding


def local_dimension(run: Run) -> Finding | None:
    """How dimension and top-1 of a cluster go together at equal size, over all models of a data set."""
    for dataset in run.datasets:
        pooled = run.comparisons.get(dataset, {}).get("pooled") or {}
        ends, value = (pooled.get("ci95") or {}).get(PARTIAL), pooled.get(PARTIAL)
        if value is None or not ends or None in ends:
            continue
        low, high = ends
        clear = low > 0 or high < 0
        what = ("better" if value > 0 else "worse") if clear else "neither better nor worse"
        numbers = f"{signed(value)} ({signed(low)} to {signed(high)}, {pooled.get('n_clusters', 0)} clusters)"
        return Finding(sentence=f"At equal size, clusters of more dimensions retrieve {what}: rank correlation {numbers}.", clear=clear)
    return None
