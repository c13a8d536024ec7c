"""The schema of every configuration group. Values live in `conf/`; the library sees only these objects.

Fields that hold ``MISSING`` have to be given. ``__post_init__`` refuses values that no type can, in one line.
"""

# ruff: noqa: PLC0414 (the groups of `conf/analysis` are given out again: one place to import from)

from dataclasses import dataclass, field
from typing import Any

from omegaconf import MISSING

from tda.checks import at_least as _at_least
from tda.checks import one_of as _one_of
from tda.config_analysis import PARTS as PARTS
from tda.config_analysis import AnalysisConfig as AnalysisConfig
from tda.config_analysis import ClustersConfig as ClustersConfig
from tda.config_analysis import CompareConfig as CompareConfig
from tda.config_analysis import CosineConfig as CosineConfig
from tda.config_analysis import DimensionConfig as DimensionConfig
from tda.config_analysis import HomologyConfig as HomologyConfig
from tda.config_analysis import LocalDimensionConfig as LocalDimensionConfig
from tda.config_analysis import MixingConfig as MixingConfig
from tda.config_analysis import RetrievalConfig as RetrievalConfig
from tda.config_analysis import SeparabilityConfig as SeparabilityConfig
from tda.config_analysis import SpectrumConfig as SpectrumConfig
from tda.config_analysis import SweepConfig as SweepConfig
from tda.config_analysis import UmapConfig as UmapConfig
from tda.errors import UserError

FORMATS = ("open_clip", "openai", "cloob_official", "cloob_laion", "carp")
PRECISIONS = ("auto", "fp32", "bf16", "fp16")
RESIZES = ("fast", "exact")
LOSSES = ("infonce", "infoloob")
RULES = ("image", "text", "both", "either")
EXACT = ("url", "caption")


@dataclass(kw_only=True)
class ToyConfig:
    """A drawn data set: see `tda.toyworld`."""

    style: str = "plain"  # plain | shifted: other palette, other backgrounds, longer captions
    pairs: int = 2000
    pairs_per_shard: int = 1000
    seed: int = 0
    duplicates: int = 0  # planted copies of `duplicates_of`, in equal parts of each kind
    duplicates_of: Any = None  # the ToyConfig (as a mapping) of the data set that is copied from

    def __post_init__(self) -> None:
        _one_of("dataset.toy.style", self.style, ("plain", "shifted"))
        _at_least("dataset.toy.pairs", self.pairs, 1)
        _at_least("dataset.toy.pairs_per_shard", self.pairs_per_shard, 1)


@dataclass(kw_only=True)
class DatasetConfig:
    """Pairs to embed. `shards` is a path, a brace pattern, a glob, a list of these, or `@file` of lines."""

    name: str = MISSING
    shards: Any = None
    modalities: list[str] = field(default_factory=lambda: ["image", "text"])
    toy: ToyConfig | None = None  # drawn under the root when its shards are not there yet
    pairs: int | None = None  # about how many there are, for jobs.plan
    pair_bytes: int | None = None  # of a pair in its shard, about, for jobs.plan

    def __post_init__(self) -> None:
        if len(self.modalities) != 2:
            raise UserError(f"dataset.modalities={self.modalities} names {len(self.modalities)} modalities; a pair has 2")


@dataclass(kw_only=True)
class EncoderConfig:
    """A model and the file its weights are read from."""

    name: str = MISSING
    format: str = "open_clip"
    config: str | None = None  # the model's own JSON (pkg://package/path: one that a package holds), or with `pretrained` open_clip's name
    checkpoint: str | None = None  # path or URL of the original file; never random weights in its place
    pretrained: str | None = None  # open_clip: the tag whose activation, mean and std belong to the checkpoint
    tokenizer: str | None = None  # carp, and open_clip models that name a tokenizer of Hugging Face: its folder
    sha256: str | None = None  # of the checkpoint, or the first 8 or more digits; checked before it is opened
    source: str | None = None  # where the original is published, told when it is missing
    precision: str = "auto"  # auto | fp32 | bf16 | fp16; auto is bf16 on CUDA, for ResNets fp16
    canary: str | None = None  # what the model makes of fixed inputs, as a shard's record tells it; other vectors are refused

    def __post_init__(self) -> None:
        _one_of("encoder.format", self.format, FORMATS)
        _one_of("encoder.precision", self.precision, PRECISIONS)


