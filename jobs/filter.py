"""Keep the pairs that filters let through: makes the view `<dataset>-minus-filtered.<filters>`, which every other job takes by that name.

python -m jobs.filter dataset.name=coco encoder.name=clip root=URL filter.pair_cosine=top:0.3 filter.min_side=200 filter.max_aspect=3

Each filter looks at one row at a time. `top:0.3` is of all rows of the data set, whatever the other filters drop. `filter.by=ENCODER`
keeps the same pairs under every encoder. Views of other settings stand beside each other.
"""

import re
import sys
from dataclasses import asdict
from typing import Any

import numpy as np

from jobs.dedup.carried import carried, kept_of, standing_summary
from jobs.dedup.filters import REASONS, filtered
from jobs.runtime.app import Outcome, command
from jobs.runtime.showing.display import tracked
from jobs.runtime.sweeps.record import flat
from tda.config.filters import FilterConfig
from tda.config.jobs import FilterJob
from tda.errors import LacunaError, UserError
from tda.store.commit.records import recorded_shards
from tda.store.datasets.embedding_set import EmbeddingSet
from tda.store.datasets.hashes import VERSION
from tda.store.datasets.views import FILTERED, MINUS, View, content_hash, publish_kept, read_summary
from tda.store.paths import NAME, RootPaths, check_name

UNHASHED = ("by", "name")  # settings that change no row by themselves
LONGEST = 120  # letters of a name made of settings; beyond it a hash stands for them


def run(job: FilterJob) -> Outcome:
    """Decide for every row and publish the kept rows. A result of the same rows and settings is reused. Whole unless no row is kept.

    Raises UserError without a filter, for an empty data set, and where the view of this name was made by other settings.
    """
    view = View(job.dataset.name, _name(job))
    with tracked(f"{view.name} / {job.encoder.name}"):
        return _run(job, view)


def _run(job: FilterJob, view: View) -> Outcome:
    paths, encoder = RootPaths(job.root), job.encoder.name
    rows, deciding = _rows(job)
    _require_free(paths, view, job)
    head = _head(job, rows, deciding)
    summary = standing_summary(paths, view, encoder, head["content"])
    if summary is None:
        reason_N, matched = filtered(deciding, job.filter)
        reason_N = reason_N if deciding is rows else carried(rows, deciding, reason_N, REASONS.index("unmeasured"))
        counts = {name: int(n) for name, n in zip(REASONS, np.bincount(reason_N, minlength=len(REASONS)), strict=True)}
        head |= {"rows": len(rows), "dropped": {name: n for name, n in counts.items() if n and name != REASONS[0]}, "matched": matched}
        if EmbeddingSet(job.root, job.dataset.name, encoder).digest != rows.digest:
            raise LacunaError(f"the rows of {job.dataset.name} by {encoder} were replaced meanwhile: run again")
        summary = publish_kept(paths, view, encoder, kept_of(rows, reason_N), head)
    kept = summary["rows_kept"]
    numbers = {**flat({name: summary[name] for name in ("rows", "rows_kept", "dropped", "matched")}), "kept_fraction": kept / len(rows)}
    return Outcome(whole=kept > 0, line=result_line(view, summary), numbers=numbers)


def inputs_of(job: FilterJob) -> str | None:
    """What a cell of a sweep was decided from: the content of its summary, if that is the one that would be made now."""
    view, (rows, deciding) = View(job.dataset.name, _name(job)), _rows(job)
    content = str(_head(job, rows, deciding)["content"])
    return content if standing_summary(RootPaths(job.root), view, job.encoder.name, content) else None


def result_line(view: View, summary: dict[str, Any]) -> str:
    """How many rows are kept, and how many each reason drops."""
    reasons = ", ".join(f"{reason.replace('_', ' ')} {n:,}" for reason, n in summary["dropped"].items())
    whose = "" if summary["by"] == summary["encoder"] else f" (decided by {summary['by']})"
    counts = f"{summary['rows_kept']:,} of {summary['rows']:,} pairs kept, {sum(summary['dropped'].values()):,} dropped"
    nothing = "; no pair is left: look at the reasons" if not summary["rows_kept"] else ""
    return f"{view.name} / {summary['encoder']}{whose}: {counts}{f' ({reasons})' if reasons else ''}{nothing}"


def _rows(job: FilterJob) -> tuple[EmbeddingSet, EmbeddingSet]:
    """The rows that are chosen from, and those that decide."""
    by = job.filter.by or job.encoder.name
    rows = EmbeddingSet(job.root, job.dataset.name, job.encoder.name)
    deciding = rows if by == job.encoder.name else EmbeddingSet(job.root, job.dataset.name, by)
    if not len(deciding):
        raise UserError(f"dataset.name={job.dataset.name} has no pairs by encoder.name={by}: there is nothing to filter")
    return rows, deciding


def _settings(settings: FilterConfig) -> dict[str, Any]:
    """The filters that are set, by name."""
    return {name: value for name, value in asdict(settings).items() if value is not None and name not in (*UNHASHED, "unknown")}


def _name(job: FilterJob) -> str:
    """`filtered`, and after a dot each filter with its value: settings that differ have names that differ."""
    chosen = _settings(job.filter)
    if not chosen:
        raise UserError("no filter is set: give one, as filter.pair_cosine=top:0.3; `lacuna filter --help` lists them")
    if job.filter.name is not None:
        if MINUS in job.filter.name:
            raise UserError(f"filter.name={job.filter.name} holds {MINUS}, which divides the names of views: choose another")
        return check_name("filter.name", job.filter.name)
    words = [f"{name}.{str(value).replace(':', '.')}" for name, value in chosen.items()]
    words += ["unknown.keep"] if job.filter.unknown == "keep" else []
    words += [f"by.{job.filter.by}"] if job.filter.by else []
    name = f"{FILTERED}.{'-'.join(words)}"
    return name if len(name) <= LONGEST and NAME.fullmatch(name) else f"{FILTERED}.{content_hash(words)[:16]}"


def _head(job: FilterJob, rows: EmbeddingSet, deciding: EmbeddingSet) -> dict[str, Any]:
    """The first fields of summary.json; `content` is the hash of everything that changes the result."""
    settings = {**_settings(job.filter), "unknown": job.filter.unknown}
    inputs = {"rows": rows.digest, "deciding_rows": deciding.digest, "nearest": None, "reference": None}
    return {
        "dataset": job.dataset.name,
        "encoder": job.encoder.name,
        "by": job.filter.by or job.encoder.name,
        "reference": _name(job),
        "content": content_hash({"filter": settings, "inputs": inputs, "hashes": VERSION}),
        "filter": settings,
        "inputs": inputs,
    }


def _require_free(paths: RootPaths, view: View, job: FilterJob) -> None:
    """Raise UserError where the view is another's: of a data set of that name, or of other filters."""
    if recorded_shards(paths, view.reference, job.encoder.name):
        raise UserError(f"filter.name={view.reference} is a data set of this root: give the view another filter.name")
    try:
        summary = read_summary(paths, view, job.encoder.name)
    except UserError:
        return
    ours = {**_settings(job.filter), "unknown": job.filter.unknown}
    if summary.get("filter") != ours or summary.get("by") != (job.filter.by or job.encoder.name):
        made = re.sub(r"[{}\"']", "", str(summary.get("filter", summary.get("settings"))))
        raise UserError(f"{view.name} was made by other settings ({made}): give these a filter.name of their own")


main = command("filter", FilterJob, run, inputs=inputs_of)

if __name__ == "__main__":
    sys.exit(main())
