"""The sentence on retrieval follows the numbers."""

from typing import Any

from planted_cells import arm_cells
from planted_report import CONFIG

from tda.report.data.load import Cell
from tda.report.topics.retrieval.findings import retrieval


def _top1(pairs: int, **top1: float) -> list[Cell]:
    def part(value: float) -> dict[str, Any]:
        return {"image_to_text": {"top1": value}, "text_to_image": {"top1": value - 0.1}, "pairs_used": pairs}

    return arm_cells(**{encoder: {"retrieval": part(value)} for encoder, value in top1.items()})


def test_the_best_is_named_with_the_worst() -> None:
    cells = _top1(100_000, toy_infonce=0.5, toy_infonce_hopfield=0.3, toy_infoloob=0.8, toy_cloob=0.7)
    assert retrieval(cells, CONFIG) == [
        (
            "On toy_heldout, toy_infoloob retrieves best: the true partner ranks first of 100,000 in 75.0% of queries, "
            "against 25.0% in toy_infonce_hopfield (mean of both directions)."
        )
    ]


def test_models_that_chance_may_have_put_behind_the_first_are_best_too() -> None:
    cells = _top1(400, toy_infonce=0.5, toy_infonce_hopfield=0.3, toy_infoloob=0.80, toy_cloob=0.77)
    assert retrieval(cells, CONFIG)[0].startswith("On toy_heldout, toy_infoloob and toy_cloob (CLOOB) retrieve best: ")
    assert "in 72.0% to 75.0% of queries, against 25.0% in" in retrieval(cells, CONFIG)[0]
    many = _top1(100_000, toy_infonce=0.5, toy_infonce_hopfield=0.3, toy_infoloob=0.80, toy_cloob=0.77)
    assert retrieval(many, CONFIG)[0].startswith("On toy_heldout, toy_infoloob retrieves best: ")


def test_equal_models_are_called_equal() -> None:
    cells = _top1(400, toy_infonce=0.70, toy_infonce_hopfield=0.71, toy_infoloob=0.72, toy_cloob=0.73)
    assert retrieval(cells, CONFIG) == [
        (
            "On toy_heldout, all 4 models retrieve about equally well: the true partner ranks first of 400 in 65.0% to 68.0% of queries "
            "(mean of both directions)."
        )
    ]


def test_one_model_alone_is_neither_best_nor_worst() -> None:
    assert retrieval(arm_cells()[:1], CONFIG) == [
        "On toy_heldout, the true partner ranks first of 400 in 71.0% of queries in toy_infonce (CLIP) (mean of both directions)."
    ]


def test_one_direction_is_not_enough() -> None:
    cells = arm_cells(toy_infonce={"retrieval": {"image_to_text": {"top1": 0.5}}})
    assert retrieval(cells[:1], CONFIG) == []
    assert "toy_infonce (CLIP)" not in retrieval(cells, CONFIG)[0]


def test_drawn_queries_are_counted_and_chance_is_theirs() -> None:
    cells = _top1(1_000_000, toy_infonce=0.5, toy_infonce_hopfield=0.3, toy_infoloob=0.80, toy_cloob=0.77)
    for cell in cells:
        cell.metrics["retrieval"]["n_queries"] = 400
        for way in ("image_to_text", "text_to_image"):
            top1 = cell.metrics["retrieval"][way]["top1"]
            cell.metrics["retrieval"][way]["ci95"] = {"top1": [top1 - 0.05, top1 + 0.04]}
    (sentence,) = retrieval(cells, CONFIG)
    assert sentence.startswith("On toy_heldout, toy_infoloob and toy_cloob (CLOOB) retrieve best: ")
    assert "first of 1,000,000 in 72.0% to 75.0% of 400 drawn queries, ± 5.0% at 95% confidence, against 25.0% in" in sentence
