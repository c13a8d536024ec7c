"""What training shows in this run, in a sentence."""

from collections.abc import Mapping

from tda.columns import Columns
from tda.config.stages import ReportConfig
from tda.report.data.evidence import name
from tda.report.data.words import listing
from tda.report.topics.rules import loss_ends


def training(curves: Mapping[str, Columns], config: ReportConfig) -> list[str]:
    """From what loss to what loss each model was trained."""
    if not curves:
        return []
    ends = {encoder: loss_ends(curve) for encoder, curve in curves.items()}
    steps = {encoder: int(curve["step"][-1]) for encoder, curve in curves.items()}
    verb = "fell" if all(last < first for first, last in ends.values()) else "went"
    same = len(set(steps.values())) == 1
    parts = [
        f"from {_loss(first)} to {_loss(last)} in {name(encoder, config)}{'' if same else f' ({steps[encoder]:,} steps)'}"
        for encoder, (first, last) in ends.items()
    ]
    within = f" in {next(iter(steps.values())):,} steps" if same else ""
    return [f"The loss {verb}{within} {listing(parts)} (medians of the first and last twentieth of the steps)."]


def _loss(loss: float) -> str:
    return f"{loss:.3g}".replace("-", "−")
