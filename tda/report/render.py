"""Fill in the page's template: everything but our own SVG and CSS is escaped."""

from collections.abc import Sequence
from importlib import resources

from tda.report.contact.sheet import Sheet
from tda.report.data.evidence import name
from tda.report.data.load import Run
from tda.report.data.stale import MARK, warning
from tda.report.data.words import listing, visible
from tda.report.drawing.sheet import SUFFIXES
from tda.report.drawing.style import INK, MODALITIES, model_styles
from tda.report.reading.answers import Reading, anchor
from tda.report.reading.studied import datasets, studied
from tda.report.topics.rules import RULES


def render(run: Run, reading: Reading, absent: Sequence[str], digest: str, *, sheets: Sequence[Sheet] = (), explorer: str = "") -> str:
    """The page. `absent` are lines on what is not shown; `explorer` is the file of the explorer beside the page, where there is one."""
    from jinja2 import Environment, PackageLoader, StrictUndefined
    from markupsafe import Markup

    environment = Environment(
        loader=PackageLoader("tda.report", ""), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= {"visible": visible, "drawn": Markup}
    styles = model_styles(run.encoders, run.config)
    return environment.get_template("page.html").render(
        run=run,
        reading=reading,
        absent=absent,
        explorer=explorer,
        digest=digest,
        stale=warning(run),
        mark=MARK,
        sheets=sheets,
        css=Markup(resources.files("tda.report").joinpath("page.css").read_text()),  # noqa: S704 our own file
        rules=RULES,
        modalities=dict(zip(run.modalities, MODALITIES.values(), strict=True)),
        kinds=listing("-".join(kind) for kind in run.kinds),
        models={name(encoder, run.config): style for encoder, style in styles.items()},
        ink=INK,
        studied=studied(run),
        datasets=datasets(run),
        encoders=encoders(run),
        failures=[cell for cell in run.cells if any(failure.caption for failure in cell.failures)],
        name=name,
        suffixes=SUFFIXES,
        anchor=anchor,
    )


def encoders(run: Run) -> list[dict[str, str]]:
    """Rows of the summary: name, how the page names it, roles, dimensions, stored type, first digits of the weights' sha256."""
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
                "shown": name(encoder, run.config),
                "role": ", ".join(roles),
                **{key: ", ".join(filter(None, found)) for key, found in (("dim", dims), ("dtype", kinds), ("sha", hashes))},
            }
        )
    return rows


def _short(sha256: str) -> str:
    """The first 12 digits of a hash, after its prefix where it has one."""
    kind, colon, digits = sha256.rpartition(":")
    return f"{kind}{colon}{digits[:12]}"
