"""Drop pairs of the training data: `<dataset>-minus-<reference>`, a view decided by the cosines that `jobs.nearest` stored.

python -m jobs.dedupe dataset.name=laion2b reference.name=laion400m encoder.name=clip root=URL dedupe.rule=image dedupe.threshold=0.95

No vector is read and nothing is searched again, so another threshold costs seconds. `dedupe.by=ENCODER` keeps the same pairs under every
encoder. Without `reference.name` only repeats within the set go: `<dataset>-minus-<dataset>`. `dedupe.keep` chooses which row of a group
stays. Tasks decide on the shards of a large set (`jobs.dedup.by_shard`).
"""

import sys
from dataclasses import asdict, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from jobs.dedup import by_shard
from jobs.dedup.carried import carried, kept_of, standing_summary
from jobs.dedup.decisions import REASONS, Cosines, decide
from jobs.dedup.exact_matches import exact_flags, known_texts
from jobs.dedup.self_duplicates import Candidates, drop_within
from jobs.runtime.app import Outcome, command
from jobs.runtime.run_progress import track
from jobs.runtime.session import ray_session
from jobs.runtime.showing.display import tracked
from jobs.runtime.sweeps.cells import current_cell
from jobs.runtime.sweeps.record import flat
from tda.config.jobs import DedupeJob
from tda.config.stages import DedupeConfig
from tda.errors import LacunaError, UserError
from tda.geometry.duplicates import Rule
from tda.store.datasets.embedding_set import EmbeddingSet
from tda.store.datasets.hashes import VERSION
from tda.store.datasets.kept_parts import SPAN_ROWS, publish_parts
from tda.store.datasets.nearest import NearestSet
from tda.store.datasets.views import View, content_hash, label, made_by, publish_kept
from tda.store.files import absolute
from tda.store.paths import RootPaths

Codes = npt.NDArray[np.uint8]
UNHASHED = ("by", "exact_rows", "max_drop_fraction")  # settings that change no row


def run(job: DedupeJob) -> Outcome:
    """Decide for every row and publish the kept rows, at the place of the view or beside one of another rule or threshold."""
    job = _with_reference(job)
    return dedupe(job, _place(job))


def _with_reference(job: DedupeJob) -> DedupeJob:
    """Without a reference the set is its own, and loses its own repeats."""
    if job.reference.name:
        return job
    own = replace(job.reference, name=job.dataset.name)
    return replace(job, reference=own, dedupe=replace(job.dedupe, self=True))


def _place(job: DedupeJob) -> View:
    """`<dataset>-minus-<reference>` is made by the first settings and stays; a cell of a sweep never becomes it."""
    paths, plain = RootPaths(job.root), View(job.dataset.name, job.reference.name)
    own, cell = label(asdict(job.dedupe)), current_cell()
    swept = cell is not None and any(key.startswith("dedupe.") for key in cell.values)
    standing = made_by(paths, plain, job.encoder.name)
    if cell is not None and "dedupe.by" in cell.values:
        return plain.labelled(f"{own}-by.{job.dedupe.by or job.encoder.name}")
    return plain if standing == own or (standing is None and not swept) else plain.labelled(own)


def dedupe(job: DedupeJob, view: View) -> Outcome:
    """Decide for every row and publish the kept rows as `view`. A result with the same rows and settings is reused.

    Raises UserError for an empty data set, missing or stale closest rows, and settings under which no row can be dropped.
    """
    with tracked(f"{view.name} / {job.encoder.name}"):
        return _dedupe(job, view)


