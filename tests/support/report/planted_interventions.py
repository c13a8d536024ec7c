"""Cells with planted interventions on the gap."""

from typing import Any

from drawn_axes import cell_of

from tda.report.data.load import Cell


def point(kind: str, amount: float, top1: tuple[float, float] = (0, 0), mixed: tuple[float, float] = (0, 0)) -> dict[str, Any]:
    change = {name: {"value": sum(ends) / 2, "ci95": list(ends), "ci99": list(ends)} for name, ends in (("top1", top1), ("mixed", mixed))}
    numbers = {"gap": 0.5 - amount / 2, "separability": 0.9, "image_to_text": 0.5, "text_to_image": 0.7, "mixed": 0.3}
    return {"kind": kind, "amount": amount, **numbers, "ci95": {"mixed": [0.2, 0.4], "separability": [0.8, 1.0]}, "change": change}


def planted(encoder: str, top1: tuple[float, float], mixed: tuple[float, float], pairs: int = 500) -> Cell:
    points = [point("none", 0), point("shift", 0.5), point("shift", 1, top1, mixed), point("centre", 1), point("drop", 4)]
    return cell_of(encoder, interventions={"pairs": pairs, "points": points, "notes": []})
