"""Which parts an analysis takes, and the hash by which each is known again."""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from jobs.analysis.part import Part
from jobs.analysis.registry import REGISTRY
from tda.config.analysis import AnalysisConfig


def with_needed(parts: Sequence[str], analysis: AnalysisConfig) -> list[Part]:
    """The parts of these names, and those that they need, in the order of the registry."""
    wanted = set(parts)
    for part in reversed(REGISTRY):  # a part stands behind those that it needs
        if part.name in wanted:
            wanted |= set(part.needs(analysis))
    return [part for part in REGISTRY if part.name in wanted]


def resting_on(parts: Iterable[str], analysis: AnalysisConfig) -> frozenset[str]:
    """The other parts that need one of these."""
    names = set(parts)
    return frozenset(one.name for one in REGISTRY if not names.isdisjoint(part.name for part in with_needed([one.name], analysis))) - names


def part_hashes(rows: Mapping[str, Any], dataset: str, analysis: AnalysisConfig, *, former: bool = False) -> dict[str, str]:
    """Hash of what changes the numbers of each part: rows measured and transferred to, its settings, and the parts that it needs.

    `rows`: data set -> what its rows are known by; `dataset` is the one that is measured. The tables of a part do not depend on its shared
    settings, so neither does what is made of them; `former` hashes, of earlier versions, did.
    """
    hashes, grounds = dict[str, str](), dict[str, str]()  # of numbers and tables, of the tables alone
    texts = dict[tuple[str, ...], bytes]()  # of the rows of large sets megabytes: written once for all parts
    for part in REGISTRY:
        rests_on = hashes if former or part.rests_on_numbers else grounds
        own = _settings(part, analysis)
        names = tuple(sorted({dataset, *part.datasets(analysis)}))
        text = texts.get(names) or json.dumps({name: rows[name] for name in names}, sort_keys=True).encode()
        texts[names] = text
        content = {
            "part": part.name,
            "dataset": dataset,
            "settings": own,
            "rests_on": [rests_on[other] for other in part.needs(analysis)],
        }
        hashes[part.name] = _digest_of(content, text)
        grounds[part.name] = _digest_of(content | {"settings": own | part.shared(AnalysisConfig())}, text)
    return hashes


def _digest_of(content: Mapping[str, Any], rows: bytes) -> str:
    """`digest` of `content` with a field `rows`, whose JSON is given."""
    mark = '"rows": 0, "settings": '  # in no text of the content: there quotes have a backslash
    before, found, behind = json.dumps({**content, "rows": 0}, sort_keys=True).partition(mark)
    assert found, "the fields of a part's hash have changed"
    hashed = hashlib.sha256(f'{before}"rows": '.encode())
    hashed.update(rows)
    hashed.update(f', "settings": {behind}'.encode())
    return hashed.hexdigest()


def digest(content: Any) -> str:
    """SHA-256 of plain values."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _settings(part: Part, analysis: AnalysisConfig) -> dict[str, Any]:
    """Settings that change a number; not where it is computed, nor how many rows are held at once."""
    own = asdict(analysis).get(part.name, {})
    settings = {name: value for name, value in own.items() if name not in part.cost_only(analysis)}
    return settings | part.shared(analysis) | ({"seed": analysis.seed} if part.seeded(analysis) else {})