def _dedupe(job: DedupeJob, view: View) -> Outcome:
    paths, by = RootPaths(job.root), job.dedupe.by or job.encoder.name
    rows = EmbeddingSet(job.root, view.base, job.encoder.name)
    deciding = rows if by == job.encoder.name else EmbeddingSet(job.root, view.base, by)
    inputs = _Inputs(job, deciding, by)
    head = inputs.head(rows)
    summary = standing_summary(paths, view, job.encoder.name, head["content"])
    work = track("dedupe", view.base, [job.encoder.name], reference=view.reference, total=1, before=int(summary is not None))
    if summary is None and _by_shard_tasks(inputs):
        summary = _decided_by_shard(job, view, inputs, rows, head)
        work.did(view.name, len(rows))
    elif summary is None:
        reason_N, found = _decide(job, inputs)
        reason_N = reason_N if deciding is rows else carried(rows, deciding, reason_N, REASONS.index("unmeasured"))
        counts = {name: int(n) for name, n in zip(REASONS, np.bincount(reason_N, minlength=len(REASONS)), strict=True)}
        head |= {"rows": len(rows), "dropped": {name: n for name, n in counts.items() if n and name != REASONS[0]}, **found}
        _require_unchanged(job, rows)
        summary = publish_kept(paths, view, job.encoder.name, kept_of(rows, reason_N), head)
        work.did(view.name, len(rows))
    dropped = 1 - summary["rows_kept"] / summary["rows"]
    too_many = dropped > job.dedupe.max_drop_fraction
    line = result_line(view, summary)
    numbers = {**flat({name: summary[name] for name in ("rows", "rows_kept", "dropped", "matched")}), "dropped_fraction": dropped}
    line = f"{line}; {_too_many(dropped, job.dedupe)}" if too_many else line
    places = [paths.dedupe_dir(view.base, job.encoder.name, view.reference)]
    return Outcome(whole=not too_many, line=line, numbers=numbers, places=places)


def _by_shard_tasks(inputs: "_Inputs") -> bool:
    """Repeats within a set join rows of all its shards: these are found in one process."""
    return inputs.nearest is not None and not inputs.settings.self and len(inputs.rows) > SPAN_ROWS


def _decided_by_shard(job: DedupeJob, view: View, inputs: "_Inputs", rows: EmbeddingSet, head: dict[str, Any]) -> dict[str, Any]:
    digests = head["inputs"]
    plan = by_shard.ShardPlan(
        root=absolute(job.root),
        view=view,
        encoder=job.encoder.name,
        by=inputs.by,
        reference=job.reference.name,
        rule=rule_of(job.dedupe),
        kinds=tuple(job.dedupe.exact),
        content=head["content"],
        digests=(digests["rows"], digests["deciding_rows"], digests["nearest"], digests["reference"]),
        span_rows=SPAN_ROWS,
    )
    with ray_session(job.cluster):
        parts, found = by_shard.decide_all(plan, rows, inputs.rows, job.cluster)
    _require_unchanged(job, rows)
    return publish_parts(RootPaths(job.root), view, job.encoder.name, parts, head | {"rows": len(rows), **found})


def inputs_of(job: DedupeJob) -> str | None:
    """What a cell of a sweep was decided from: the content of its summary, if that is the one that would be made now."""
    job = _with_reference(job)
    view, by = _place(job), job.dedupe.by or job.encoder.name
    rows = EmbeddingSet(job.root, view.base, job.encoder.name)
    deciding = rows if by == job.encoder.name else EmbeddingSet(job.root, view.base, by)
    content = str(_Inputs(job, deciding, by).head(rows)["content"])
    return content if standing_summary(RootPaths(job.root), view, job.encoder.name, content) else None


def _require_unchanged(job: DedupeJob, rows: EmbeddingSet) -> None:
    """Raise LacunaError where the rows are gone or were replaced while they were decided on."""
    if EmbeddingSet(job.root, job.dataset.name, job.encoder.name).digest != rows.digest:
        raise LacunaError(f"the rows of {job.dataset.name} by {job.encoder.name} were replaced meanwhile: run again")


def _too_many(dropped: float, settings: DedupeConfig) -> str:
    return (
        f"{dropped:.0%} dropped is more than dedupe.max_drop_fraction={settings.max_drop_fraction}: look at the reasons, "
        "then raise it or the threshold"
    )


