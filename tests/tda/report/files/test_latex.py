"""Tables for a paper: every cell is text, whatever it holds."""

import re

import pytest
from planted_report import CONFIG

from tda.report.data.load import Run
from tda.report.drawing.table import Column, Table
from tda.report.files.latex import escaped, report_tex, tables_tex
from tda.report.reading.drawn import Figure, Group, PanelShown
from tda.report.topics.registry import registry

HOSTILE = "\\input{/etc/passwd} $x^2$ 50% a_b #1 & ~ {y} \u202e<b> \x07 10⁻³"


def test_untrusted_text_is_no_command() -> None:
    shown = escaped(HOSTILE)
    assert shown.startswith(r"\textbackslash{}input\{/etc/passwd\} \$x\textasciicircum{}2\$ 50\% a\_b \#1 \& \textasciitilde{} \{y\} ")
    assert "RIGHT-TO-LEFT OVERRIDE" in shown
    assert "\u202e" not in shown
    assert "\x07" not in shown
    assert shown.endswith("10$^{-3}$")
    assert len(escaped("x" * 1_000_000)) < 3000


@pytest.mark.parametrize("character", list('\\{}$&#%_^~<>|"'))
def test_every_special_character_is_escaped(character: str) -> None:
    assert escaped(character) not in {character, ""}


def _table() -> Table:
    columns = [
        Column(label="Data set"), Column(label="Model"), Column(label="Gap", group="This run"), Column(label="Top_1", group="This run"),
        Column(label="Gap", group="Paper"), Column(label="filed", paged=False),
    ]  # fmt: skip
    rows = [["d_1", HOSTILE, 0.5, 0.25, 0.75, 1.0], ["d_1", "b", None, 0.125, None, 1.0], ["e", "b", 1.0, 1.0, None, 1.0]]
    return Table(name="t", label="Table I", title="Gaps & more", columns=columns, rows=rows, sentences=[], note="50% is chance.")


def test_a_table_is_one_float_by_booktabs() -> None:
    tex = tables_tex([_table(), Table(name="empty", label="", title="", columns=[], rows=[], sentences=[], missing=["no"])])
    assert tex.count(r"\begin{table*}") == tex.count(r"\end{table*}") == 1
    assert r"\caption{Table I. Gaps \& more. 50\% is chance.}" in tex
    assert [tex.count(rule) for rule in (r"\toprule", r"\midrule", r"\bottomrule")] == [1, 1, 1]
    assert r" & \multicolumn{2}{c}{This run} & \multicolumn{1}{c}{Paper} \\" in tex
    assert r"\cmidrule(lr){2-3} \cmidrule(lr){4-4}" in tex
    assert r"Model & Gap & Top\_1 & Gap \\" in tex
    assert r"\multicolumn{4}{l}{\textit{d\_1}} \\" in tex
    assert r"b & -- & 0.125 & -- \\" in tex
    assert tex.count("{") - tex.count(r"\{") == tex.count("}") - tex.count(r"\}")


def test_every_row_has_as_many_cells_as_columns() -> None:
    body = re.findall(r"\\begin\{tabular\}\{(\w+)\}(.*?)\\end\{tabular\}", tables_tex([_table()]), re.DOTALL)
    ((kinds, lines),) = body
    cells = [line for line in lines.splitlines() if line.endswith(r"\\") and not line.startswith((r"\multicolumn", " & "))]
    assert {len(re.split(r"(?<!\\)&", line)) for line in cells} == {len(kinds)} == {4}


def test_the_document_holds_figures_with_their_captions() -> None:
    spec = next(spec for spec in registry() if spec.name == "fig03").for_run(Run(root="", config=CONFIG, cells=()))
    drawn = Figure(spec=spec, groups=[Group(heading="", panels=[PanelShown(alt="")])], sentences=[], missing=[])
    bare = Figure(spec=registry()[0], groups=[], sentences=[], missing=["no"])
    tex = report_tex("a & b", ["It is 5% (1 to 9)."], [drawn, bare])
    assert r"\section*{a \& b}" in tex
    assert r"\item It is 5\% (1 to 9)." in tex
    assert tex.count(r"\includegraphics") == 1
    assert "{fig03.pdf}" in tex
    assert r"\caption{Fig. 3. Cosine between image and text. In colour" in tex
    assert tex.index(r"\input{tables.tex}") < tex.index(r"\end{document}")
