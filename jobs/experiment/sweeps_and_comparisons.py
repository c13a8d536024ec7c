"""What follows the single analyses of an experiment: layouts under other settings, and the encoders of each data set side by side."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from jobs.analysis.comparisons import compare_encoders, comparison_line
from jobs.analysis.sweep import cells_of, sweep_cells
from jobs.runtime.app import Outcome
from tda.config.jobs import AnalyzeJob, PaperJob


def across(job: PaperJob, analysed: Sequence[AnalyzeJob]) -> Iterator[Outcome]:
    """Sweeps of the (data set, encoder) that `job.sweep` names, then one comparison a data set."""
    chosen = [one for one in analysed if one.dataset.name in job.sweep.datasets and one.encoder.name in job.sweep.encoders]
    for one in chosen:
        umap = replace(one.analysis.umap, max_pairs=job.sweep.max_pairs)
        keys = cells_of(job.sweep.n_neighbors, job.sweep.min_dist, umap)
        cells = sweep_cells(replace(one, analysis=replace(one.analysis, umap=umap)), keys)
        mixing = [cell["mixing"] for cell in cells]
        reported = f"{len(cells)} cells, mixing {min(mixing):.3f} to {max(mixing):.3f}"
        yield Outcome(whole=True, line=f"{one.dataset.name} / {one.encoder.name}: layout under other settings: {reported}")
    encoders = list(dict.fromkeys(one.encoder.name for one in analysed))
    datasets = list(dict.fromkeys(one.dataset.name for one in analysed))
    role = {role: encoder for encoder, role in job.report.models.items() if encoder in encoders}
    for dataset in datasets:
        compare = job.analysis.compare
        filled = replace(
            compare,
            clip=compare.clip or role.get("CLIP"),
            cloob=compare.cloob or role.get("CLOOB"),
            datasets=compare.datasets or [other for other in datasets if other != dataset],
        )
        found = compare_encoders(job.root, dataset, encoders, replace(job.analysis, compare=filled), job.cluster)
        yield Outcome(whole=True, line=comparison_line(found))