@dataclass(kw_only=True)
class EmbedConfig:
    """How shards become rows."""

    dtype: str = "float16"  # as stored: float16 | float32
    batch_size: Any = "auto"  # pairs, or auto: by the device's memory; either is halved as often as the device runs out of it
    decode_threads: int | None = None  # of an actor; null: 2, or as many CPUs as the cluster has for each actor
    resize: str = "fast"  # fast: within a level or two of Pillow's, in a fifth of its time | exact: Pillow's, bit for bit open_clip's
    compile: bool = False  # towers as torch.compile's kernels, made once a process, in up to minutes: measure whether it pays
    max_pixels: int = 64_000_000  # checked on the header, before decoding
    max_caption_bytes: int = 65_536
    max_member_bytes: int = 67_108_864
    max_attempts: int = 3  # a shard that failed this often is named and given up
    max_drop_fraction: float = 0.05  # more dropped pairs than this and the run is not whole
    stalled_seconds: float | None = 900  # a shard of which nothing moved on for so long loses its actor (an attempt); null: it may stall

    def __post_init__(self) -> None:
        _one_of("embed.dtype", self.dtype, ("float16", "float32"))
        _one_of("embed.resize", self.resize, RESIZES)
        if self.batch_size != "auto" and (isinstance(self.batch_size, bool) or not isinstance(self.batch_size, int)):
            raise UserError(f"embed.batch_size={self.batch_size!r} is neither a number of pairs nor auto")
        for name in ("batch_size", "decode_threads", "max_attempts", "max_pixels"):
            if getattr(self, name) not in (None, "auto"):
                _at_least(f"embed.{name}", getattr(self, name), 1)
        if self.stalled_seconds is not None:
            _at_least("embed.stalled_seconds", self.stalled_seconds, 1)


@dataclass(kw_only=True)
class HardwareConfig:
    """What a cluster is made of: for jobs.plan alone."""

    nodes: int = 1
    gpus: int = 0  # of a node, as the rest
    tflops: float = 0.0  # of a GPU at 16 bits, as its maker says
    gpu_bytes: float = 0.0
    cores: int = 2
    core_gflops: float = 40.0  # of a core at 32 bits
    host_bytes: float = 8e9
    read_bytes: float = 1e9  # a second, from where shards lie
    utilisation: float = 0.5  # share of the FLOPs that models and products reach
    decode_rate: float = 1000.0  # images a core decodes in a second, half a megapixel or less

    def __post_init__(self) -> None:
        for name in ("nodes", "cores"):
            _at_least(f"cluster.hardware.{name}", getattr(self, name), 1)
        for name in ("core_gflops", "read_bytes", "utilisation", "decode_rate"):
            if getattr(self, name) <= 0:
                raise UserError(f"cluster.hardware.{name}={getattr(self, name)} is too small; it must be above 0")
        if self.gpus and not (self.tflops > 0 and self.gpu_bytes > 0):
            raise UserError(f"cluster.hardware.gpus={self.gpus} needs tflops and gpu_bytes above 0")


@dataclass(kw_only=True)
class ClusterConfig:
    """Where it runs. No address: a Ray of its own on this machine, bound to 127.0.0.1."""

    address: str | None = None  # auto, or a Ray address, joins a cluster that is running
    actors: int | None = None  # null: one a GPU, or as many as the CPUs hold
    cpus_per_actor: float = 1
    gpus_per_actor: float | None = None  # null: 1 where the cluster has GPUs, else 0
    hardware: HardwareConfig = field(default_factory=HardwareConfig)
    heartbeat_seconds: float | None = 120  # an actor that does not answer for so long is replaced, whatever it does; null: never
    wait_seconds: float = 600  # how long a run waits while no node has room for an actor, or none of its actors starts

    def __post_init__(self) -> None:
        if self.actors is not None:
            _at_least("cluster.actors", self.actors, 1)
        if self.heartbeat_seconds is not None:
            _at_least("cluster.heartbeat_seconds", self.heartbeat_seconds, 1)
        for name in ("cpus_per_actor", "gpus_per_actor", "wait_seconds"):
            _at_least(f"cluster.{name}", getattr(self, name) or 0, 0)


@dataclass(kw_only=True)
class DedupeConfig:
    """Which rows of a data set are repeats of its reference's, and go."""

    rule: str = "image"  # image | text | both | either: whose closest cosine has to reach its threshold
    threshold: float = 0.95  # of both modalities
    image_threshold: float | None = None  # null: threshold
    text_threshold: float | None = None  # null: threshold
    exact: list[str] = field(default_factory=lambda: list(EXACT))  # dropped whatever the cosine: same url, same caption and image size
    by: str | None = None  # the encoder whose cosines decide; null: the one whose rows are chosen. One for all keeps the same pairs in all
    self: bool = False  # repeats within the set go too, all but the first
    exact_rows: int = 200_000  # most rows that are compared with each other where jobs.nearest did not find each row's closest in the set

    def __post_init__(self) -> None:
        _one_of("dedupe.rule", self.rule, RULES)
        for kind in self.exact:
            _one_of("dedupe.exact", kind, EXACT)
        for name in ("threshold", "image_threshold", "text_threshold"):
            value = getattr(self, name)
            if value is not None and not -1 <= value <= 1:
                raise UserError(f"dedupe.{name}={value} is no cosine; it must be from -1 to 1")


