"""`--help` of a job: each option in a line from the comments of conf/ and of the schemas, presets with what they are, and examples."""

import dataclasses
import inspect
import re
import sys
import textwrap
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from omegaconf import MISSING

import conf
from jobs.runtime.schema_types import group_of

WIDTH = 140
EXAMPLES = {
    "embed": [
        "dataset.name=coco dataset.shards='/data/{00000..00059}.tar' encoder=clip_vitb16_openai encoder.checkpoint=ViT-B-16.pt root=R",
        "dataset=toy_heldout encoders=[toy_infonce,toy_cloob] root=R",
        "dataset=coco dataset.shards='/data/*.tar' encoder=open_clip encoder.name=e encoder.config=e.json encoder.checkpoint=e.pt root=R",
    ],
    "ingest": [
        "dataset.name=coco encoder.name=cloob source=cloob.npz root=R",
        "dataset.name=coco encoder.name=clip source=clip-retrieval-folder root=R",
        "dataset.name=coco encoder.name=clip source='/data/*.parquet' normalise=true root=R",
    ],
    "nearest": [
        "dataset.name=a reference.name=b encoder.name=clip root=R",
        "dataset.name=a reference.name=b encoder.name=clip nearest.probes=null root=R",
        "dataset.name=a reference.name=b encoder.name=clip nearest.k=5 root=R",
    ],
    "dedupe": [
        "dataset.name=a reference.name=b encoder.name=clip root=R",
        "dataset.name=a reference.name=b encoder.name=clip dedupe.rule=image dedupe.threshold=0.95 root=R",
        "dataset.name=a encoder.name=clip dedupe.self=true root=R",
    ],
    "filter": [
        "dataset.name=a encoder.name=clip filter.pair_cosine=top:0.3 root=R",
        "dataset.name=a encoder.name=clip filter=datacomp_basic filter.by=clip_l14 root=R",
        "dataset.name=a-minus-b encoder.name=clip filter.min_side=200 filter.name=large root=R",
    ],
    "analyze": [
        "dataset.name=coco encoder.name=clip root=R",
        "dataset.name=coco encoders=[clip,cloob] root=R",
        "-m dataset.name=coco encoder.name=clip analysis.umap.n_neighbors=5,15,50 root=R",
    ],
    "diversity": [
        "dataset.name=toy_heldout encoders=[toy_infonce,toy_cloob] root=R",
        "dataset.name=generated diversity.measure=dino diversity.fidelity=siglip diversity.clip=clip diversity.cloob=cloob root=R",
        "experiment=conjectures dataset.name=toy_heldout root=R",
    ],
    "report": ["root=R", "root=s3://bucket/root", "root=R ++report.models.clip=CLIP"],
    "train": ["arm=cloob root=R", "-m arm=infonce,cloob root=R", "arm=infoloob train.steps=100 root=R"],
    "paper": ["experiment=toy root=R", "experiment=toy train.steps=100 root=R", "experiment=paper root=s3://bucket/root cluster=auto"],
    "plan": ["experiment=paper cluster=h200x8", "experiment=toy", "experiment=paper cluster=h200x8 cluster.hardware.nodes=4"],
    "verify": ["root=R", "root=R --fix", "root=s3://bucket/root min_age_seconds=86400"],
    "export": [
        "dataset.name=coco encoder.name=clip to=/data/kept root=R",
        "dataset.name=coco encoder.name=clip format=parquet to=s3://bucket/kept root=R",
        "dataset.name=laion-minus-coco encoder.name=clip format=uids to=kept.npy root=R",
    ],
    "watch": [
        "checkpoints=/run watch.naming=open_clip encoder.name=a encoder.config=a.json dataset.name=d dataset.shards='/d/*.tar' root=R",
        "experiment=checkpoints interval=5 root=R",
        "watch.submit=mine once=true encoder=toy_infoloob dataset=toy_heldout root=R",
    ],
    "submit": [
        "-- jobs.embed dataset=coco dataset.shards='s3://b/*.tar' encoder=clip_vitb16_openai encoder.checkpoint=s3://b/m.pt root=s3://b/r",
        "cluster.dashboard=http://HOST:8265 --no-wait -- jobs.analyze dataset.name=coco encoder.name=clip root=s3://b/r",
        "attach=ID",
    ],
    "fetch": ["encoders=[clip_vitb16_openai]", "datasets=[coco]", "encoders=[clip_vitb16_openai] to=s3://bucket/weights"],
    "status": ["root=R", "root=s3://bucket/root", "root=R format=json"],
}


