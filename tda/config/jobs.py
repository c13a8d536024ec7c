"""The schema of every job: what its command takes. Fields that hold ``MISSING`` have to be given."""

from dataclasses import dataclass, field
from typing import Any

from tda.config.analysis import AnalysisConfig, SweepConfig
from tda.config.cluster import ClusterConfig
from tda.config.datasets import DatasetConfig
from tda.config.diversity import DiversityConfig
from tda.config.fields import MISSING, Checked, bounded
from tda.config.filters import FilterConfig
from tda.config.models import LOSSES, Arm, EncoderConfig, TrainConfig
from tda.config.stages import DedupeConfig, EmbedConfig, NearestConfig, ReportConfig
from tda.config.sweeps import MultirunConfig
from tda.config.watch import WatchConfig
from tda.errors import UserError

EXPORTS = ("webdataset", "uids", "clip_retrieval", "parquet")


@dataclass(kw_only=True)
class EmbedJob(Checked):
    root: str = MISSING
    dataset: DatasetConfig = field(default_factory=DatasetConfig)
    encoder: EncoderConfig = field(default_factory=lambda: EncoderConfig(name=""))  # not needed beside `encoders`
    encoders: list[str] = field(default_factory=list)  # presets by name: many encoders from one decode
    replay: bool = False  # only the pairs that recorded shards have in quarantine, again
    embed: EmbedConfig = field(default_factory=EmbedConfig)
    cluster: ClusterConfig = field(default_factory=ClusterConfig)
    sweep: MultirunConfig = field(default_factory=MultirunConfig)


@dataclass(kw_only=True)
class IngestJob(Checked):
    root: str = MISSING
    source: str = MISSING  # .npz {image, text} | clip-retrieval folder | Parquet file, folder or glob | a pair of .npy | .pt
    gram: str | None = None  # the name of a cosine Gram matrix in an .npz, or of its .npy: images first, then texts
    rows_per_shard: int = bounded(100_000, least=1)
    image_column: str = "image"
    text_column: str = "text"
    caption_column: str | None = None  # null: caption, TEXT or text, as the file has it
    key_column: str | None = None  # null: key, image_path or uid
    url_column: str | None = None  # null: url or URL
    normalise: bool = False  # accept rows that are not of unit length, and normalise them
    dataset: DatasetConfig = field(default_factory=DatasetConfig)
    encoder: EncoderConfig = field(default_factory=EncoderConfig)
    embed: EmbedConfig = field(default_factory=lambda: EmbedConfig(dtype="float32"))
    cluster: ClusterConfig = field(default_factory=ClusterConfig)
    sweep: MultirunConfig = field(default_factory=MultirunConfig)


@dataclass(kw_only=True)
class NearestJob(Checked):
    root: str = MISSING
    dataset: DatasetConfig = field(default_factory=DatasetConfig)
    reference: DatasetConfig = field(default_factory=DatasetConfig)
    encoder: EncoderConfig = field(default_factory=lambda: EncoderConfig(name=""))  # not needed beside `encoders`
    encoders: list[str] = field(default_factory=list)  # names: the closest rows by each of them, one after the other
    nearest: NearestConfig = field(default_factory=NearestConfig)
    cluster: ClusterConfig = field(default_factory=ClusterConfig)
    sweep: MultirunConfig = field(default_factory=MultirunConfig)


@dataclass(kw_only=True)
class AnalyzeJob(Checked):
    root: str = MISSING
    dataset: DatasetConfig = field(default_factory=DatasetConfig)
    encoder: EncoderConfig = field(default_factory=lambda: EncoderConfig(name=""))  # not needed beside `encoders`
    encoders: list[str] = field(default_factory=list)  # names: each is analysed, then they are compared on the same pairs
    analysis: AnalysisConfig = field(default_factory=AnalysisConfig)
    cluster: ClusterConfig = field(default_factory=ClusterConfig)
    sweep: MultirunConfig = field(default_factory=MultirunConfig)


@dataclass(kw_only=True)
class DiversityJob(Checked):
    root: str = MISSING
    dataset: DatasetConfig = field(default_factory=DatasetConfig)  # a drawn world, whose scenes are guided to; or generated images
    encoders: list[str] = field(default_factory=list)  # of a drawn world: the guides
    diversity: DiversityConfig = field(default_factory=DiversityConfig)
    report: ReportConfig = field(default_factory=ReportConfig)  # its `models` name the arms in the roles of CLIP and CLOOB
    cluster: ClusterConfig = field(default_factory=ClusterConfig)
    sweep: MultirunConfig = field(default_factory=MultirunConfig)