@dataclass(kw_only=True)
class NearestConfig:
    """How the closest reference rows are found, and how sure of it one has to be."""

    probes: int | None = 8  # cells searched for each row; null: all, which is exact
    exact_below: int = 100_000  # a reference of fewer rows is searched exactly, whatever `probes` says
    k: int = 1  # matches kept a row and modality
    cells: int | None = None  # null: sqrt(4 * rows); of the layout, as are the next three
    max_cell_rows: int | None = None  # null: four times the mean; heavier cells are cut
    group_bytes: int = 268_435_456  # cells read and held together
    seed: int = 0  # of the cells, and of the audit's sample
    memory_bytes: int | None = None  # vectors a reference actor holds; null: half of its share of the cluster's memory
    audit_rows: int = 2000  # sampled queries that are answered exactly too
    thresholds: list[float] = field(default_factory=lambda: [0.90, 0.95, 0.98])  # cosines at which recall is told
    threshold: float = 0.95  # the rule's own
    min_recall: float = 0.99  # of duplicates at `threshold`; below it the job is not whole
    vouch: bool = False  # ingested vectors do not name their weights: true says that both sides are of one encoder
    max_attempts: int = 3
    start_seconds: int = 600  # a reference actor that has not loaded its cells by then never will

    def __post_init__(self) -> None:
        for name in ("probes", "k", "cells", "max_cell_rows", "group_bytes", "memory_bytes", "max_attempts"):
            if getattr(self, name) is not None:
                _at_least(f"nearest.{name}", getattr(self, name), 1)
        for name, values in (("thresholds", self.thresholds), ("threshold", [self.threshold]), ("min_recall", [self.min_recall])):
            if not all(-1 <= value <= 1 for value in values):
                raise UserError(f"nearest.{name}={getattr(self, name)} lies outside of [-1, 1]")


@dataclass(kw_only=True)
class TrainConfig:
    """One arm of the loss x Hopfield ablation."""

    steps: int = 800
    batch_size: int = 128
    learning_rate: float = 1.5e-3
    warmup_steps: int = 40
    weight_decay: float = 0.1
    inv_tau: float = 30.0
    beta: float = 8.0
    hopfield_after: float = 0.4  # share of the steps before Hopfield retrieval joins; 0: from the first step
    seed: int = 0
    checkpoint_every: int = 200
    threads: int | None = None  # of torch on a CPU; null: what the actor holds

    def __post_init__(self) -> None:
        _at_least("train.steps", self.steps, 1)
        _at_least("train.batch_size", self.batch_size, 2)
        _at_least("train.checkpoint_every", self.checkpoint_every, 1)
        if not 0 <= self.hopfield_after <= 1:
            raise UserError(f"train.hopfield_after={self.hopfield_after} is no share of the steps; it must be from 0 to 1")


@dataclass(kw_only=True)
class ReportConfig:
    """Which of our names stand for which of the paper's, and what is drawn."""

    models: dict[str, str] = field(default_factory=dict)  # encoder -> CLIP | CLOOB | ...: the paper's row beside it
    datasets: dict[str, str] = field(default_factory=dict)  # data set -> LAION | COCO
    ablation: dict[str, str] = field(default_factory=dict)  # encoder -> InfoNCE | InfoNCE + Hopfield | InfoLOOB | InfoLOOB + Hopfield
    lines: int = 200  # pairs joined by a line in Figs 6 and 8
    points: int = 2000  # points drawn in Fig. 2
    failures: int = 3  # worst-ranked pairs listed for each (data set, encoder)
    contact: int = 500  # closest pairs of each (data set, encoder, reference) on a contact sheet, to be judged by eye; 0: no sheets
    contact_encoders: list[str] = field(
        default_factory=list
    )  # whose sheets; []: what plays CLIP, as in the paper, or all where nothing does
    max_pixels: int = 64_000_000  # of an image that is shrunk for a sheet, checked on its header


@dataclass(kw_only=True)
class EmbedJob:
    root: str = MISSING
    dataset: DatasetConfig = field(default_factory=DatasetConfig)
    encoder: EncoderConfig = field(default_factory=lambda: EncoderConfig(name=""))  # not needed beside `encoders`
    encoders: list[str] = field(default_factory=list)  # presets by name: many encoders from one decode
    replay: bool = False  # only the pairs that recorded shards have in quarantine, again
    embed: EmbedConfig = field(default_factory=EmbedConfig)
    cluster: ClusterConfig = field(default_factory=ClusterConfig)


