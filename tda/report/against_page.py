"""The page of two roots side by side."""

from collections.abc import Sequence
from importlib import resources

from tda.report.data.words import visible
from tda.report.drawing.table import Table


def page(table: Table, alone: Sequence[str], roots: tuple[str, str]) -> str:
    """Fill in the template; everything but our own CSS is escaped."""
    from jinja2 import Environment, PackageLoader, StrictUndefined
    from markupsafe import Markup

    environment = Environment(
        loader=PackageLoader("tda.report", ""), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["visible"] = visible
    css = Markup(resources.files("tda.report").joinpath("page.css").read_text())  # noqa: S704 our own file
    return environment.get_template("against.html").render(table=table, alone=alone, roots=roots, css=css)
