"""The schemas of `conf/encoder` and `conf/train`: which model, and how one is trained."""

from dataclasses import dataclass

from tda.config.fields import MISSING, Checked, bounded

FORMATS = ("open_clip", "openai", "cloob_official", "cloob_laion", "carp", "hf_clip")
PRECISIONS = ("auto", "fp32", "bf16", "fp16")
LOSSES = ("infonce", "infoloob")
INV_TAU = {"infonce": 100.0, "infoloob": 30.0}  # where CLIP's learned one ends (its cap); what CLOOB fixes
KEEP = ("last", "all")


@dataclass(kw_only=True)
class EncoderConfig(Checked, path="encoder"):
    """A model and the file that holds its weights."""

    name: str = MISSING
    format: str = bounded("open_clip", choices=FORMATS)
    config: str | None = None  # the model's own JSON (pkg://package/path: one inside a package), or with `pretrained` open_clip's name
    checkpoint: str | None = None  # path or URL of the original file; never random weights in its place
    pretrained: str | None = None  # open_clip: the tag whose activation, mean and std belong to the checkpoint
    tokenizer: str | None = None  # carp, and open_clip models that name a tokenizer of Hugging Face: its folder
    sha256: str | None = None  # of the checkpoint, or its first 8 or more digits; checked before the file is opened
    url: str | None = None  # where the original can be fetched, for jobs.fetch alone; null: not read in its publisher's own source
    source: str | None = None  # where the original is published; shown when it is missing
    precision: str = bounded("auto", choices=PRECISIONS)  # auto is bf16 on CUDA, for ResNets fp16
    canary: str | None = None  # digest of the vectors of fixed inputs, as in a shard's record; a model that makes others is refused


@dataclass(kw_only=True)
class TrainConfig(Checked, path="train"):
    """One arm of the loss x Hopfield ablation."""

    steps: int = bounded(800, least=1)
    batch_size: int = bounded(128, least=2)
    learning_rate: float = bounded(1.5e-3, above=0)
    warmup_steps: int = bounded(40, least=0)
    weight_decay: float = bounded(0.1, least=0)
    inv_tau: float | None = bounded(None, above=0)  # fixed 1/temperature of the logits; null: INV_TAU of the loss
    learn_temperature: bool = False  # as CLIP: inv_tau starts at 14.3, is learned and never exceeds 100
    beta: float = bounded(8.0, above=0)
    hopfield_after: float = bounded(0.4, least=0, most=1)  # share of the steps before Hopfield retrieval joins; 0: from the first step
    seed: int = bounded(0, least=0)
    stream: bool = False  # read the shards at every epoch, for data larger than memory; false: decoded once and held
    shuffle: int = bounded(10_000, least=1)  # pairs among which a streamed pair is drawn; the order of shards is drawn too
    checkpoint_every: int = bounded(200, least=1)
    keep: str = bounded("last", choices=KEEP)  # step checkpoints: the last two, to go on from | all: each is a model that loads
    threads: int | None = bounded(None, least=1)  # of torch on a CPU; null: as many as the actor's CPUs


@dataclass(kw_only=True)
class Arm(Checked):
    """One training run of an experiment."""

    loss: str = MISSING
    hopfield: bool = False
