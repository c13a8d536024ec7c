"""The table of local dimension."""

from collections.abc import Callable

from tda.report.data.load import Run
from tda.report.drawing.table import Table
from tda.report.topics.local_dimension.tables import local

Rows = Callable[[Table], list[dict[str, str]]]


def test_local_dimension_has_models_and_all_pooled(planted_run: Run, csv_rows: Rows) -> None:
    rows = [row for row in csv_rows(local(planted_run)) if row["Data set"] == "toy_shifted"]
    assert [row["Model"] for row in rows][-1] == "All models, pooled"
    assert rows[-1]["Clusters"] == "64"
    low, value, high = (float(rows[0][name]) for name in ("95% interval: from", "AUC, both ways: Given size", "95% interval: to"))
    assert low <= value <= high
    assert all(rows[0][f"{kind}, given size: {way}"] for kind in ("AUC", "Rank") for way in ("Img→txt", "Txt→img"))
    assert local(planted_run).blocks["toy_shifted"][0][4] == f"{low:+.2f} to {high:+.2f}"
