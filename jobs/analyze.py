"""Embeddings to geometry: `metrics.json` and the tables beside it, for one data set under one encoder.

A part that is there already, of the same rows and settings, is not measured again. `metrics.json` is written last: it vouches for
the tables, which carry the same hash.
"""

import hashlib
import json
import sys
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np

from jobs.runtime import measure
from jobs.runtime.app import Outcome, command
from jobs.runtime.session import ray_session
from tda.config import PARTS, AnalysisConfig, AnalyzeJob
from tda.errors import UserError
from tda.geometry import retrieval
from tda.geometry.pairs import PairStats
from tda.store.embeddings import EmbeddingSet
from tda.store.files import exists, filesystem, join, publish, publish_json, read_json
from tda.store.layout import Layout

SCHEMA = 1
TABLES = {"cosine": ["cosine"], "separability": ["pca"], "retrieval": ["ranks"], "spectrum": ["spectra"]}  # part -> Parquet files
FROM_BLOCKS = ("gap", "cosine", "spectrum")  # parts that one reading of all rows serves
META_KEY = b"lacuna"

Table = dict[str, Any]


def run(job: AnalyzeJob) -> Outcome:
    """Measure the parts that are missing. Raises UserError where there is nothing to measure or data sets do not fit together."""
    embeddings = EmbeddingSet(job.root, job.dataset.name, job.encoder.name)
    others = _checked_transfer(job, embeddings)
    head = _head(job, embeddings)
    found = _existing(job, head)
    missing = [part for part in PARTS if part in job.analysis.parts and part not in found]
    if missing:
        with ray_session(job.cluster):
            measured, tables = _measure(job, embeddings, others, missing)
        for name, table in tables.items():
            _publish_table(_table_url(job, name), table, head["config_hash"])
        found |= measured
        publish_json(
            Layout(job.root).metrics(job.dataset.name, job.encoder.name), head | {part: found[part] for part in PARTS if part in found}
        )
    return Outcome(whole=True, line=result_line(head | found))


def result_line(metrics: Mapping[str, Any]) -> str:
    """The numbers that say most, in one line, of the parts that are there."""
    told = [f"{metrics['pairs']:,} pairs"]
    if "gap" in metrics:
        told.append(f"gap {metrics['gap']['centroid_distance']:.3f}")
    if "separability" in metrics:
        told.append(f"SVM held out {metrics['separability']['heldout']['accuracy']:.2f}")
    if "retrieval" in metrics:
        told.append(f"top-1 image to text {metrics['retrieval']['image_to_text']['top1']:.2f}")
    if "spectrum" in metrics:
        told.append(
            f"effective rank {metrics['spectrum']['image']['effective_rank']:.1f} / {metrics['spectrum']['text']['effective_rank']:.1f}"
        )
    return f"{metrics['dataset']} / {metrics['encoder']}: {', '.join(told)}"


def _checked_transfer(job: AnalyzeJob, embeddings: EmbeddingSet) -> dict[str, EmbeddingSet]:
    if len(embeddings) < 2:
        raise UserError(f"dataset.name={job.dataset.name} has {len(embeddings)} pair(s); its geometry needs at least 2")
    if not job.analysis.parts:
        raise UserError(f"analysis.parts=[] leaves nothing to measure; choose from: {', '.join(PARTS)}")
    if "separability" not in job.analysis.parts:
        return {}
    others = {name: EmbeddingSet(job.root, name, job.encoder.name) for name in job.analysis.separability.transfer}
    for name, other in others.items():
        if other.dim != embeddings.dim:
            raise UserError(f"separability.transfer={name} has {other.dim} dimensions, {job.dataset.name} has {embeddings.dim}")
    return others


def _head(job: AnalyzeJob, embeddings: EmbeddingSet) -> dict[str, Any]:
    return {
        "schema": SCHEMA,
        "dataset": job.dataset.name,
        "encoder": job.encoder.name,
        "weights_sha256": embeddings.meta["weights_sha256"],
        "config_hash": _config_hash(job),
        "pairs": len(embeddings),
        "dim": embeddings.dim,
        "dtype": embeddings.dtype,
        "modalities": list(embeddings.meta.get("modalities", ("image", "text"))),
        "seed": job.analysis.seed,
    }


