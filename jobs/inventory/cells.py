"""One data set under one encoder: its shards, its pace, and which stages are done."""

from collections.abc import Mapping
from typing import Any

from jobs.inventory.reading import Listed, Reader
from jobs.inventory.runs import Run, pieces_of
from tda.config.analysis import AnalysisConfig
from tda.store.datasets.selections import selection_of
from tda.store.datasets.views import MINUS, view_of

SLACK = 2.0  # seconds that two times of one store may differ by


def find_cells(reader: Reader, tops: frozenset[str]) -> list[tuple[str, str]]:
    """Every (data set, encoder) with embeddings or an analysis."""
    found = set()
    for top in ("embeddings", "analysis"):
        for dataset in reader.folders(top) if top in tops else ():
            found |= {(dataset, encoder) for encoder in reader.folders(top, dataset) if encoder != "comparisons"}
    return sorted(found)


def read_cell(reader: Reader, tops: frozenset[str], runs: list[Run], names: tuple[str, str], reported: float) -> dict[str, Any]:
    """The row of a data set under an encoder. `reported`: when the report was written, 0 if it was not."""
    dataset, encoder = names
    records = reader.listed("embeddings", dataset, encoder, "_records", suffix=".json") if "embeddings" in tops else Listed()
    files = reader.files("analysis", dataset, encoder) if "analysis" in tops else {}
    analysed = _analysed(reader, names, files.get("metrics.json"), records)
    return {
        "dataset": dataset,
        "encoder": encoder,
        "shards": _shards(records, runs, dataset, encoder),
        "view_of": None if records.names else _base_of(dataset),
        "neighbours": _neighbours(reader, names, records) if "nearest" in tops and records.names else [],
        "deduped": _deduped(reader, names) if "dedupe" in tops and records.names else [],
        "analysed": analysed,
        "reported": bool(analysed and reported and analysed["changed"] <= reported + SLACK),
        "changed": max([records.changed, *files.values()]),
    }


def _base_of(dataset: str) -> str | None:
    """The data set that a view or a selection is taken from; None for a data set of its own."""
    chosen = selection_of(dataset) or view_of(dataset)
    return chosen.base if chosen else None


def _shards(records: Listed, runs: list[Run], dataset: str, encoder: str) -> dict[str, Any]:
    """What is done by the records; what there is to do, what runs and what failed by the runs."""
    done, work = len(records.names), pieces_of(runs, "embed", dataset, encoder)
    live = [piece for run, piece in work if run.state == "running"]
    failed = {shard: reason for _, piece in work[:1] for shard, reason in piece.failures.items() if shard not in records.names}
    total = max((piece.total for piece in live), default=work[0][1].total if work else None)
    running = sum(piece.running_count for piece in live)
    left = None if total is None else max(0, total - done)
    paced = next((piece for piece in [*live, *(piece for _, piece in work)] if piece.done and piece.seconds > 0), None)
    rate = paced.done / paced.seconds if paced else None
    return {
        "done": done,
        "of": total,
        "running": running,
        "running_shards": [shard for piece in live for shard in piece.running],
        "failed": [{"shard": shard, "reason": reason} for shard, reason in failed.items()],
        "left": left,
        "waiting": None if left is None else max(0, left - running - len(failed)),
        "pairs_per_second": round(paced.pairs / paced.seconds, 1) if paced else None,
        "shards_per_hour": round(3600 * rate, 1) if rate else None,
        "seconds_left": round(left / rate) if rate and left else None,
        "state": _state(work, live, left, len(failed)),
    }


def _state(work: list[Any], live: list[Any], left: int | None, failed: int) -> str:
    if live:
        return "running"
    if not work:
        return "unknown"  # of an earlier version, or ingested elsewhere: nothing says how many there are
    return "whole" if not left else "failed" if failed else work[0][0].state if work[0][0].state in ("lost", "interrupted") else "part"


def _neighbours(reader: Reader, names: tuple[str, str], records: Listed) -> list[dict[str, Any]]:
    found = []
    for reference in reader.folders("nearest", *names):
        joined = reader.listed("nearest", *names, reference, "_records", suffix=".json").names
        audited = reader.document("nearest", *names, reference, "audit.json") is not None
        done = len(joined & records.names)
        found.append({"reference": reference, "done": done, "of": len(records.names), "whole": audited and done == len(records.names)})
    return found


def _deduped(reader: Reader, names: tuple[str, str]) -> list[dict[str, Any]]:
    found = []
    for reference in reader.folders("dedupe", *names):
        places: list[tuple[str, tuple[str, ...]]] = [(reference, (reference,))]
        places += [(f"{reference}@{label}", (reference, "views", label)) for label in reader.folders("dedupe", *names, reference, "views")]
        for name, place in places:
            summary = reader.document("dedupe", *names, *place, "summary.json")
            if summary is not None:
                kept, rows = summary.get("rows_kept"), summary.get("rows")
                found.append({"reference": name, "dataset": f"{names[0]}{MINUS}{name}", "kept": kept, "rows": rows})
    return found


def _analysed(reader: Reader, names: tuple[str, str], changed: float | None, records: Listed) -> dict[str, Any] | None:
    metrics = reader.document("analysis", *names, "metrics.json") if changed is not None else None
    if metrics is None or changed is None:
        return None
    hashes = metrics.get("part_hashes")
    parts = sorted(hashes) if isinstance(hashes, Mapping) else []
    missing = [part for part in AnalysisConfig().parts if part not in parts]
    older = bool(records.names) and changed + SLACK < records.changed
    return {"parts": parts, "missing": missing, "pairs": metrics.get("pairs"), "older_than_rows": older, "changed": changed}
