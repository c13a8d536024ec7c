"""Encoders compared on the same pairs of a data set: `analysis/<dataset>/comparisons.json`, of the encoders that were named last.

Each set of encoders also has a file of its own, `analysis/<dataset>/comparisons/<hash>.json`, which stays.

M pairs that both sets hold, at different positions in each.
"""

from collections.abc import Iterator, Sequence
from functools import partial
from itertools import combinations
from typing import Any

import numpy as np

from jobs.analysis.across.cluster_overlaps import cluster_overlaps
from jobs.analysis.across.premises import premises_of
from jobs.analysis.parts import digest
from jobs.runtime.session import ray_session
from jobs.runtime.showing.display import tracked
from jobs.runtime.tasks import ordered
from tda.config.analysis import AnalysisConfig
from tda.config.cluster import ClusterConfig
from tda.errors import LacunaError, UserError
from tda.geometry.compare import LEAST_ROWS, compare
from tda.geometry.parts.local_dimension import DIRECTIONS, prediction_one, prediction_two
from tda.store.datasets.embedding_set import EmbeddingSet
from tda.store.datasets.sampling import Array, evenly_spaced, read_pairs, shared_positions
from tda.store.documents import document_if_whole
from tda.store.files import exists, join, list_files, read_json
from tda.store.paths import RootPaths, base_of
from tda.store.tables import SCHEMA, read_table
from tda.store.update import update_json

POOLED = ("encoders", "config_hash", "pairs", "pooled", "prediction_1", "prediction_2", "notes")  # of all encoders of one run
MODALITIES = ("image", "text", "both")
METHOD = 3  # of intervals: halves of pairs, Student's; rarefied dimension
SPARE = 4  # candidates for each pair that is compared: some encoders may have dropped it

Sets = dict[str, EmbeddingSet]


def compare_encoders(root: str, dataset: str, encoders: Sequence[str], analysis: AnalysisConfig, cluster: ClusterConfig) -> dict[str, Any]:
    """Publish the similarity of the encoders' spaces, pooled local dimension and both predictions; return it.

    Reads the encoders' metrics.json. Existing results of the same rows and settings are kept.
    Raises UserError where an encoder was not analysed.
    """
    sets = {name: EmbeddingSet(root, dataset, name) for name in encoders}
    metrics = {name: _metrics(root, dataset, name) for name in encoders}
    others = {(other, name): _metrics(root, other, name) for other in analysis.compare.datasets for name in encoders}
    last, own = _urls(root, dataset, encoders)
    before, earlier = _before(own), _before(last)
    content = [_parts_of(one) for one in (*metrics.values(), *others.values())]
    settings = {"seed": analysis.seed, "draws": analysis.local_dimension.draws, "compare": vars(analysis.compare), "method": METHOD}
    config_hash = digest([dataset, {name: one.content for name, one in sets.items()}, content, settings])
    for found in (before, earlier):
        if found.get("config_hash") == config_hash:
            return _published(found, {own: before, last: earlier})
    measured = [one for found in (before, earlier, *_beside(own)) for one in found.get("comparisons", [])]
    comparisons, notes = _comparisons(sets, analysis, cluster, measured)
    found = {
        "schema": SCHEMA,
        "dataset": dataset,
        "encoders": list(encoders),
        "config_hash": config_hash,
        "pairs": min(len(one) for one in sets.values()),
        "seed": analysis.seed,
        "comparisons": comparisons,
        **prediction_two(metrics, others, analysis.local_dimension.draws, analysis.seed, cluster_overlaps(root, dataset, sets, metrics)),
        "prediction_1": _prediction_1(root, dataset, sets, metrics, analysis),
        "notes": notes,
    }
    _require_unchanged(root, dataset, sets)
    return _published(found, {own: before, last: earlier})


def _require_unchanged(root: str, dataset: str, sets: Sets) -> None:
    """Raise LacunaError where rows that were compared are gone or were replaced meanwhile."""
    for name, one in sets.items():
        if EmbeddingSet(root, dataset, name).content != one.content:
            raise LacunaError(f"the rows of {dataset} by {name} were replaced while they were compared: run again")


