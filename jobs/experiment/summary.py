"""What follows the analyses of an experiment: layouts under other settings, encoders compared on each data set, the closing table."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from rich.box import SIMPLE
from rich.table import Table

from jobs.analysis.across.comparisons import compare_encoders, comparison_line, comparisons_url
from jobs.analysis.across.sweep import cells_of, sweep_cells
from jobs.runtime.app import Outcome
from tda.config.jobs import AnalyzeJob, PaperJob
from tda.store.files import exists, read_json
from tda.store.paths import RootPaths

# heading -> path of its number in metrics.json
_COLUMNS = {
    "gap": ("gap", "centroid_distance"),
    "pair": ("cosine", "pair", "mean"),
    "random": ("cosine", "random", "mean"),
    "SVM": ("separability", "heldout", "accuracy"),
    "i→t": ("retrieval", "image_to_text", "top1"),
    "t→i": ("retrieval", "text_to_image", "top1"),
    "rank i": ("spectrum", "image", "effective_rank"),
    "rank t": ("spectrum", "text", "effective_rank"),
}
_LEGEND = "pair, random: mean cosine; SVM: accuracy held out; i→t, t→i: top-1; rank: effective rank"


def across(job: PaperJob, analysed: Sequence[AnalyzeJob]) -> Iterator[Outcome]:
    """Sweeps of the (data set, encoder) that `job.sweep` names, then one comparison a data set."""
    yield from _sweeps(job, analysed)
    yield from _comparisons(job, analysed)


def _sweeps(job: PaperJob, analysed: Sequence[AnalyzeJob]) -> Iterator[Outcome]:
    chosen = [one for one in analysed if one.dataset.name in job.sweep.datasets and one.encoder.name in job.sweep.encoders]
    for one in chosen:
        umap = replace(one.analysis.umap, max_pairs=job.sweep.max_pairs)
        keys = cells_of(job.sweep.n_neighbors, job.sweep.min_dist, umap)
        cells = sweep_cells(replace(one, analysis=replace(one.analysis, umap=umap)), keys)
        mixing = [cell["mixing"] for cell in cells]
        reported = f"{len(cells)} cells, mixing {min(mixing):.3f} to {max(mixing):.3f}"
        yield Outcome(whole=True, line=f"{one.dataset.name} / {one.encoder.name}: layout under other settings: {reported}", places=[])


def _comparisons(job: PaperJob, analysed: Sequence[AnalyzeJob]) -> Iterator[Outcome]:
    seen: dict[str, list[str]] = {}
    for one in analysed:
        seen.setdefault(one.dataset.name, []).append(one.encoder.name)
    for dataset, encoders in seen.items():
        role = {role: encoder for encoder, role in reversed(job.report.models.items()) if encoder in encoders}
        compare = job.analysis.compare
        filled = replace(
            compare,
            clip=compare.clip or role.get("CLIP"),
            cloob=compare.cloob or role.get("CLOOB"),
            datasets=compare.datasets or [other for other in seen if other != dataset and set(encoders) <= set(seen[other])],
        )
        found = compare_encoders(job.root, dataset, encoders, replace(job.analysis, compare=filled), job.cluster)
        yield Outcome(whole=True, line=comparison_line(found), places=[comparisons_url(job.root, dataset)])


def summary_table(root: str, datasets: list[str], encoders: list[str]) -> Table:
    """One row a (data set, encoder), read from the root's `metrics.json` files; at most 80 columns of a terminal."""
    table = Table(title=f"Lacuna: {root}", caption=_LEGEND, title_justify="left", caption_justify="left", box=SIMPLE, padding=0)
    table.add_column("", overflow="fold")  # a long name wraps, so that no number is cut
    for heading in _COLUMNS:
        table.add_column(heading, justify="right", no_wrap=True)
    paths = RootPaths(root)
    for dataset in datasets:
        table.add_row(f"[bold]{dataset}[/bold]")
        for encoder in encoders:
            if not exists(paths.metrics(dataset, encoder)):  # not every encoder sees every data set
                continue
            metrics = read_json(paths.metrics(dataset, encoder))
            table.add_row(f"  {encoder}", *(_number(metrics, path) for path in _COLUMNS.values()))
        table.add_section()
    return table


def _number(metrics: object, path: tuple[str, ...]) -> str:
    for key in path:
        if not isinstance(metrics, dict) or key not in metrics:
            return "-"
        metrics = metrics[key]
    if metrics is None:
        return "-"
    return f"{metrics:.1f}" if path[-1] == "effective_rank" else f"{metrics:.3f}"
