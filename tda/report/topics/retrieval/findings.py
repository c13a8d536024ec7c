"""What retrieval shows in this run, in sentences (Table II)."""

from collections.abc import Sequence

from tda.config import ReportConfig
from tda.report.data.evidence import TOP1, candidates, each, mean_top1, name
from tda.report.data.load import Cell
from tda.report.data.words import percent


def retrieval(cells: Sequence[Cell], config: ReportConfig) -> list[str]:
    """Best and worst retrieval (Table II)."""

    def tell(dataset: str, group: list[Cell]) -> str:
        best, worst = max(group, key=mean_top1), min(group, key=mean_top1)
        reported = f"On {dataset} {name(best.encoder, config)} ranks the true partner first {percent(mean_top1(best))} of the time"
        rest = "" if best is worst else f", {name(worst.encoder, config)} {percent(mean_top1(worst))}"
        return f"{reported}{rest}, among {candidates(best):,} candidates (mean of both directions)."

    return each(cells, TOP1, tell)
