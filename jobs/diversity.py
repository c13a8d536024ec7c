"""How diverse guided images are, at matched fidelity: the paper's Conjectures 1 and 2, in `analysis/<dataset>/diversity.json`.

python -m jobs.diversity dataset.name=toy_heldout encoders=[toy_infonce,toy_cloob] root=URL
python -m jobs.diversity dataset.name=generated diversity.measure=dino diversity.fidelity=siglip root=URL

In a drawn world guidance is an exact tilt over its scenes. Images that were generated elsewhere are embedded first; the JSON beside each
in its tar names prompt, arm, strength and seed.
"""

import sys
from dataclasses import asdict
from typing import Any

from jobs.analysis.parts import digest
from jobs.guidance.clusters import Local, local
from jobs.guidance.conjectures import found_of
from jobs.guidance.generated import generated
from jobs.guidance.guided import Guided
from jobs.guidance.tilt import tilt
from jobs.runtime.app import Outcome, command
from jobs.runtime.presets import choices, load_choice
from jobs.runtime.session import shared_ray
from jobs.runtime.showing.display import tracked
from tda.config.datasets import ToyConfig
from tda.config.jobs import DiversityJob
from tda.errors import UserError
from tda.store.datasets.embedding_set import EmbeddingSet
from tda.store.datasets.views import recorded_name
from tda.store.documents import document_if_whole
from tda.store.files import absolute, exists, join
from tda.store.paths import RootPaths, check_name
from tda.store.tables import SCHEMA, read_table
from tda.store.update import update_json


def run(job: DiversityJob) -> Outcome:
    """Measure, judge and publish; what stands there of the same rows and settings is kept. Raises UserError for what cannot be measured."""
    with shared_ray(), tracked(f"{job.dataset.name}: diversity"):
        return diversity(job)


def diversity(job: DiversityJob) -> Outcome:
    """As `run`, within a session of Ray."""
    root, name = absolute(job.root), check_name("dataset.name", job.dataset.name)
    url, toy = join(root, "analysis", name, "diversity.json"), _toy(job)
    arms = _arms(job) if toy else []
    sets = {arm: EmbeddingSet(root, name, arm) for arm in arms} or _judges(root, name, job)
    rows = {arm: one.digest for arm, one in sets.items()}
    config_hash = digest([name, rows, asdict(job.diversity), job.report.models, _labels(root, job, arms)])
    before = document_if_whole(url)
    if before.get("config_hash") != config_hash or before.get("schema") != SCHEMA:
        guided = tilt(sets, name, toy, job.diversity, job.cluster) if toy else generated(root, name, job.diversity)
        found = found_of(guided, job.diversity, _roles(job, guided), lambda arm, one: _local(root, guided, arm, one, job))
        before = {"schema": SCHEMA, "dataset": name, "config_hash": config_hash, **found}
        update_json(url, lambda _: before)
    return Outcome(whole=True, line=line_of(before), places=[url])


def line_of(found: dict[str, Any]) -> str:
    """The outcome in one line."""
    verdicts = ", ".join(f"Conjecture {number}: {found[f'conjecture_{number}']['verdict']}" for number in (1, 2))
    return f"{found['dataset']}: {found['prompts']} prompts, {len(found['arms'])} arms, {verdicts}"


def _toy(job: DiversityJob) -> ToyConfig | None:
    """How the world of the data set is drawn; None for one that is not drawn."""
    name = recorded_name(job.dataset.name)
    if job.dataset.toy is not None or name not in choices("dataset"):
        return job.dataset.toy
    toy: ToyConfig | None = load_choice("dataset", name, job.root).toy
    return toy


def _arms(job: DiversityJob) -> list[str]:
    if len(job.encoders) < 2:
        raise UserError(f"encoders={job.encoders}: name two guides or more, whose scenes are compared")
    return list(job.encoders)


def _judges(root: str, name: str, job: DiversityJob) -> dict[str, EmbeddingSet]:
    named = [one for one in (job.diversity.measure, job.diversity.fidelity) if one]
    return {one: EmbeddingSet(root, name, one) for one in named}


def _roles(job: DiversityJob, guided: Guided) -> tuple[str | None, str | None]:
    """The arms in the roles of CLIP and CLOOB: as named, else by the report's models."""
    given = {"CLIP": job.diversity.clip, "CLOOB": job.diversity.cloob}
    for field, arm in (("clip", given["CLIP"]), ("cloob", given["CLOOB"])):
        if arm is not None and arm not in guided.arms:
            raise UserError(f"diversity.{field}={arm} is no arm; there are {', '.join(guided.arms)}")
    known = {role: arm for arm in guided.arms if (role := job.report.models.get(arm) or job.report.models.get(guided.guides.get(arm, "")))}
    return given["CLIP"] or known.get("CLIP"), given["CLOOB"] or known.get("CLOOB")


def _places(root: str, job: DiversityJob, arms: list[str]) -> dict[str, str]:
    """Each arm's table of clusters: of the set itself, or of the set that has the prompts."""
    dataset = job.dataset.name if arms else job.diversity.prompt_dataset
    guides = {arm: arm for arm in arms} or job.diversity.guides or {}
    return {arm: join(RootPaths(root).analysis_dir(dataset, guide), "clusters.parquet") for arm, guide in guides.items()} if dataset else {}


def _labels(root: str, job: DiversityJob, arms: list[str]) -> dict[str, Any]:
    """What identifies the clusters: the hashes of the analyses that they are of."""
    metrics = {arm: document_if_whole(url.replace("clusters.parquet", "metrics.json")) for arm, url in _places(root, job, arms).items()}
    return {arm: (one.get("part_hashes") or {}).get("clusters") for arm, one in metrics.items()}


def _local(root: str, guided: Guided, arm: str, diversity_P: Any, job: DiversityJob) -> Local:
    url = _places(root, job, list(guided.arms) if guided.kind == "tilt" else []).get(arm)
    if url is None or not exists(url):
        raise UserError("its space has no clusters here: run jobs.analyze with the part clusters, on the data set that has the prompts")
    embeddings = EmbeddingSet(root, guided.dataset, guided.guides[arm])
    config = job.diversity
    place_P = guided.place_AP[guided.arms.index(arm)]
    return local(embeddings, read_table(url), place_P, diversity_P, rows=config.rows, seed=config.seed)


main = command("diversity", DiversityJob, run)

if __name__ == "__main__":
    sys.exit(main())
