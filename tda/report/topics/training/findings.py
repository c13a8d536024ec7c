"""What training shows in this run, in a sentence."""

from collections.abc import Mapping

from tda.config import ReportConfig
from tda.report.data.evidence import loss_ends, name
from tda.report.data.read import Columns
from tda.report.data.words import listing


def training(curves: Mapping[str, Columns], config: ReportConfig) -> list[str]:
    """From what loss to what loss each model was trained."""
    reported = []
    for encoder, curve in curves.items():
        first, last = loss_ends(curve)
        reported.append(f"{first:.3g} to {last:.3g} in {int(curve['step'][-1]):,} steps in {name(encoder, config)}")
    return [f"The loss went from {listing(reported)} (medians of the first and last twentieth of the steps)."] if reported else []
