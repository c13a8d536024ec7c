"""The verdicts on Conjectures 1 and 2: one sentence each for every data set with guided images."""

from typing import Any

from tda.config.stages import ReportConfig
from tda.report.data.evidence import name
from tda.report.data.load import Run
from tda.report.data.words import listing, signed

WORDS = {"distance": "mean distance", "vendi": "Vendi score"}
VERDICTS = {"supported": "is supported", "reversed": "is reversed", "not supported": "is not supported", "undecided": "is undecided"}


def conjectures(run: Run) -> list[str]:
    """Conjecture 2, then Conjecture 1, of every data set."""
    return [
        text for dataset, found in run.diversity.items() for text in (second(dataset, found, run.config), first(dataset, found, run.config))
    ]


def second(dataset: str, found: dict[str, Any], config: ReportConfig) -> str:
    """CLOOB-guided images are more diverse than CLIP-guided ones."""
    one = found["conjecture_2"]
    start = f"On {dataset}, Conjecture 2 (guided by CLOOB, images are more diverse and collapse less than guided by CLIP)"
    if one["verdict"] == "undecidable":
        return f"{start} is undecidable here: {one['reason']}."
    arms = f"{name(one['cloob'], config)} against {name(one['clip'], config)}"
    ranges = [f"{words} {_range(one['differences'][measure])}" for measure, words in WORDS.items()]
    clear = [_clear(one["differences"][measure]) for measure in WORDS]
    return (
        f"{start} {VERDICTS[one['verdict']]} at matched fidelity: {arms}, {listing(ranges)} over {len(found['levels'])} levels, clearly "
        f"larger at {clear[0][0]} and {clear[1][0]} of them, clearly smaller at {clear[0][1]} and {clear[1][1]}."
    )


def first(dataset: str, found: dict[str, Any], config: ReportConfig) -> str:
    """Images are more diverse where the cluster of their prompt has more dimensions."""
    one = found["conjecture_1"]
    start = f"On {dataset}, Conjecture 1 (images are more diverse where the cluster of their prompt has a higher local dimension)"
    if one["verdict"] in ("refused", "undecidable"):
        return f"{start} is undecidable here: {one['reason']}."
    values = [f"{signed(arm['value'])} in {name(encoder, config)} over {arm['clusters']} clusters" for encoder, arm in one["arms"].items()]
    return f"{start} {VERDICTS[one['verdict']]}: partial rank correlation {listing(values)}, given size, caption length, spread and purity."


def _range(levels: list[dict[str, Any]]) -> str:
    values = [level["value"] for level in levels]
    return " to ".join(dict.fromkeys([signed(min(values)), signed(max(values))]))


def _clear(levels: list[dict[str, Any]]) -> tuple[int, int]:
    """Levels at which a difference is clear: how many above 0, how many below."""
    sure = [level for level in levels if level["p_value"] < 0.05]
    return sum(level["ci95"][0] > 0 for level in sure), sum(level["ci95"][1] < 0 for level in sure)
