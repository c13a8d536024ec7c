"""The closing table of the pipeline, for the terminal: within 80 columns."""

from rich.box import SIMPLE
from rich.table import Table

from tda.store.files import read_json
from tda.store.paths import RootPaths

# heading -> where its number lies in metrics.json
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


def summary_table(root: str, datasets: list[str], encoders: list[str]) -> Table:
    """One row a (data set, encoder), read from the root's `metrics.json` files."""
    table = Table(title=f"Lacuna: {root}", caption=_LEGEND, title_justify="left", caption_justify="left", box=SIMPLE, padding=(0, 1, 0, 0))
    table.add_column("", no_wrap=True)
    for heading in _COLUMNS:
        table.add_column(heading, justify="right", no_wrap=True)
    layout = RootPaths(root)
    for dataset in datasets:
        table.add_row(f"[bold]{dataset}[/bold]")
        for encoder in encoders:
            metrics = read_json(layout.metrics(dataset, encoder))
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
