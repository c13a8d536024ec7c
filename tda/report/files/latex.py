"""Tables and figures for a paper: tables.tex, by booktabs, and report.tex around it, which compiles as it is."""

import re
from collections.abc import Sequence

from tda.report.data.words import visible
from tda.report.drawing.table import Table
from tda.report.reading.drawn import Figure

LONGEST = 2000  # characters of one text
WIDE = 8  # columns from which a table is shrunk to the page
_SPECIAL = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "$": r"\$", "&": r"\&", "#": r"\#", "%": r"\%", "_": r"\_",
    "^": r"\textasciicircum{}", "~": r"\textasciitilde{}", "<": r"\textless{}", ">": r"\textgreater{}", "|": r"\textbar{}",
    '"': r"\textquotedbl{}", "−": "$-$", "×": r"$\times$", "±": r"$\pm$", "→": r"$\rightarrow$", "′": "$'$", "·": r"$\cdot$",
    "√": r"$\surd$", "²": "$^2$", "–": "--", "—": "---", "“": "``", "”": "''", "†": r"\dag{}", "…": r"\dots{}",
    "⟨": r"\textless{}", "⟩": r"\textgreater{}", "○": r"$\circ$", "●": r"$\bullet$", "≥": r"$\geq$", "≤": r"$\leq$",
}  # fmt: skip
_RAISED = str.maketrans("⁻⁰¹²³⁴⁵⁶⁷⁸⁹", "-0123456789")
_HEAD = r"""\documentclass{article}
\usepackage[a4paper,margin=2cm]{geometry}
\usepackage[T1]{fontenc}
\usepackage[utf8]{inputenc}
\usepackage{booktabs,graphicx,textcomp}
\begin{document}
"""


def escaped(text: str) -> str:
    """Untrusted text as LaTeX prints it: no command, no markup; hidden characters are named."""
    shown = visible(text, LONGEST)
    parts = re.split(r"([⁻⁰¹²³⁴-⁹]+)", shown)
    return "".join(
        f"$^{{{part.translate(_RAISED)}}}$" if place % 2 else "".join(_SPECIAL.get(character, character) for character in part)
        for place, part in enumerate(parts)
    )


def tables_tex(tables: Sequence[Table]) -> str:
    """Every table in a float of its own, with its caption and label; needs booktabs and graphicx."""
    return "\n".join(["% needs \\usepackage{booktabs,graphicx,textcomp}", *(_table(table) for table in tables if table.rows)])


def _table(table: Table) -> str:
    paged = table.paged
    kinds = "l" + "".join("r" if column.numeric else "l" for column in paged[1:])
    caption = " ".join(filter(None, [f"{table.label}. {table.title}.", table.note]))
    inner = [rf"\begin{{tabular}}{{{kinds}}}", r"\toprule", *_groups(table)]
    inner += [_line([escaped(column.label) for column in paged]), r"\midrule"]
    for number, (heading, rows) in enumerate(table.blocks.items()):
        inner += [r"\addlinespace"] * bool(number)
        inner += [rf"\multicolumn{{{len(paged)}}}{{l}}{{\textit{{{escaped(heading)}}}}} \\"]
        inner += [_line([escaped(cell) for cell in row]) for row in rows]
    inner += [r"\bottomrule", r"\end{tabular}"]
    if len(paged) > WIDE:
        inner = [r"\resizebox{\textwidth}{!}{%", *inner[:-1], inner[-1] + "}"]
    head = [r"\begin{table*}", r"\centering\small", rf"\caption{{{escaped(caption)}}}", rf"\label{{tab:{table.name}}}"]
    return "\n".join([*head, *inner, r"\end{table*}", ""])


def _groups(table: Table) -> list[str]:
    """The headings over neighbouring columns, each with a rule below."""
    if not any(group for group, _ in table.groups):
        return []
    cells, rules, start = [], [], 1
    for group, span in table.groups:
        cells.append(rf"\multicolumn{{{span}}}{{c}}{{{escaped(group)}}}" if group else " & ".join([""] * span))
        rules += [rf"\cmidrule(lr){{{start}-{start + span - 1}}}"] * bool(group)
        start += span
    return [_line(cells), " ".join(rules)]


def _line(cells: Sequence[str]) -> str:
    return " & ".join(cells) + r" \\"


def report_tex(title: str, findings: Sequence[str], figures: Sequence[Figure]) -> str:
    """A document with the findings, every figure and the tables: compile it in the report's folder."""
    parts = [_HEAD, rf"\section*{{{escaped(title)}}}"]
    if findings:
        parts += [r"\begin{enumerate}", *(rf"\item {escaped(sentence)}" for sentence in findings), r"\end{enumerate}"]
    parts += [_figure(figure) for figure in figures if figure.groups]
    return "\n".join([*parts, r"\clearpage", r"\input{tables.tex}", r"\end{document}", ""])


def _figure(figure: Figure) -> str:
    spec = figure.spec
    caption = escaped(f"{spec.label}. {spec.title}. {spec.reading}")
    picture = rf"\includegraphics[width=\textwidth,height=.8\textheight,keepaspectratio]{{{spec.name}.pdf}}"
    named = [rf"\caption{{{caption}}}", rf"\label{{fig:{spec.name}}}"]
    return "\n".join([r"\begin{figure*}", r"\centering", picture, *named, r"\end{figure*}", ""])