def _config_hash(job: AnalyzeJob) -> str:
    """Hash of what changes the numbers: the rows measured, those transferred to, and the settings of every part."""
    names = sorted({job.dataset.name, *job.analysis.separability.transfer})
    content = {"rows": {name: _rows_hash(job, name) for name in names}, "dataset": job.dataset.name, "analysis": _settings(job.analysis)}
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _settings(analysis: AnalysisConfig) -> dict[str, Any]:
    """Settings that change a number; not which parts are chosen, nor how many rows are held at once."""
    settings = {name: value for name, value in asdict(analysis).items() if name not in ("parts", "block_rows")}
    settings["retrieval"].pop("tile")
    return settings


def _rows_hash(job: AnalyzeJob, dataset: str) -> list[Any]:
    return EmbeddingSet(job.root, dataset, job.encoder.name).content


def _existing(job: AnalyzeJob, head: Mapping[str, Any]) -> dict[str, Any]:
    """Parts in metrics.json that are of the same rows and settings, each with its tables."""
    url = Layout(job.root).metrics(job.dataset.name, job.encoder.name)
    try:
        metrics = read_json(url) if exists(url) else {}
    except ValueError:  # not JSON: nothing that can be kept
        return {}
    if any(metrics.get(name) != head[name] for name in ("schema", "config_hash")):
        return {}
    tables = {part: [_table_hash(_table_url(job, name)) for name in TABLES.get(part, [])] for part in PARTS if part in metrics}
    return {part: metrics[part] for part, hashes in tables.items() if all(found == head["config_hash"] for found in hashes)}


def _measure(
    job: AnalyzeJob, embeddings: EmbeddingSet, others: Mapping[str, EmbeddingSet], parts: list[str]
) -> tuple[dict[str, Any], dict[str, Table]]:
    """The chosen parts of metrics.json, and the tables that go with them."""
    analysis, metrics, tables = job.analysis, dict[str, Any](), dict[str, Table]()
    if any(part in parts for part in FROM_BLOCKS):
        stats = measure.pair_stats(embeddings, analysis, job.cluster)
        metrics, tables = _from_blocks(stats, analysis, embeddings.dtype, parts)
    if "separability" in parts:
        metrics["separability"], tables["pca"] = measure.separate(embeddings, others, analysis, job.cluster)
    if "retrieval" in parts:
        row, image_to_text, text_to_image = measure.ranks(embeddings, analysis, job.cluster)
        metrics["retrieval"] = retrieval.metrics(image_to_text, text_to_image)
        tables["ranks"] = {"row": row, "image_to_text": image_to_text, "text_to_image": text_to_image}
    return metrics, tables


def _from_blocks(stats: PairStats, analysis: AnalysisConfig, stored: str, parts: list[str]) -> tuple[dict[str, Any], dict[str, Table]]:
    metrics, tables = dict[str, Any](), dict[str, Table]()
    if "gap" in parts:
        metrics["gap"] = stats.gap_metrics()
    if "cosine" in parts:
        metrics["cosine"] = stats.cosine_metrics(analysis.cosine.quantiles)
        tables["cosine"] = stats.cosine_histogram(analysis.cosine.bins)
    if "spectrum" in parts:
        metrics["spectrum"] = stats.spectrum_metrics(stored, analysis.spectrum.collapse_threshold)
        tables["spectra"] = _spectra_table(metrics["spectrum"])
    return metrics, tables


def _spectra_table(spectra: Mapping[str, Mapping[str, Any]]) -> Table:
    lengths = [len(one["singular_values"]) for one in spectra.values()]
    return {
        "modality": np.repeat(list(spectra), lengths),
        "index": np.concatenate([np.arange(length) for length in lengths]),
        "singular_value": np.concatenate([one["singular_values"] for one in spectra.values()]),
        "floor": np.repeat([one["floor"] for one in spectra.values()], lengths),
    }


def _table_url(job: AnalyzeJob, name: str) -> str:
    return join(Layout(job.root).analysis_dir(job.dataset.name, job.encoder.name), f"{name}.parquet")


def _publish_table(url: str, columns: Table, config_hash: str) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    meta = {META_KEY: json.dumps({"schema": SCHEMA, "config_hash": config_hash})}
    table = pa.table(columns).replace_schema_metadata(meta)
    publish(url, lambda file: pq.write_table(table, file))


def _table_hash(url: str) -> str | None:
    """The hash that a table carries; None where it is missing or not whole."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    fs, path = filesystem(url)
    try:
        with fs.open(path, "rb") as file:
            found: dict[str, str] = json.loads(pq.read_schema(file).metadata[META_KEY])
    except (OSError, pa.ArrowInvalid, TypeError, KeyError):
        return None
    return found["config_hash"]


main = command("analyze", AnalyzeJob, run)

if __name__ == "__main__":
    sys.exit(main())