# where conf/ and the schemas have no comment behind the value; by the end of the key
PLAIN = {
    "root": "folder or URL of all results: everything that is made stands below it",
    "name": "its name under the root",
    "shards": "folder, glob, list or brace pattern of the shards; URLs of any store",
    "modalities": "of a pair",
    "published": "URL of a file -> its sha256, null where none is published; for jobs.fetch",
    "toy.pairs": "pairs that are drawn",
    "toy.pairs_per_shard": "pairs of a drawn shard",
    "seed": "of every random choice",
    "encoder.format": "of the checkpoint: open_clip | openai | hf_clip | cloob_official | cloob_laion | carp",
    "cosine.quantiles": "of the cosines of matched pairs",
    "separability.c": "C of the linear SVM",
    "spectrum.collapse_threshold": "share of the largest value below which a dimension counts as collapsed",
    "umap.min_dist": "as in umap-learn",
    "umap.spread": "as in umap-learn",
    "umap.negative_sample_rate": "as in umap-learn",
    "mixing.k": "neighbours of a row",
    "clusters.min_cluster_size": "rows of the smallest cluster",
    "dimension.max_pairs": "most pairs that are measured",
    "homology.landmarks": "rows that stand for all",
    "homology.max_degree": "highest degree: 0 components, 1 loops too",
    "compare.cloob": "the encoder that stands for CLOOB in Prediction 1",
    "cluster.dashboard": "http://HOST:8265 of a cluster, for jobs.submit; null: RAY_API_SERVER_ADDRESS, else port 8265 of this machine",
    "cpus_per_actor": "CPUs that an actor reserves",
    "max_caption_bytes": "most bytes of a caption",
    "max_member_bytes": "most bytes of a file within a shard",
    "rows_per_shard": "rows of a stored shard",
    "image_column": "of the image vectors",
    "text_column": "of the text vectors",
    "max_attempts": "a shard that failed this often is named and left out",
    "datasets": "names of data sets, presets of conf/dataset",
    "encoders": "names of encoders, presets of conf/encoder",
    "train_dataset": "preset of the data that the arms are trained on",
    "arms": "arms that are trained: presets of conf/arm",
    "loss": "infonce | infoloob",
    "hopfield": "Hopfield retrieval before the loss",
    "interval": "seconds between two looks",
}


def print_help(job: str, schema: type) -> None:
    """Print the help of one job."""
    described = inspect.getdoc(sys.modules.get(f"jobs.{job}") or sys.modules["__main__"]) or ""
    print(f"lacuna {job}: {' '.join(described.partition(chr(10) * 2)[0].split())}\n\nOptions, as key=value:")
    for key, default, comment in options(schema):
        print(_row(f"{key}={default}", comment))
    for group in _groups(schema):
        print(f"\nPresets, as {group}=NAME:")
        for name, what in presets(group):
            print(_row(name, what))
    print("\nExamples:")
    for words in EXAMPLES.get(job, ["--cfg job"]):
        print(f"    lacuna {job} {words}")
    sys.stdout.flush()


def options(schema: type, prefix: str = "") -> Iterator[tuple[str, str, str]]:
    """(key, default, comment) of every field, those of groups included."""
    comments = {**source_comments(schema), **yaml_comments(prefix.rstrip("."))}
    for field in dataclasses.fields(schema):
        inner = group_of(typing.get_type_hints(schema)[field.name])
        if isinstance(inner, type) and dataclasses.is_dataclass(inner):
            yield from options(inner, f"{prefix}{field.name}.")
        else:
            key = f"{prefix}{field.name}"
            yield key, _default(field), comments.get(field.name) or _plain(key)


def _plain(key: str) -> str:
    words = key.split(".")
    return next((PLAIN[end] for i in range(len(words)) if (end := ".".join(words[i:])) in PLAIN), "")


def presets(group: str) -> list[tuple[str, str]]:
    """(name, first comment) of every preset of a group."""
    files = sorted(file for folder in conf.__path__ for file in (Path(folder) / group).glob("*.yaml"))
    return [(file.stem, _first_comment(file)) for file in files]


def yaml_comments(group: str) -> dict[str, str]:
    """Field -> the comment behind it in `conf/<group>/default.yaml`."""
    for folder in conf.__path__:
        file = Path(folder) / group / "default.yaml"
        if group and "." not in group and file.is_file():
            return dict(re.findall(r"^(\w+):[^#\n]*# (.+)$", file.read_text(encoding="utf-8"), re.MULTILINE))
    return {}


def source_comments(schema: type) -> dict[str, str]:
    """Field -> the comment behind it in the schema."""
    return dict(re.findall(r"^    (\w+): [^#\n]*  # (.+)$", inspect.getsource(schema), re.MULTILINE))


def _first_comment(file: Path) -> str:
    lines = (line for line in file.read_text(encoding="utf-8").splitlines() if not line.startswith("# @"))  # Hydra's own directive
    first = next(lines, "")
    return first.lstrip("# ") if first.startswith("#") else ""


def _groups(schema: type) -> list[str]:
    fields = [field.name for field in dataclasses.fields(schema)]
    return [name for name in (*fields, "experiment", "arm") if len(presets(name)) > 1 and (name in fields or _takes(name, fields))]


def _takes(group: str, fields: list[str]) -> bool:
    return {"experiment": "arms" in fields, "arm": "loss" in fields}[group]


def _default(field: "dataclasses.Field[Any]") -> str:
    value = field.default_factory() if field.default_factory is not dataclasses.MISSING else field.default
    shown = {None: "null", True: "true", False: "false", MISSING: "..."}
    return str(shown[value]) if isinstance(value, bool | str | None) and value in shown else str(value)


def _row(left: str, right: str) -> str:
    first = f"    {left:38} {right}".rstrip()
    return textwrap.fill(first, WIDTH, subsequent_indent=" " * 43, break_long_words=False, drop_whitespace=True, replace_whitespace=False)
