"""The page: numbers, figures, tables and sentences of one run, in a folder that opens from disk without a network."""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass, replace
from importlib import metadata
from typing import Any

from tda.config.stages import ReportConfig
from tda.progress import report_progress
from tda.report.contact.sheet import build_sheets
from tda.report.data.load import Run, load_run
from tda.report.data.stale import stale_rows, warning
from tda.report.drawing.figure import FigureSpec
from tda.report.drawing.sheet import inches, sheet
from tda.report.drawing.table import Table
from tda.report.explorer.explorer import PAGE as EXPLORER
from tda.report.explorer.explorer import build_explorer
from tda.report.files.atlas import atlas
from tda.report.files.latex import report_tex, tables_tex
from tda.report.files.summary import as_text, summary
from tda.report.reading.absent import absent
from tda.report.reading.answers import Reading, reading
from tda.report.reading.drawn import WITHIN, Figure, beside, draw, weight
from tda.report.reading.studied import studied
from tda.report.render import render
from tda.report.topics.registry import registry, tables, tables_read
from tda.source_digest import source_digest
from tda.store.commit.versions import sha256_if_there
from tda.store.documents import bad_names, document_if_whole, entry_of, sealed
from tda.store.files import exists, filesystem, join, json_bytes, publish_bytes, publish_json, read_bytes
from tda.store.paths import RootPaths

MANIFEST = "manifest.json"  # published last: where it is, the rest is too
SUMMARY = "summary.json"


@dataclass(frozen=True, kw_only=True)
class Built:
    """A finished report: `missing` is one line for each command that makes what is absent, `rebuilt` is False where nothing had changed."""

    url: str
    datasets: int
    encoders: int
    files: tuple[str, ...]
    missing: tuple[str, ...]
    rebuilt: bool
    stale: str = ""  # a sentence where numbers are of other rows than there are now

    def text(self, width: int) -> str:
        """The findings for a terminal of this width."""
        found = json.loads(read_bytes(join(self.url.rpartition("/")[0], SUMMARY)))
        return as_text(found, width)


def build(root: str, config: ReportConfig) -> Built:
    """Write `<root>/report/`: the page, each figure as SVG, PDF, PNG and points, each table as CSV, and the contact sheets.

    Nothing is drawn when the input files, the configuration and this code are unchanged. Raises UserError when nothing was analysed
    under `root`.
    """
    run = load_run(root, config, tables_read() | {"clusters"})
    sheets = build_sheets(root, [(cell.dataset, cell.encoder) for cell in run.cells], config)
    folder = RootPaths(root).report().rpartition("/")[0]
    explored = build_explorer(run)
    explorer = EXPLORER if explored else ""
    digest = hashlib.sha256(f"{run.digest} {_code()} {sheets} {explored.digest if explored else ''}".encode()).hexdigest()
    before = _manifest(folder)
    if before.get("digest") == digest and _stand(folder, before["files"] | before["panels"]):
        return _built(run, before["files"], before["missing"], rebuilt=False)
    figures, files = _draw(run)
    made = [replace(table, stale=stale_rows(run, table.rows)) for table in tables(run)]
    files |= {f"{table.name}.csv": table.csv() for table in made if table.rows}
    missing = absent(run, [figure.spec for figure in figures], made)
    shown, panels = _placed(reading(run, figures, made))
    files |= _for_tools(run, shown, figures, made, missing)
    files["index.html"] = render(run, shown, missing, digest, sheets=sheets, explorer=explorer).encode()
    files |= {EXPLORER: explored.page} if explored else {}
    for file, data in (panels | files).items():
        publish_bytes(join(folder, file), data)
    entries, beside_it = ({file: entry_of(data) for file, data in some.items()} for some in (files, panels))
    publish_json(join(folder, MANIFEST), sealed({"digest": digest, "files": entries, "panels": beside_it, "missing": missing}))
    _remove(folder, {*before.get("files", ()), *before.get("panels", ())} - {*files, *panels})
    return _built(run, files, missing, rebuilt=True)