@dataclass(kw_only=True)
class DedupeJob(Checked):
    root: str = MISSING
    dataset: DatasetConfig = field(default_factory=DatasetConfig)
    reference: DatasetConfig = field(default_factory=lambda: DatasetConfig(name=""))  # none: the set's own repeats go
    encoder: EncoderConfig = field(default_factory=EncoderConfig)
    dedupe: DedupeConfig = field(default_factory=DedupeConfig)
    cluster: ClusterConfig = field(default_factory=ClusterConfig)
    sweep: MultirunConfig = field(default_factory=MultirunConfig)


@dataclass(kw_only=True)
class FilterJob(Checked):
    root: str = MISSING
    dataset: DatasetConfig = field(default_factory=DatasetConfig)
    encoder: EncoderConfig = field(default_factory=EncoderConfig)
    filter: FilterConfig = field(default_factory=FilterConfig)
    sweep: MultirunConfig = field(default_factory=MultirunConfig)


@dataclass(kw_only=True)
class ExportJob(Checked):
    root: str = MISSING
    to: str = MISSING  # a folder; for uids an .npy
    format: str = bounded("webdataset", choices=EXPORTS)
    dataset: DatasetConfig = field(default_factory=DatasetConfig)
    encoder: EncoderConfig = field(default_factory=EncoderConfig)
    cluster: ClusterConfig = field(default_factory=ClusterConfig)


@dataclass(kw_only=True)
class FetchJob(Checked):
    root: str = ""  # not used: what is fetched belongs to no root
    encoders: list[str] = field(default_factory=list)  # presets with a url
    datasets: list[str] = field(default_factory=list)  # presets with published files
    to: str | None = None  # a folder or URL; null: where presets look


@dataclass(kw_only=True)
class TrainJob(Checked):
    root: str = MISSING
    loss: str = bounded("infonce", choices=LOSSES)
    hopfield: bool = False
    dataset: DatasetConfig = field(default_factory=DatasetConfig)
    encoder: EncoderConfig = field(default_factory=EncoderConfig)
    train: TrainConfig = field(default_factory=TrainConfig)
    cluster: ClusterConfig = field(default_factory=ClusterConfig)
    sweep: MultirunConfig = field(default_factory=MultirunConfig)


@dataclass(kw_only=True)
class VerifyJob(Checked):
    root: str = MISSING
    deep: bool = True  # read and digest every byte; false: sizes and records alone
    fix: bool = False  # remove temporary files that writers have left
    min_age_seconds: float = bounded(3600, least=0)  # younger ones may belong to a running job
    cluster: ClusterConfig = field(default_factory=ClusterConfig)
    sweep: MultirunConfig = field(default_factory=MultirunConfig)


@dataclass(kw_only=True)
class StatusJob(Checked):
    root: str = MISSING
    format: str = bounded("table", choices=("table", "json"))  # table: for people | json: for programs, one document on one line


@dataclass(kw_only=True)
class ReportJob(Checked):
    root: str = ""  # not needed beside `roots`
    roots: list[str] = field(default_factory=list)  # two: the report of the first, and both side by side
    against: str = ""  # another root, put beside `root`
    figure: str = ""  # one figure by name (fig04) as the file `out`, instead of the report
    models: list[str] = field(default_factory=list)  # of that figure, by name in the root or on the page; []: all
    data: list[str] = field(default_factory=list)  # data sets of that figure; []: all
    out: str = ""  # a path or URL that ends in .pdf, .svg, .png or .csv
    format: str = bounded("page", choices=("page", "text"))  # text: the findings are printed too
    open: bool = False  # show the report in this machine's browser
    serve: bool = False  # serve the report's folder to this machine's browsers, until Ctrl-C
    port: int = bounded(8080, least=0, most=65535)  # of serve, on 127.0.0.1; 0: any that is free
    report: ReportConfig = field(default_factory=ReportConfig)
    sweep: MultirunConfig = field(default_factory=MultirunConfig)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.roots and (self.root or self.against or len(self.roots) != 2):
            raise UserError("roots takes two roots, instead of root and against: roots=[URL,URL]")
        if self.roots:
            self.root, self.against = self.roots
        if not self.root:
            raise UserError("root is missing: give root=URL, or roots=[URL,URL] for two side by side")
        if bool(self.figure) != bool(self.out):
            raise UserError("figure and out belong together: figure=fig04 out=fig04.pdf")
        if (self.models or self.data) and not self.figure:
            raise UserError("models and data choose what one figure shows: give figure=NAME out=FILE too")