def result_line(view: View, summary: dict[str, Any]) -> str:
    """How many rows are kept, and why the others were dropped."""
    dropped = summary["dropped"]
    reasons = ", ".join(f"{reason} {n:,}" for reason, n in dropped.items())
    whose = "" if summary["by"] == summary["encoder"] else f" (decided by {summary['by']})"
    counts = f"{summary['rows_kept']:,} of {summary['rows']:,} pairs kept, {sum(dropped.values()):,} dropped"
    return f"{view.name} / {summary['encoder']}{whose}: {counts}{f' ({reasons})' if reasons else ''}"


class _Inputs:
    """Inputs of the decision: rows, their closest reference rows, and the reference itself if exact matches are dropped too."""

    def __init__(self, job: DedupeJob, rows: EmbeddingSet, by: str) -> None:
        if not len(rows):
            raise UserError(f"dataset.name={job.dataset.name} has no pairs by encoder.name={by}: there is nothing to dedupe")
        self.rows, self.by, self.settings = rows, by, job.dedupe
        self.names = (job.dataset.name, by, job.reference.name)
        self.only_within = job.reference.name == job.dataset.name
        if self.only_within and not job.dedupe.self:
            raise UserError(f"reference.name={job.reference.name} is the data set itself: dedupe.self=true removes its own repeats")
        if job.dedupe.keep != "first" and not job.dedupe.self:
            raise UserError(f"dedupe.keep={job.dedupe.keep} chooses among repeats within the set: dedupe.self=true removes these")
        self.nearest = None if self.only_within else NearestSet(job.root, *self.names)
        self.reference = None if self.only_within or not job.dedupe.exact else self._reference(job)

    def _reference(self, job: DedupeJob) -> EmbeddingSet:
        try:
            return EmbeddingSet(job.root, job.reference.name, self.by)
        except UserError as error:
            raise UserError(f"{error}; dedupe.exact=[] uses cosines alone") from None

    def head(self, rows: EmbeddingSet) -> dict[str, Any]:
        """The first fields of summary.json; `content` is the hash of everything that changes the result."""
        settings = {name: value for name, value in asdict(self.settings).items() if name not in UNHASHED}
        if settings["keep"] == "first":  # as before there was another
            del settings["keep"]
        inputs = {
            "rows": rows.digest,
            "deciding_rows": self.rows.digest,
            "nearest": None if self.nearest is None else self.nearest.digest,
            "reference": None if self.reference is None else self.reference.digest,
        }
        dataset, by, reference = self.names
        content = content_hash({"settings": settings, "inputs": inputs, "hashes": VERSION})
        encoder = str(rows.meta["encoder"])
        return {
            "dataset": dataset,
            "encoder": encoder,
            "by": by,
            "reference": reference,
            "content": content,
            "settings": settings,
            "inputs": inputs,
        }


def rule_of(settings: DedupeConfig) -> Rule:
    """The rule with the threshold of each modality."""
    image, text = (settings.threshold if own is None else own for own in (settings.image_threshold, settings.text_threshold))
    return Rule(name=settings.rule, image=image, text=text)


def _decide(job: DedupeJob, inputs: _Inputs) -> tuple[Codes, dict[str, Any]]:
    """The reason of every deciding row, and the counts for summary.json."""
    paths, rule = RootPaths(job.root), rule_of(job.dedupe)
    rows, reference = inputs.rows, inputs.reference
    flags_N = None if reference is None else exact_flags(paths, inputs.names, rows, reference, job.dedupe.exact)
    known_N = known_texts(rows, flags_N) if "text" in rule.needs else np.ones(len(rows), bool)
    reason_N, matched = decide(Cosines(inputs.nearest, rows, known_N), np.zeros(len(rows), np.uint8) if flags_N is None else flags_N, rule)
    found: dict[str, Any] = {"matched": matched}
    if job.dedupe.self:
        found["within"] = drop_within(job, Candidates(rows, reason_N == 0, known_N), inputs.by, reason_N, rule)
    return reason_N, found


main = command("dedupe", DedupeJob, run, inputs=inputs_of)

if __name__ == "__main__":
    sys.exit(main())