def _built(run: Run, files: Iterable[str], missing: Iterable[str], *, rebuilt: bool) -> Built:
    return Built(
        url=RootPaths(run.root).report(),
        datasets=len(run.datasets),
        encoders=len(run.encoders),
        files=tuple(files),
        missing=tuple(missing),
        rebuilt=rebuilt,
        stale=warning(run),
    )


def _code() -> str:
    """Hash of the code that draws: this package's files, and the versions of its libraries."""
    versions = [metadata.version(library) for library in ("matplotlib", "jinja2")]
    return hashlib.sha256(repr((source_digest("tda.report"), versions)).encode()).hexdigest()


def _manifest(folder: str) -> dict[str, Any]:
    """The manifest of a report; {} where there is none that is whole. A report of an earlier version lists its files by name alone."""
    found = document_if_whole(join(folder, MANIFEST))
    listed = found.get("files")
    files: Any = {str(name): {} for name in listed} if isinstance(listed, list) else listed
    if not isinstance(files, dict) or bad_names(found) or not isinstance(found.get("missing"), list):
        return {}
    panels = found.get("panels")
    return {**found, "files": files, "panels": panels if isinstance(panels, dict) else {}}


def _stand(folder: str, files: dict[str, dict[str, Any]]) -> bool:
    """Whether every file is there, and the one that was drawn."""
    return all(
        exists(join(folder, file)) if "sha256" not in entry else sha256_if_there(join(folder, file)) == entry["sha256"]
        for file, entry in files.items()
    )


def _remove(folder: str, files: set[str]) -> None:
    for file in files:
        fs, path = filesystem(join(folder, file))
        if fs.exists(path):
            fs.rm_file(path)


def _draw(run: Run) -> tuple[list[Figure], dict[str, bytes]]:
    """Every figure of the registry that has data or lacks some, and the files of those with data."""
    figures: list[Figure] = []
    files: dict[str, bytes] = {}
    specs, width = registry(), inches(run.config.width)
    for count, spec in enumerate(spec.for_run(run) for spec in specs):
        report_progress(count, len(specs), "figures")
        figure = draw(run, spec)
        if figure.groups:
            files |= files_of(spec, sheet(spec.panels(run), spec, width))
        if figure.groups or figure.missing:
            figures.append(figure)
    return figures, files


def _for_tools(run: Run, shown: Reading, figures: list[Figure], made: list[Table], missing: list[str]) -> dict[str, bytes]:
    """summary.json, tables.tex, report.tex and atlas.parquet, this where rows are laid out."""
    rows = atlas(run, run.config.atlas, run.config.neighbors)
    return {
        SUMMARY: json_bytes(sealed(summary(run, shown, made, missing))),
        "tables.tex": tables_tex(made).encode(),
        "report.tex": report_tex(studied(run), shown.findings, figures).encode(),
        **({"atlas.parquet": rows} if rows else {}),
    }


def files_of(spec: FigureSpec, drawn: dict[str, bytes]) -> dict[str, bytes]:
    """The files of a figure by name; those of its points end in _points.csv, since a table may have the figure's name."""
    return {f"{spec.name}_points.csv" if suffix == "csv" else f"{spec.name}.{suffix}": data for suffix, data in drawn.items()}


def _placed(found: Reading) -> tuple[Reading, dict[str, bytes]]:
    """The reading with small figures of its questions within the page and all others beside it, and the files of these."""
    files: dict[str, bytes] = {}

    def moved(figure: Figure | None, within: int) -> Figure | None:
        if figure is None or weight(figure) <= within:
            return figure
        placed, made = beside(figure)
        files.update(made)
        return placed

    answers = [replace(answer, figure=moved(answer.figure, WITHIN)) for answer in found.answers]
    sections = [replace(section, figures=[one for figure in section.figures if (one := moved(figure, 0))]) for section in found.sections]
    return replace(found, spheres=moved(found.spheres, WITHIN), answers=answers, sections=sections), files
