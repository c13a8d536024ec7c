"""Styles of all figures: a modality has one colour and marker, a model one colour, line and marker, in every figure.

The colours differ under the common kinds of colour-blindness and show on the light and the dark page; INK follows the page.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tda.config.stages import ReportConfig

INK = "#010203"  # a mark for the page's text colour: `figure.inline` replaces it by currentColor; near black on a sheet
MUTED = "#7a7f87"


@dataclass(frozen=True, kw_only=True)
class ModalityStyle:
    color: str
    marker: str
    glyph: str


MODALITIES = {
    "image": ModalityStyle(color="#0f76b8", marker="o", glyph="●"),
    "text": ModalityStyle(color="#d55e00", marker="^", glyph="▲"),
}


@dataclass(frozen=True, kw_only=True)
class ModelStyle:
    """`dashes` is an SVG dash array in points, matplotlib's too; () is a solid line. `glyph` is the marker as a character."""

    color: str
    dashes: tuple[float, ...] = ()
    marker: str = "s"
    glyph: str = "■"

    @property
    def line(self) -> Any:
        return (0, self.dashes) if self.dashes else "solid"

    def marked(self, points: int, most: int = 6) -> dict[str, Any]:
        """How a line of `points` points is drawn: its colour, its dashes, and its marker at a few of them."""
        every = max(1, points // most)
        return {"color": self.color, "linestyle": self.line, "marker": self.marker, "markersize": 3.5, "markevery": (every // 2, every)}


_GREEN, _PURPLE, _AMBER, _INDIGO, _ROSE = "#00896a", "#b05aa0", "#a87400", "#6f6fd6", "#c04a5a"
_SLOTS = (  # twelve that differ in colour and dashes, and each in its marker: neither modality's, nor the wedge or circle of spectra
    ModelStyle(color=INK),
    ModelStyle(color=_GREEN, dashes=(5, 1.6), marker="D", glyph="◆"),
    ModelStyle(color=_PURPLE, dashes=(6, 1.5, 1.2, 1.5), marker="X", glyph="✖"),
    ModelStyle(color=_AMBER, dashes=(1.4, 1.4), marker="P", glyph="✚"),
    ModelStyle(color=_INDIGO, marker="*", glyph="★"),
    ModelStyle(color=_ROSE, dashes=(8, 2), marker="p", glyph="⬟"),
    ModelStyle(color=_GREEN, marker="<", glyph="◀"),
    ModelStyle(color=_PURPLE, marker=">", glyph="▶"),
    ModelStyle(color=_AMBER, dashes=(8, 2, 1.2, 2), marker="h", glyph="⬢"),
    ModelStyle(color=INK, dashes=(5, 1.6), marker="d", glyph="♦"),
    ModelStyle(color=_INDIGO, dashes=(3, 1.2), marker="8", glyph="⬣"),
    ModelStyle(color=_ROSE, dashes=(1.4, 1.4), marker="+", glyph="+"),
)
_PREFERRED = {"CLIP": 0, "InfoNCE": 0, "CLOOB": 1, "InfoLOOB + Hopfield": 1, "InfoLOOB": 2, "InfoNCE + Hopfield": 3}


def model_styles(encoders: Sequence[str], config: ReportConfig) -> dict[str, ModelStyle]:
    """Give each encoder a distinct style: the one of its role where that is free, else the next free one."""
    chosen: dict[str, int] = {}
    by_role = sorted(encoders, key=lambda name: name not in config.models)  # the two main models choose first
    for name in by_role:
        slot = _PREFERRED.get(config.models.get(name) or config.ablation.get(name, ""))
        if slot is not None and slot not in chosen.values():
            chosen[name] = slot
    for name in encoders:
        if name not in chosen:
            free = [slot for slot in range(len(_SLOTS)) if slot not in chosen.values()]
            chosen[name] = free[0] if free else len(chosen) % len(_SLOTS)
    return {name: _SLOTS[chosen[name]] for name in encoders}


def parameters() -> Any:  # matplotlib types its keys as 400 literals
    """Matplotlib's settings for one figure; untrusted names are never parsed as mathematics."""
    return {
        "font.family": "sans-serif",
        "font.sans-serif": ["DejaVu Sans"],
        "font.size": 9,
        "axes.labelsize": 9,
        "axes.titlesize": 9.5,
        "xtick.labelsize": 8,
        "ytick.labelsize": 8,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.linewidth": 0.7,
        "xtick.major.width": 0.7,
        "ytick.major.width": 0.7,
        "lines.linewidth": 1.5,
        "lines.scale_dashes": False,
        "figure.facecolor": "none",
        "axes.facecolor": "none",
        "savefig.facecolor": "none",
        "text.parse_math": False,
        "axes.formatter.use_mathtext": False,
        "axes.unicode_minus": True,
        "svg.fonttype": "none",
        "pdf.fonttype": 42,
        "pdf.compression": 6,
        "svg.hashsalt": "lacuna",
        **dict.fromkeys(["text.color", "axes.labelcolor", "axes.edgecolor", "xtick.color", "ytick.color", "axes.titlecolor"], INK),
    }


def spread(positions: Sequence[float], least: float) -> list[float]:
    """Move label positions apart, as little as possible, until neighbours are at least `least` apart."""
    order = sorted(range(len(positions)), key=lambda i: positions[i])
    blocks: list[tuple[float, list[int]]] = []  # (centre, members in order)
    for i in order:
        blocks.append((positions[i], [i]))
        while len(blocks) > 1 and blocks[-1][0] - blocks[-2][0] < least * (len(blocks[-1][1]) + len(blocks[-2][1])) / 2:
            members = blocks[-2][1] + blocks[-1][1]
            blocks[-2:] = [(sum(positions[j] for j in members) / len(members), members)]
    moved = list(positions)
    for centre, members in blocks:
        for place, i in enumerate(members):
            moved[i] = centre + (place - (len(members) - 1) / 2) * least
    return moved
