"""A matplotlib figure as bytes: SVG, PNG or PDF, the same for the same numbers."""

import io
import re
from functools import lru_cache
from typing import Any

DPI = 200  # of rasterized points
FONT = "DejaVu Sans"
# What figures write, so that nearly all share one subset of the font; other characters are added.
_USUAL = frozenset(chr(code) for code in range(32, 127)) | frozenset("−–—…′×±→←≤≥⁰¹²³⁴⁵⁶⁷⁸⁹⁻○●▲°πσλ")


def svg_bytes(figure: Any) -> bytes:
    """Save without `savefig`, which draws everything twice. Text stays text; its font is named, not embedded."""
    from matplotlib.backends.backend_svg import FigureCanvasSVG

    text = io.StringIO()
    canvas: Any = FigureCanvasSVG(figure)
    dpi = figure.dpi
    canvas.print_svg(text, metadata={"Date": None, "Creator": None})
    figure.dpi = dpi  # print_svg changes it
    return text.getvalue().encode()


def png_bytes(figure: Any) -> bytes:
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    buffer = io.BytesIO()
    canvas: Any = FigureCanvasAgg(figure)
    canvas.print_png(buffer, metadata={"Software": None})
    return buffer.getvalue()


def pdf_bytes(figure: Any) -> bytes:
    """Text stays text, in embedded TrueType fonts; without a date, so that the same numbers are the same bytes."""
    from matplotlib.backends.backend_pdf import FigureCanvasPdf

    buffer = io.BytesIO()
    canvas: Any = FigureCanvasPdf(figure)
    dpi = figure.dpi
    canvas.print_pdf(buffer, metadata={"CreationDate": None, "Creator": None, "Producer": None})
    figure.dpi = dpi
    return buffer.getvalue()


def with_font(svg: bytes) -> bytes:
    """An SVG that carries the characters of its font that it uses: it looks the same where the font is not installed."""
    text = svg.decode()
    used = frozenset(character for character in set(text) if ord(character) > 126) - _USUAL
    faces = "".join(
        f'@font-face{{font-family:"{FONT}";font-weight:{weight};src:url(data:font/woff;base64,{_subset(weight, used)})}}'
        for weight in ("normal", "bold")
        if weight == "normal" or re.search(r"\b(?:bold|700)\b", text)
    )
    start = text.index(">", text.index("<svg")) + 1
    return f"{text[:start]}<style>{faces}</style>{text[start:]}".encode()


@lru_cache(maxsize=32)
def _subset(weight: str, more: frozenset[str]) -> str:
    """The usual characters and these as a WOFF, in base64."""
    import base64

    from fontTools import subset  # type: ignore[import-untyped, unused-ignore]
    from matplotlib import font_manager

    path = font_manager.findfont(font_manager.FontProperties(family=FONT, weight=weight))
    options = subset.Options(flavor="woff", hinting=False, layout_features=[], notdef_outline=True, recalc_timestamp=False)
    options.drop_tables = [*options.drop_tables, "FFTM"]
    font = subset.load_font(path, options)
    chooser = subset.Subsetter(options)
    chooser.populate(text="".join(sorted(_USUAL | more)))
    chooser.subset(font)
    buffer = io.BytesIO()
    subset.save_font(font, buffer, options)
    return base64.b64encode(buffer.getvalue()).decode()
