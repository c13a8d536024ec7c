"""The schemas of `conf/embed`, `conf/nearest`, `conf/dedupe` and `conf/report`."""

from dataclasses import dataclass, field
from typing import Any

from tda.config.fields import Checked, bounded

RESIZES = ("fast", "exact")
FORMATS = ("jpeg", "png", "webp")  # of images, where no setting says otherwise
IMAGE_FORMATS = (*FORMATS, "gif", "avif", "bmp")  # the last three are decoded in a child process with limits
CHANGED = ("refuse", "redo", "trust")
RULES = ("image", "text", "both", "either")
EXACT = ("url", "caption")
KEEPS = ("first", "largest", "width", "height", "caption", "pair_cosine")


@dataclass(kw_only=True)
class EmbedConfig(Checked, path="embed"):
    """How shards become rows."""

    dtype: str = bounded("float16", choices=("float16", "float32"))  # as stored
    batch_size: Any = bounded("auto", least=1, word="auto")  # pairs; auto: by the device's memory. Halved when memory runs out
    decode_threads: int | None = bounded(None, least=1)  # per actor; null: 2, or as many CPUs as the cluster has for each actor
    resize: str = bounded("fast", choices=RESIZES)  # fast: within two levels of Pillow's, 5 x faster | exact: Pillow's
    compile: bool = False  # towers by torch.compile, made once per process, in up to minutes: measure whether it pays
    formats: list[str] = bounded(list(FORMATS), choices=IMAGE_FORMATS)  # of images that are decoded; all others are refused
    max_pixels: int = bounded(64_000_000, least=1)  # checked on the header, before decoding
    max_caption_bytes: int = bounded(65_536, least=1)
    max_member_bytes: int = bounded(67_108_864, least=1)
    max_attempts: int = bounded(3, least=1)  # a shard that failed this often is named and given up
    max_drop_fraction: float = bounded(0.05, least=0, most=1)  # with more dropped pairs than this the run exits 1
    changed: str = bounded("refuse", choices=CHANGED)  # a recorded shard that holds other bytes now: refuse, redo or trust its rows
    moved: bool = False  # true: recorded shards are elsewhere now; size and digest decide whether they are the same
    stalled_seconds: float | None = bounded(900, least=1)  # a shard without progress for so long loses its actor (an attempt); null: never


@dataclass(kw_only=True)
class DedupeConfig(Checked, path="dedupe"):
    """Which rows of a data set repeat rows of its reference, and are dropped."""

    rule: str = bounded("image", choices=RULES)  # whose closest cosine has to reach its threshold
    threshold: float = bounded(0.95, least=-1, most=1)  # of both modalities
    image_threshold: float | None = bounded(None, least=-1, most=1)  # null: threshold
    text_threshold: float | None = bounded(None, least=-1, most=1)  # null: threshold
    exact: list[str] = bounded(list(EXACT), choices=EXACT)  # dropped whatever the cosine: same url, same caption and image size
    by: str | None = None  # the encoder whose cosines decide; null: each by its own. One for all keeps the same pairs in all
    self: bool = False  # repeats within the set go too, all but one of each group
    keep: str = bounded("first", choices=KEEPS)  # which one: the first row, or that of the largest value
    max_drop_fraction: float = bounded(0.5, least=0, most=1)  # with more dropped rows than this the job exits 1
    exact_rows: int = bounded(200_000, least=0)  # most rows compared with each other where jobs.nearest did not find them within the set


@dataclass(kw_only=True)
class NearestConfig(Checked, path="nearest"):
    """How the closest reference rows are found, and how high the recall must be."""

    probes: Any = bounded("auto", least=1, word="auto", null=True)  # cells searched for each row; auto: by recall; null: all, so exact
    exact_below: int = bounded(100_000, least=0)  # a reference of fewer rows is searched exactly, whatever `probes`
    k: int = bounded(1, least=1)  # matches kept per row and modality
    cells: int | None = bounded(None, least=1)  # null: sqrt(4 * rows); fixed when the cells are built, as are the next three
    max_cell_rows: int | None = bounded(None, least=1)  # null: four times the mean; larger cells are cut
    group_bytes: int = bounded(268_435_456, least=1)  # cells read and held together
    seed: int = bounded(0, least=0)  # of the cells, and of the audit's sample
    memory_bytes: int | None = bounded(None, least=1)  # vectors a reference actor holds; null: half of its share of the cluster's memory
    audit_rows: int = bounded(2000, least=0)  # sampled queries that are answered exactly too
    thresholds: list[float] = bounded([0.90, 0.95, 0.98], least=-1, most=1)  # cosines at which recall is reported
    threshold: float = bounded(0.95, least=-1, most=1)  # the cosine at which `min_recall` is asked
    min_recall: float = bounded(0.99, least=0, most=1)  # of duplicates at `threshold`: where the interval goes below it the job exits 1
    vouch: bool = False  # ingested vectors do not name their weights: true states that both sides are of one encoder
    max_attempts: int = bounded(3, least=1)
    start_seconds: int = bounded(600, least=1)  # a reference actor that has not loaded its cells by then is given up


@dataclass(kw_only=True)
class ReportConfig(Checked, path="report"):
    """Which paper model and data set each of yours corresponds to, and what is drawn."""

    models: dict[str, str] = field(default_factory=dict)  # encoder -> CLIP | CLOOB | ...: the paper's row beside it
    datasets: dict[str, str] = field(default_factory=dict)  # data set -> LAION | COCO
    ablation: dict[str, str] = field(default_factory=dict)  # encoder -> InfoNCE | InfoNCE + Hopfield | InfoLOOB | InfoLOOB + Hopfield
    names: dict[str, str] = field(default_factory=dict)  # encoder or data set -> its name on the page, in figures and tables
    atlas: int = bounded(1000, least=0)  # pairs of each (data set, model) in atlas.parquet; 0: no such file
    neighbors: int = bounded(10, least=0)  # of each row there
    width: str = "7in"  # of a figure's files: 3.35in is a column of a paper, 7in its page
    lines: int = bounded(200, least=0)  # pairs joined by a line in Figs 6 and 8
    points: int = bounded(2000, least=1)  # points drawn in Fig. 2
    failures: int = bounded(3, least=0)  # worst-ranked pairs listed for each (data set, encoder)
    contact: int = bounded(500, least=0)  # closest pairs of each (data set, encoder, reference) on a contact sheet; 0: no sheets
    contact_encoders: list[str] = field(default_factory=list)  # whose sheets; []: the one that plays CLIP, or all where none does
    formats: list[str] = bounded(list(FORMATS), choices=IMAGE_FORMATS)  # of images that are shrunk for a sheet
    max_pixels: int = bounded(64_000_000, least=1)  # of an image that is shrunk for a sheet, checked on its header
    explorer: int = bounded(50_000, least=0)  # pairs of a data set in the explorer, at most; 0: no explorer
    pictures: int = bounded(2000, least=0)  # pairs of a data set that are shown with their picture there, at most
    picture_side: int = bounded(96, least=16, most=256)  # pixels of the longer side of such a picture, at most
    network: bool = False  # images of a sheet may be read from any address in a record, not only from this machine and the root's own store
    numbers: list[str] = field(default_factory=list)  # of sweeps that are drawn, by dotted path; []: the objective, or a main number
