"""How trainers name their checkpoints, and which file of one appears when it is whole."""

import re
from dataclasses import dataclass

from tda.config.watch import WatchConfig
from tda.errors import UserError

# Such names are written again and again: what they hold today is not what they held yesterday.
MUTABLE = re.compile(r"(^|[^a-z])(latest|last|best|current|te?mp|trash)([^a-z]|$)", re.IGNORECASE)
FIELDS = ("{step}", "{epoch}")


@dataclass(frozen=True, kw_only=True)
class Naming:
    """`pattern` is a name with {step} or {epoch}. `files` are names of the weights in a checkpoint's folder, best first.

    `sentinel` lies within the folder of a checkpoint, or beside its file. `beside` are small files that are read with the weights.
    """

    pattern: str
    files: tuple[str, ...] = ()
    sentinel: str | None = None
    beside: tuple[str, ...] = ()
    folder: bool = False

    def step_of(self, name: str) -> int | None:
        """The step, or epoch, of a checkpoint of this name; None for any other name, and for those that change their content."""
        found = re.fullmatch(_expression(self.pattern), name)
        return int(found[1]) if found and not MUTABLE.search(name) and name[0] not in "._" else None

    def sentinel_of(self, name: str) -> str | None:
        """Name of the file that appears when the checkpoint `name` is whole; None if its trainer writes none."""
        found = re.fullmatch(_expression(self.pattern), name)
        if self.sentinel is None or found is None:
            return None
        return self.sentinel.replace("{step}", found[1]).replace("{epoch}", found[1]).replace("{name}", name)


HF_FILES = ("model.safetensors", "pytorch_model.bin")
PRESETS = {
    "lacuna": Naming(pattern="step_{step}.pt", sentinel="step_{step}.json"),
    "open_clip": Naming(pattern="epoch_{epoch}.pt"),  # written in place, without a sentinel
    "olmo_core": Naming(pattern="step{step}", sentinel=".metadata.json", folder=True),  # sharded: watch.file names whole weights
    "prime_rl": Naming(pattern="step_{step}", files=HF_FILES, sentinel="STABLE", folder=True),
    "hf_trainer": Naming(  # the trainer writes its state after the weights
        pattern="checkpoint-{step}",
        files=HF_FILES,
        sentinel="trainer_state.json",
        beside=("config.json", "preprocessor_config.json"),
        folder=True,
    ),
}


def naming_of(config: WatchConfig) -> Naming:
    """The naming that the settings ask for. Raises UserError for a pattern without, or with more than, one of {step} and {epoch}."""
    chosen = _of_pattern(config) if config.pattern else PRESETS[config.naming]
    if config.file and not chosen.folder:
        raise UserError(f"watch.file={config.file}: checkpoints named {chosen.pattern} are files, not folders; leave watch.file away")
    return Naming(
        pattern=chosen.pattern,
        files=(config.file,) if config.file else chosen.files,
        sentinel=config.sentinel or chosen.sentinel,
        beside=chosen.beside,
        folder=chosen.folder,
    )


def _of_pattern(config: WatchConfig) -> Naming:
    pattern = str(config.pattern)
    name, slash, inside = pattern.partition("/")
    if sum(name.count(one) for one in FIELDS) != 1 or any(one in inside for one in FIELDS):
        raise UserError(f"watch.pattern={pattern!r} needs {{step}} or {{epoch}} once, in its first name: 'step_{{step}}.pt'")
    if slash and config.file:
        raise UserError(f"watch.pattern={pattern!r} names a file in a folder, and so does watch.file={config.file}: give one")
    folder = bool(slash or config.file)
    return Naming(pattern=name, files=(inside,) if inside else (), beside=PRESETS["hf_trainer"].beside if folder else (), folder=folder)


def _expression(pattern: str) -> str:
    escaped = re.escape(pattern)
    for one in FIELDS:
        escaped = escaped.replace(re.escape(one), r"(\d{1,18})")
    return escaped
