"""The page: numbers, figures, tables and sentences of one run, in one file that opens from disk without a network."""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from importlib import metadata, resources
from typing import Any

from tda.config.stages import ReportConfig
from tda.progress import report_progress
from tda.report.contact.sheet import Sheet, build_sheets
from tda.report.data.evidence import name, value
from tda.report.data.load import Run, load_run
from tda.report.data.stale import MARK, figure_warning, stale_rows, warning
from tda.report.data.words import listing, visible
from tda.report.drawing.figure import SHEET_COLUMNS, FigureSpec, panel_svg, sheet
from tda.report.drawing.style import INK, MODALITIES, model_styles
from tda.report.drawing.table import Table
from tda.report.explorer.explorer import PAGE as EXPLORER
from tda.report.explorer.explorer import build_explorer, has_explorer
from tda.report.topics.registry import figures_of, headlines, registry, sections, tables, tables_read
from tda.report.topics.rules import RULES
from tda.source_digest import source_digest
from tda.store.commit.versions import sha256_if_there
from tda.store.documents import bad_names, document_if_whole, entry_of, sealed
from tda.store.files import exists, filesystem, join, publish_bytes, publish_json
from tda.store.paths import RootPaths

MANIFEST = "manifest.json"  # published last: where it is, the rest is too


@dataclass(frozen=True, kw_only=True)
class Built:
    """A finished report: `missing` is one line for each thing that could not be drawn, `rebuilt` is False where nothing had changed."""

    url: str
    datasets: int
    encoders: int
    files: tuple[str, ...]
    missing: tuple[str, ...]
    rebuilt: bool
    stale: str = ""  # a sentence where numbers are of other rows than there are now


@dataclass(frozen=True, kw_only=True)
class Group:
    """Panels under one heading of the page, as SVG."""

    heading: str
    panels: list[str]


@dataclass(frozen=True, kw_only=True)
class Figure:
    """A drawn figure, or the lines on what it lacks."""

    spec: FigureSpec
    groups: list[Group]
    sentences: list[str]
    missing: list[str]
    stale: str = ""  # which of its numbers are of other rows than there are now

    @property
    def most(self) -> int:
        """Columns on the page: panels of the longest row, at most as many as a sheet has."""
        return max(min(len(group.panels), SHEET_COLUMNS) for group in self.groups)

    @cached_property
    def alt(self) -> str:
        return f"{self.spec.label}: {self.spec.title}. {' '.join(self.sentences)}".strip()


@dataclass(frozen=True, kw_only=True)
class Section:
    """A part of the page: its tables, then its figures."""

    key: str
    title: str
    tables: list[Table]
    figures: list[Figure]


def build(root: str, config: ReportConfig) -> Built:
    """Write `<root>/report/`: index.html, each figure as SVG and PNG, each table as CSV, and the contact sheets.

    Nothing is drawn when the input files, the configuration and this code are unchanged. Raises UserError when nothing was analysed
    under `root`.
    """
    run = load_run(root, config, tables_read())
    sheets = build_sheets(root, [(cell.dataset, cell.encoder) for cell in run.cells], config)
    explorer = build_explorer(run)
    digest = hashlib.sha256(f"{run.digest} {_code()} {sheets} {explorer.digest if explorer else ''}".encode()).hexdigest()
    folder = RootPaths(root).report().rpartition("/")[0]
    before = _manifest(folder)
    if before.get("digest") == digest and _stand(folder, before["files"]):
        return _built(run, before["files"], before["missing"], rebuilt=False)
    figures, files = _draw(run)
    made = [replace(table, stale=stale_rows(run, table.rows)) for table in tables(run)]
    files |= {f"{table.name}.csv": table.csv() for table in made if table.rows}
    files["index.html"] = render(run, figures, made, digest, sheets).encode()
    files |= {EXPLORER: explorer.page} if explorer else {}
    for file, data in files.items():
        publish_bytes(join(folder, file), data)
    lines = [line for figure in figures for line in figure.missing] + [line for table in made for line in table.missing]
    missing = list(dict.fromkeys(lines))
    entries = {file: entry_of(data) for file, data in files.items()}
    publish_json(join(folder, MANIFEST), sealed({"digest": digest, "files": entries, "missing": missing}))
    _remove(folder, set(before.get("files", ())) - set(files))
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
    return {**found, "files": files}


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
    specs = registry()
    for count, spec in enumerate(spec.for_run(run) for spec in specs):
        report_progress(count, len(specs), "figures")
        panels, missing = spec.panels(run) if spec.present(run) else [], spec.missing(run)
        if not panels and not missing:
            continue
        groups: dict[str, list[str]] = {}
        for number, panel in enumerate(panels):
            groups.setdefault(panel.row, []).append(panel_svg(panel, spec, f"{spec.name}-{number}"))
        sentences = spec.sentence(run) if panels else []
        shown = [Group(heading=heading, panels=drawn) for heading, drawn in groups.items()]
        noted = figure_warning(run, spec.needs) if panels else ""
        figures.append(Figure(spec=spec, groups=shown, sentences=sentences, missing=missing, stale=noted))
        if panels:
            files |= {f"{spec.name}.{suffix}": data for suffix, data in sheet(panels, spec).items()}
    return figures, files