def _joined(now: dict[str, Any], before: dict[str, Any], found: dict[str, Any]) -> dict[str, Any]:
    """What was found, and what another run has published since this one began: its comparisons, and under `also` what it pooled."""
    if now.get("schema") != SCHEMA or now.get("config_hash") in (before.get("config_hash"), found["config_hash"]):
        return found
    own = {_key(one) for one in found["comparisons"]}
    entries = [one for one in now.get("comparisons", []) if _key(one) not in own]
    also = [{name: now.get(name) for name in POOLED}, *now.get("also", [])]
    return {**found, "comparisons": [*found["comparisons"], *entries], "also": also}


def _key(one: dict[str, Any]) -> tuple[Any, ...]:
    return one.get("a"), one.get("b"), one.get("modality")


def comparisons_url(root: str, dataset: str) -> str:
    """The file of the encoders that were named last."""
    return join(root, "analysis", dataset, "comparisons.json")


def _urls(root: str, dataset: str, encoders: Sequence[str]) -> tuple[str, str]:
    """The file of the encoders that were named last, and that of these encoders."""
    folder = join(root, "analysis", dataset)
    return comparisons_url(root, dataset), join(folder, "comparisons", f"{digest(list(encoders))[:12]}.json")


def _before(url: str) -> dict[str, Any]:
    found = document_if_whole(url)
    return found if found.get("schema") == SCHEMA else {}


def _beside(own: str) -> Iterator[dict[str, Any]]:
    """The files of other sets of encoders: two that are in both were compared there."""
    folder = own.rpartition("/")[0]
    yield from (_before(join(folder, name)) for name in list_files(folder, ".json"))


def _published(found: dict[str, Any], there: dict[str, dict[str, Any]]) -> dict[str, Any]:
    for url, before in there.items():
        if before != found:
            update_json(url, partial(_replacing, before, found))
    return found


def _replacing(before: dict[str, Any], found: dict[str, Any], now: dict[str, Any] | None) -> dict[str, Any]:
    return _joined(now or {}, before, found)


def comparison_line(found: dict[str, Any]) -> str:
    """The outcome in one line."""
    reported = [f"{len(found['encoders'])} encoders, {len(found['comparisons'])} comparisons"]
    reported += [f"Prediction {n}: {found[f'prediction_{n}']['verdict']}" for n in (1, 2) if found[f"prediction_{n}"]]
    return f"{found['dataset']}: {', '.join(reported)}"


def _metrics(root: str, dataset: str, encoder: str) -> dict[str, Any]:
    urls = [RootPaths(one).metrics(dataset, encoder) for one in dict.fromkeys((root, base_of(root)))]
    url = next(filter(exists, urls), urls[0])  # of other data sets a sweep's cell has the analyses of the root around it
    if not exists(url):
        raise UserError(f"{url} is not there: run jobs.analyze dataset.name={dataset} encoder.name={encoder} root={root} first")
    found: dict[str, Any] = read_json(url)
    return found


def _parts_of(metrics: dict[str, Any]) -> list[Any]:
    """The hashes of the parts of an analysis that a comparison reads."""
    hashes = metrics.get("part_hashes", {})
    return [
        metrics.get("dataset"),
        [[part, hashes[part]] for part in ("gap", "retrieval", "spectrum", "local_dimension", "alignment") if part in hashes],
    ]


def _comparisons(
    sets: Sets, analysis: AnalysisConfig, cluster: ClusterConfig, before: Sequence[dict[str, Any]]
) -> tuple[list[dict[str, Any]], list[str]]:
    """One entry for each two encoders and modality; those of `before` that are of the same rows and settings are kept."""
    config = analysis.compare
    settings = [config.k, config.sample, config.draws, analysis.seed, METHOD]
    wanted = {
        (a, b, modality): digest([sets[a].content, sets[b].content, modality, settings])
        for a, b in combinations(sets, 2)
        for modality in MODALITIES
    }
    kept = {key: one for one in before if wanted.get(key := (one["a"], one["b"], one["modality"])) == one["config_hash"]}
    missing = [key for key in wanted if key not in kept]
    if not missing:
        return [kept[key] for key in wanted], []
    notes: list[str] = []
    compared = partial(ordered, _compare_of, _calls(sets, missing, analysis, notes), cluster, whole=len(missing))
    with ray_session(cluster), tracked(f"{' and '.join(sets)} compared"):
        for key, found in zip(missing, compared(), strict=True):
            a, b, modality = key
            kept[key] = {"a": a, "b": b, "modality": modality, **found, "config_hash": wanted[key]}
    return [kept[key] for key in wanted if "linear_cka" in kept[key]], list(dict.fromkeys(notes))


