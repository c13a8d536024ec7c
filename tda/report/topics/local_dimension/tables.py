"""The table of local dimension against retrieval."""

from collections.abc import Mapping, Sequence
from typing import Any

from tda.report.data.evidence import name
from tda.report.data.load import Run
from tda.report.data.words import signed
from tda.report.drawing.table import Column, Table, Value, count, interval_text, remarks_of
from tda.report.topics.local_dimension.findings import PARTIAL
from tda.report.topics.predictions import prediction_two

BOTH_WAYS = ("pearson", "spearman", PARTIAL)


def local(run: Run) -> Table:
    """Correlation of local dimension and retrieval over clusters, for each model and for all pooled."""
    directions = _directions(run)
    kinds = [(label, dimension, key) for label, dimension in (("AUC", "auc"), ("Rank", "effective_rank")) for key in directions]
    columns = [
        Column(label="Data set"),
        Column(label="Model", numeric=False),
        Column(label="Clusters", show=count),
        *(
            Column(label=label, show=signed, group="AUC, both ways", paged=label != "Pearson")
            for label in ("Pearson", "Spearman", "Given size")
        ),
        Column(label="95% interval", group="AUC, both ways", filed=False),
        *(Column(label=label, group="95% interval", paged=False) for label in ("from", "to")),
        *(Column(label=directions[key], show=signed, group=f"{label}, given size") for label, _, key in kinds),
    ]
    rows = []
    for dataset in run.datasets:
        sources = [(name(cell.encoder, run.config), cell.metrics.get("local_dimension")) for cell in run.of(dataset)]
        sources.append(("All models, pooled", run.comparisons.get(dataset, {}).get("pooled")))
        rows += [[run.shown(dataset), label, *_correlations(found, kinds)] for label, found in sources if found]
    return Table(
        name="local",
        label="Local dimension",
        title="Does local dimension predict retrieval?",
        columns=columns,
        rows=rows,
        sentences=prediction_two(run),
        remarks=remarks_of(run, "local_dimension"),
        note="Over clusters: the area under a cluster's spectrum (AUC), or its effective rank, against the share of its queries whose "
        "partner ranks first. “Given size” is Spearman's correlation with cluster size taken out; its interval is a bootstrap over "
        "clusters. Pooled: with model as a factor.",
    )


def _directions(run: Run) -> dict[str, str]:
    first, second = ("Img", "txt") if run.modalities == ("image", "text") else (run.modalities[0].capitalize(), run.modalities[1])
    return {"image_to_text": f"{first}→{second.lower()}", "text_to_image": f"{second.capitalize()}→{first.lower()}"}


def _correlations(found: Mapping[str, Any], kinds: Sequence[tuple[str, str, str]]) -> list[Value]:
    interval = (found.get("ci95") or {}).get(PARTIAL) or (None, None)
    by = found.get("by") or {}
    given = [(by.get(dimension) or {}).get(key) or {} for _, dimension, key in kinds]
    shown = interval_text(interval, signed)
    both_ways = [found.get(kind) for kind in BOTH_WAYS]
    return [found.get("n_clusters"), *both_ways, shown, *interval, *(one.get(PARTIAL) for one in given)]