def render(run: Run, figures: list[Figure], made: list[Table], digest: str, sheets: Sequence[Sheet] = ()) -> str:
    """Fill in the template. Everything but our own SVG and CSS is escaped."""
    from jinja2 import Environment, PackageLoader, StrictUndefined
    from markupsafe import Markup

    environment = Environment(
        loader=PackageLoader("tda.report", ""), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= {"visible": visible, "drawn": Markup}
    styles = model_styles(run.encoders, run.config)
    return environment.get_template("page.html").render(
        run=run,
        sections=_sections(figures, made),
        digest=digest,
        stale=warning(run),
        mark=MARK,
        sheets=sheets,
        explorer=EXPLORER if has_explorer(run) else "",
        css=Markup(resources.files("tda.report").joinpath("page.css").read_text()),  # noqa: S704 our own file
        headlines=headlines(run),
        rules=RULES,
        modalities=dict(zip(run.modalities, MODALITIES.values(), strict=True)),
        kinds=listing("-".join(kind) for kind in run.kinds),
        models={name(encoder, run.config): style for encoder, style in styles.items()},
        ink=INK,
        datasets=_datasets(run),
        encoders=_encoders(run),
        failures=[cell for cell in run.cells if any(failure.caption for failure in cell.failures)],
    )


def _sections(figures: list[Figure], made: list[Table]) -> list[Section]:
    """The sections that have anything in them."""
    by_name = {figure.spec.name: figure for figure in figures}
    found = [
        Section(
            key=key,
            title=title,
            tables=[table for table in made if table.section == key],
            figures=[figure for spec in figures_of(key) if (figure := by_name.get(spec.name)) and (figure.groups or figure.missing)],
        )
        for key, title in sections().items()
    ]
    return [section for section in found if section.tables or section.figures]


def _datasets(run: Run) -> list[dict[str, str]]:
    """Rows of the summary: name, role, pairs."""
    rows = []
    for dataset in run.datasets:
        pairs = sorted({int(value(cell, "pairs") or 0) for cell in run.of(dataset)})
        rows.append(
            {
                "name": dataset,
                "role": run.config.datasets.get(dataset, ""),
                "pairs": " to ".join(f"{n:,}" for n in dict.fromkeys([pairs[0], pairs[-1]])),
            }
        )
    return rows


def _encoders(run: Run) -> list[dict[str, str]]:
    """Rows of the summary: name, roles, dimensions, stored type, first digits of the weights' sha256."""
    rows = []
    for encoder in run.encoders:
        cells = [cell.metrics for cell in run.cells if cell.encoder == encoder]
        roles = dict.fromkeys(filter(None, [run.config.models.get(encoder), run.config.ablation.get(encoder)]))
        hashes = dict.fromkeys(_short(str(m.get("weights_sha256") or "")) for m in cells)
        dims = dict.fromkeys(str(m.get("dim", "")) for m in cells)
        kinds = dict.fromkeys(str(m.get("dtype", "")) for m in cells)
        rows.append(
            {
                "name": encoder,
                "role": ", ".join(roles),
                **{key: ", ".join(filter(None, found)) for key, found in (("dim", dims), ("dtype", kinds), ("sha", hashes))},
            }
        )
    return rows


def _short(sha256: str) -> str:
    """The first 12 digits of a hash, after its prefix where it has one."""
    kind, colon, digits = sha256.rpartition(":")
    return f"{kind}{colon}{digits[:12]}"