@dataclass(kw_only=True)
class IngestJob:
    root: str = MISSING
    source: str = MISSING  # .npz {image, text} | clip-retrieval folder | Parquet file, folder or glob
    rows_per_shard: int = 100_000
    image_column: str = "image"
    text_column: str = "text"
    normalise: bool = False  # accept rows that are not of unit length, and normalise them
    dataset: DatasetConfig = field(default_factory=DatasetConfig)
    encoder: EncoderConfig = field(default_factory=EncoderConfig)
    embed: EmbedConfig = field(default_factory=lambda: EmbedConfig(dtype="float32"))

    def __post_init__(self) -> None:
        _at_least("rows_per_shard", self.rows_per_shard, 1)


@dataclass(kw_only=True)
class NearestJob:
    root: str = MISSING
    dataset: DatasetConfig = field(default_factory=DatasetConfig)
    reference: DatasetConfig = field(default_factory=DatasetConfig)
    encoder: EncoderConfig = field(default_factory=EncoderConfig)
    nearest: NearestConfig = field(default_factory=NearestConfig)
    cluster: ClusterConfig = field(default_factory=ClusterConfig)


@dataclass(kw_only=True)
class AnalyzeJob:
    root: str = MISSING
    dataset: DatasetConfig = field(default_factory=DatasetConfig)
    encoder: EncoderConfig = field(default_factory=lambda: EncoderConfig(name=""))  # not needed beside `encoders`
    encoders: list[str] = field(default_factory=list)  # names: each is analysed, then they are compared on the same pairs
    analysis: AnalysisConfig = field(default_factory=AnalysisConfig)
    cluster: ClusterConfig = field(default_factory=ClusterConfig)


@dataclass(kw_only=True)
class DedupeJob:
    root: str = MISSING
    dataset: DatasetConfig = field(default_factory=DatasetConfig)
    reference: DatasetConfig = field(default_factory=DatasetConfig)
    encoder: EncoderConfig = field(default_factory=EncoderConfig)
    dedupe: DedupeConfig = field(default_factory=DedupeConfig)


@dataclass(kw_only=True)
class TrainJob:
    root: str = MISSING
    loss: str = "infonce"
    hopfield: bool = False
    dataset: DatasetConfig = field(default_factory=DatasetConfig)
    encoder: EncoderConfig = field(default_factory=EncoderConfig)
    train: TrainConfig = field(default_factory=TrainConfig)
    cluster: ClusterConfig = field(default_factory=ClusterConfig)

    def __post_init__(self) -> None:
        _one_of("loss", self.loss, LOSSES)


@dataclass(kw_only=True)
class VerifyJob:
    root: str = MISSING
    fix: bool = False  # remove temporary files that writers have left
    min_age_seconds: float = 3600  # younger ones may be of a job that is running
    cluster: ClusterConfig = field(default_factory=ClusterConfig)

    def __post_init__(self) -> None:
        _at_least("min_age_seconds", self.min_age_seconds, 0)


@dataclass(kw_only=True)
class ReportJob:
    root: str = MISSING
    report: ReportConfig = field(default_factory=ReportConfig)


@dataclass(kw_only=True)
class Arm:
    """One training run of an experiment."""

    loss: str = MISSING
    hopfield: bool = False


@dataclass(kw_only=True)
class PaperJob:
    """The whole pipeline: what an experiment file fills in."""

    root: str = MISSING
    train_dataset: str | None = None  # a preset of conf/dataset; null: nothing is trained
    arms: dict[str, Arm] = field(default_factory=dict)  # encoder preset -> how it is trained
    datasets: list[str] = field(
        default_factory=list
    )  # analysed: presets, and <preset>-minus-<preset>: the first without what is in the second
    reference: str | None = None  # a preset: the training data, in which the closest rows of every data set are found; null: none
    encoders: list[str] = field(default_factory=list)  # presets
    shards: dict[str, Any] = field(default_factory=dict)  # data set -> its shards, where the preset cannot know them
    checkpoints: dict[str, str | None] = field(default_factory=dict)  # encoder -> its checkpoint, likewise
    train: TrainConfig = field(default_factory=TrainConfig)
    embed: EmbedConfig = field(default_factory=EmbedConfig)
    nearest: NearestConfig = field(default_factory=NearestConfig)
    dedupe: DedupeConfig = field(default_factory=DedupeConfig)
    analysis: AnalysisConfig = field(default_factory=AnalysisConfig)
    sweep: SweepConfig = field(default_factory=SweepConfig)
    report: ReportConfig = field(default_factory=ReportConfig)
    cluster: ClusterConfig = field(default_factory=ClusterConfig)


@dataclass(kw_only=True)
class PlanJob(PaperJob):
    """An experiment as `PaperJob` tells it, to be counted and not run. `root` may hold records that tell sizes and rates."""

    pairs: dict[str, int] = field(default_factory=dict)  # data set -> pairs, where the preset does not say