@dataclass(kw_only=True)
class WatchJob(Checked):
    root: str = MISSING
    checkpoints: str = MISSING  # the folder where a training run leaves its checkpoints: a path or URL
    once: bool = False  # one look, for schedulers; false: look again every `interval` seconds
    interval: float = bounded(300, above=0)
    encoder: EncoderConfig = field(default_factory=lambda: EncoderConfig(name=""))  # how each checkpoint is loaded; named <name>@<step>
    dataset: DatasetConfig = field(default_factory=lambda: DatasetConfig(name=""))  # not needed beside `datasets`
    datasets: list[str] = field(default_factory=list)  # presets: every checkpoint embeds and analyses each
    watch: WatchConfig = field(default_factory=WatchConfig)
    embed: EmbedConfig = field(default_factory=EmbedConfig)
    analysis: AnalysisConfig = field(default_factory=AnalysisConfig)
    cluster: ClusterConfig = field(default_factory=ClusterConfig)


@dataclass(kw_only=True)
class PaperJob(Checked):
    """The whole pipeline: what an experiment file fills in."""

    root: str = MISSING
    train_dataset: str | None = None  # a preset of conf/dataset; null: nothing is trained
    arms: dict[str, Arm] = field(default_factory=dict)  # encoder preset -> how it is trained
    datasets: list[str] = field(
        default_factory=list
    )  # analysed: presets, and <preset>-minus-<preset>: the first without what is in the second
    reference: str | None = None  # a preset: the training data, in which the closest rows of every data set are found; null: none
    encoders: list[str] = field(default_factory=list)  # presets
    under: dict[str, list[str]] = field(default_factory=dict)  # data set -> those of the encoders that see it; one that is not here: all
    shards: dict[str, Any] = field(default_factory=dict)  # data set -> its shards, where the preset cannot know them
    checkpoints: dict[str, str | None] = field(default_factory=dict)  # encoder -> its checkpoint, likewise
    tokenizers: dict[str, str | None] = field(default_factory=dict)  # encoder -> the folder of its tokenizer, likewise
    train: TrainConfig = field(default_factory=TrainConfig)
    embed: EmbedConfig = field(default_factory=EmbedConfig)
    nearest: NearestConfig = field(default_factory=NearestConfig)
    dedupe: DedupeConfig = field(default_factory=DedupeConfig)
    analysis: AnalysisConfig = field(default_factory=AnalysisConfig)
    sweep: SweepConfig = field(default_factory=SweepConfig)
    guided: list[str] = field(default_factory=list)  # data sets of drawn worlds in which the diversity of guided images is measured
    diversity: DiversityConfig = field(default_factory=DiversityConfig)
    watch: WatchConfig = field(default_factory=WatchConfig)  # for jobs.watch alone
    report: ReportConfig = field(default_factory=ReportConfig)
    cluster: ClusterConfig = field(default_factory=ClusterConfig)


@dataclass(kw_only=True)
class PlanJob(PaperJob):
    """An experiment as in `PaperJob`, to be priced and not run. Records under `root` give sizes and rates."""

    pairs: dict[str, int] = field(default_factory=dict)  # data set -> pairs, where the preset does not say


@dataclass(kw_only=True)
class SubmitJob(Checked):
    """How a command is run on a cluster. The command itself follows `--` and is not part of the configuration."""

    root: str = ""  # given to the command, unless it has its own
    again: bool = False  # run a command that is done once more
    no_wait: bool = False  # submit and return; the same command without it attaches
    attach: str | None = None  # follow the job of this id, without a command
    stop: str | None = None  # end the job of this id, without a command
    code: str = bounded("mine", choices=("mine", "cluster"))  # mine: jobs, tda and conf as they are here | cluster: what is installed there
    working_dir: str | None = None  # a folder or zip that is copied to the cluster, and in which the command runs
    env: list[str] = field(default_factory=list)  # names of environment variables whose values the job gets
    runtime_env: dict[str, Any] = field(default_factory=dict)  # more fields of Ray's runtime_env, such as pip
    driver_cpus: float = bounded(1, least=0)  # reserved for the command itself; 0: it runs on the head
    driver_memory: int | None = bounded(None, least=1)  # bytes, likewise
    poll_seconds: float = bounded(2, above=0)  # between two looks at the status
    cluster: ClusterConfig = field(default_factory=ClusterConfig)