def _calls(sets: Sets, keys: Sequence[tuple[str, str, str]], analysis: AnalysisConfig, notes: list[str]) -> Iterator[tuple[Any, ...]]:
    shared: dict[tuple[str, str], list[Array]] = {}
    for a, b, modality in keys:
        if (a, b) not in shared:
            candidates_C = evenly_spaced(len(sets[a]), SPARE * analysis.compare.sample)
            shared[a, b] = shared_positions((sets[a], sets[b]), candidates_C)
            if len(shared[a, b][0]) < LEAST_ROWS:
                notes.append(f"{a} and {b} have {len(shared[a, b][0])} pairs in common; {LEAST_ROWS} are needed to compare them")
        yield sets[a], sets[b], *shared[a, b], modality, analysis


def _compare_of(  # noqa: PLR0917 (tasks are called by position)
    one: EmbeddingSet, two: EmbeddingSet, one_M: Array, two_M: Array, modality: str, analysis: AnalysisConfig
) -> dict[str, Any]:
    """The four measures of two spaces; nothing where they share too few pairs."""
    config = analysis.compare
    if len(one_M) < LEAST_ROWS:
        return {}
    chosen = evenly_spaced(len(one_M), config.sample // 2 if modality == "both" else config.sample)
    read = [read_pairs(of, at_M[chosen], analysis.block_rows) for of, at_M in ((one, one_M), (two, two_M))]
    rows = [np.concatenate(pair) if modality == "both" else pair[MODALITIES.index(modality)] for pair in read]
    blocks = 2 if modality == "both" else 1
    k = min(config.k, len(chosen) // 2 * blocks - 1)
    found = compare(rows[0], rows[1], k=k, sample=len(rows[0]), draws=config.draws, seed=analysis.seed, blocks=blocks).metrics()
    renamed = {"linear_cka": found.pop("cka"), "linear_cka_debiased": found.pop("cka_debiased")}
    return {**renamed, **found, "pairs": len(chosen)}


def _prediction_1(
    root: str, dataset: str, sets: Sets, metrics: dict[str, dict[str, Any]], analysis: AnalysisConfig
) -> dict[str, Any] | None:
    """None unless `analysis.compare` names two of the encoders as CLIP and CLOOB, with gap and ranks measured."""
    clip, cloob = analysis.compare.clip, analysis.compare.cloob
    if clip not in sets or cloob not in sets or clip is None or cloob is None or clip == cloob:
        return None
    if not all(part in metrics[name] for name in (clip, cloob) for part in ("gap", "retrieval")):
        return None
    urls = {name: join(RootPaths(root).analysis_dir(dataset, name), "ranks.parquet") for name in (clip, cloob)}
    tables = [read_table(url, (metrics[name].get("tables") or {}).get("ranks")) for name, url in urls.items()]
    places = shared_positions((sets[clip], sets[cloob]), tables[0]["row"])
    inside_M = np.isin(places[1], tables[1]["row"])
    if inside_M.sum() < 2:
        return None
    ranks = [
        {way: table[way][np.searchsorted(table["row"], at_M[inside_M])] for way in DIRECTIONS}
        for table, at_M in zip(tables, places, strict=True)
    ]
    both = [sets[clip], sets[cloob]], [at_M[inside_M] for at_M in places], [metrics[clip], metrics[cloob]]
    return prediction_one((ranks[0], ranks[1]), metrics[clip], metrics[cloob], premises_of(*both, analysis))
