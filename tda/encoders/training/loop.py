"""Training one arm of the loss x Hopfield ablation: a CLIP of open_clip's own classes, from random weights.

A step is a function of (configuration, step, state): batches come from permutations seeded by (seed, epoch), the learning rate from the
step. So an interrupted run ends, on a CPU, in the same bits as an uninterrupted one.

Shapes: N pairs, B batch, L tokens of the context.
"""

import hashlib
import json
import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from tda.config.models import INV_TAU, TrainConfig
from tda.encoders.base import resolve_device
from tda.encoders.formats.open_clip import build, model_config_of
from tda.encoders.losses import Loss, objective
from tda.encoders.training.checkpoints import Snapshots
from tda.encoders.training.data import TrainingPairs
from tda.encoders.training.stream import StreamedPairs
from tda.errors import LacunaError, UserError

REPORT_EVERY = 10  # steps; only then the GPU is synchronised
UNDECAYED = ("logit_scale", "positional_embedding", "token_embedding.weight", "class_embedding")
FIRST_INV_TAU, MOST_INV_TAU = 1 / 0.07, 100.0  # of a learned temperature (Radford et al. 2021, section 2.5)
NOT_IDENTITY = ("checkpoint_every", "keep", "threads")  # of TrainConfig: they do not change the weights


@dataclass(frozen=True, kw_only=True)
class Arm:
    """A training run. `settings` is the model's JSON configuration; `shards` holds each name with its size in bytes."""

    encoder: str
    loss: str
    hopfield: bool
    config: TrainConfig
    settings: dict[str, Any]
    shards: tuple[tuple[str, int], ...]

    def __post_init__(self) -> None:
        if self.config.learn_temperature and self.config.inv_tau is not None:
            raise UserError(f"train.inv_tau={self.config.inv_tau:g} is not used where train.learn_temperature=true: leave one of them out")

    @property
    def inv_tau(self) -> float:
        """1 / temperature at the first step: the given one, or that of the loss."""
        if self.config.learn_temperature:
            return FIRST_INV_TAU
        return INV_TAU[self.loss] if self.config.inv_tau is None else self.config.inv_tau

    @property
    def config_hash(self) -> str:
        """SHA-256 of the canonical JSON of everything that changes the weights."""
        return hashlib.sha256(json.dumps(self.content(), sort_keys=True, separators=(",", ":")).encode()).hexdigest()

    def content(self) -> dict[str, Any]:
        """Everything that changes the weights, as plain values; it is kept beside the weights."""
        config = {name: value for name, value in asdict(self.config).items() if name not in NOT_IDENTITY} | {"inv_tau": self.inv_tau}
        if not config["learn_temperature"]:  # models of earlier versions do not know it
            del config["learn_temperature"]
        if not config["stream"]:  # nor these
            del config["stream"], config["shuffle"]
        return {"loss": self.loss, "hopfield": self.hopfield, **config, "model": self.settings, "shards": [list(s) for s in self.shards]}


@dataclass(frozen=True)
class Progress:
    """Progress of an arm. `seconds` of all steps, earlier attempts included."""

    step: int
    steps: int
    loss: float
    learning_rate: float
    seconds: float


@dataclass
class Curve:
    """One entry a step. Losses stay on the device until they are read."""

    loss: list[Tensor] = field(default_factory=list)
    learning_rate: list[float] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)

    def columns(self) -> dict[str, list[Any]]:
        losses = torch.stack([x.cpu() for x in self.loss]).tolist() if self.loss else []
        return {"step": list(range(1, len(losses) + 1)), "loss": losses, "learning_rate": self.learning_rate, "seconds": self.seconds}


class Trainer:
    """One model, its optimiser and its step.

    The inverse temperature is fixed, as in CLOOB, or learned, as in CLIP (`config.learn_temperature`). On CUDA the towers run under
    autocast, in bfloat16 or, if the device lacks it, in float16 with a scaled loss; losses are always computed in float32.
    """

    def __init__(self, arm: Arm, pairs: TrainingPairs | StreamedPairs, device: str = "auto") -> None:
        config = arm.config
        pairs.require(config.batch_size)
        self.arm, self.config, self.device = arm, config, resolve_device(device)
        self.pairs = pairs.to(self.device)
        torch.manual_seed(config.seed)
        self.model = _model(arm, self.device)
        self.optimizer = torch.optim.AdamW(_groups(self.model, config.weight_decay), lr=config.learning_rate, fused=True)
        self.amp, self.amp_dtype = _precision(self.device)
        self.scaler = torch.amp.GradScaler(self.device.type, enabled=self.amp and self.amp_dtype is torch.float16)
        self.curve, self.step = Curve(), 0

    def advance(self) -> None:
        """One step of the optimiser."""
        started = time.perf_counter()
        rate = learning_rate(self.step, self.config)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        value = self._descend(*self._batch())
        self.step += 1
        self.curve.loss.append(value)
        self.curve.learning_rate.append(rate)
        self.curve.seconds.append(self.seconds + time.perf_counter() - started)

    def _batch(self) -> tuple[Tensor, Tensor]:
        if isinstance(self.pairs, StreamedPairs):
            return self.pairs.next_batch()
        rows_B = batch_rows(len(self.pairs), self.config.batch_size, self.config.seed, self.step)
        return self.pairs.batch(torch.from_numpy(rows_B))

    def _descend(self, pixels_B3HW: Tensor, tokens_BL: Tensor) -> Tensor:
        with torch.autocast(self.device.type, self.amp_dtype, enabled=self.amp):
            image_BD, text_BD = self.model.encode_image(pixels_B3HW), self.model.encode_text(tokens_BL)
        value = self._objective()(_normalised(image_BD), _normalised(text_BD))
        self.optimizer.zero_grad(set_to_none=True)
        self.scaler.scale(value).backward()  # type: ignore[no-untyped-call]  # torch leaves it without types
        self.scaler.step(self.optimizer)
        self.scaler.update()
        if self.config.learn_temperature:
            with torch.no_grad():
                self.model.logit_scale.clamp_(0.0, math.log(MOST_INV_TAU))
        return value.detach()

    def _objective(self) -> Loss:
        """The arm's loss. Retrieval starts late: between untrained towers it returns the same average for every row."""
        config = self.config
        retrieves = self.arm.hopfield and self.step >= round(config.hopfield_after * config.steps)
        inv_tau = self.model.logit_scale.float().exp() if config.learn_temperature else self.arm.inv_tau
        return objective(self.arm.loss, retrieves, inv_tau, config.beta)

    @property
    def seconds(self) -> float:
        return self.curve.seconds[-1] if self.curve.seconds else 0.0

    def progress(self) -> Progress:
        """Raises LacunaError if the loss is not finite."""
        loss = float(self.curve.loss[-1]) if self.curve.loss else math.nan
        if self.step and not math.isfinite(loss):
            raise LacunaError(f"encoder {self.arm.encoder}: the loss is {loss} at step {self.step}; try a smaller train.learning_rate")
        rate = self.curve.learning_rate[-1] if self.step else 0.0
        return Progress(self.step, self.config.steps, loss, rate, self.seconds)

    def state(self) -> dict[str, Any]:
        """The state for `restore`, as tensors and plain values."""
        rng = {"cpu": torch.get_rng_state()}
        if self.device.type == "cuda":
            rng["cuda"] = torch.cuda.get_rng_state(self.device)
        parts = {"model": self.model, "optimizer": self.optimizer, "scaler": self.scaler}
        found = {**{name: part.state_dict() for name, part in parts.items()}, "rng": rng, "step": self.step, "curve": self.curve.columns()}
        return found | ({"stream": self.pairs.state()} if isinstance(self.pairs, StreamedPairs) else {})

    def restore(self, state: dict[str, Any]) -> None:
        for name in ("model", "optimizer", "scaler"):
            getattr(self, name).load_state_dict(state[name])
        torch.set_rng_state(state["rng"]["cpu"])
        if self.device.type == "cuda" and "cuda" in state["rng"]:
            torch.cuda.set_rng_state(state["rng"]["cuda"], self.device)
        if isinstance(self.pairs, StreamedPairs):
            self.pairs.restore(state["stream"])
        curve = state["curve"]
        self.step, self.curve = state["step"], Curve(list(torch.tensor(curve["loss"])), curve["learning_rate"], curve["seconds"])


def train(
    arm: Arm, pairs: TrainingPairs | StreamedPairs, folder: str, device: str = "auto", report: Callable[[Progress], None] = lambda _: None
) -> dict[str, Any]:
    """Train `arm` into the URL `folder`, from its last checkpoint if there is one, and return the content of `model.json`.

    A finished model is not changed. `report` is called every few steps. Raises UserError for a folder that holds a model of another
    configuration or a data set smaller than a batch, and LacunaError if the loss is not finite.
    """
    snapshots = Snapshots(folder, arm.config_hash, keep=arm.config.keep, content=arm.content())
    if (done := snapshots.finished()) is not None:
        return done
    trainer = Trainer(arm, pairs, device)
    if (state := snapshots.latest()) is not None:
        trainer.restore(state)
    while trainer.step < arm.config.steps:
        trainer.advance()
        if trainer.step % REPORT_EVERY == 0 or trainer.step == arm.config.steps:
            report(trainer.progress())
        if trainer.step % arm.config.checkpoint_every == 0 or trainer.step == arm.config.steps:
            trainer.progress()  # a state with a loss that is not finite is not saved
            snapshots.save(trainer.step, trainer.state())
    final = trainer.progress()
    weights = {name: value.cpu().contiguous() for name, value in trainer.model.state_dict().items()}
    reported = {**arm.content(), "pairs": len(pairs), "drops": pairs.drops, "final_loss": final.loss, "seconds": final.seconds}
    if arm.config.learn_temperature:
        reported["final_inv_tau"] = float(trainer.model.logit_scale.exp())
    return snapshots.finish(weights, trainer.curve.columns(), arm.settings, reported)


def learning_rate(step: int, config: TrainConfig) -> float:
    """Linear warm-up over `warmup_steps`, then half a cosine down to 0 at the end of the run."""
    if step < config.warmup_steps:
        return config.learning_rate * (step + 1) / config.warmup_steps
    done = (step - config.warmup_steps) / max(1, config.steps - config.warmup_steps)
    return config.learning_rate * (1 + math.cos(math.pi * done)) / 2


def batch_rows(pairs: int, batch_size: int, seed: int, step: int) -> np.ndarray[Any, np.dtype[np.int64]]:
    """(B,) rows of step `step`: epochs are permutations of all pairs; an incomplete last batch is left out."""
    epoch, batch = divmod(step, pairs // batch_size)
    order = np.random.default_rng((seed, epoch)).permutation(pairs)
    return order[batch * batch_size : (batch + 1) * batch_size]


def _model(arm: Arm, device: torch.device) -> Any:
    model: Any = build(model_config_of(arm.settings), name=arm.encoder)
    with torch.no_grad():
        model.logit_scale.fill_(math.log(arm.inv_tau))
    model.logit_scale.requires_grad_(arm.config.learn_temperature)
    return model.to(device).train()


def _groups(model: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """Weight decay applies to matrices only, not to norms, biases and embeddings."""
    named = [(name, p) for name, p in model.named_parameters() if p.requires_grad]
    decayed = [p for name, p in named if p.ndim >= 2 and not name.endswith(UNDECAYED)]
    rest = [p for name, p in named if p.ndim < 2 or name.endswith(UNDECAYED)]
    return [{"params": decayed, "weight_decay": weight_decay}, {"params": rest, "weight_decay": 0.0}]


def _precision(device: torch.device) -> tuple[bool, torch.dtype]:
    """Whether to autocast, and to what."""
    if device.type != "cuda":
        return False, torch.bfloat16
    return True, torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float16


def _normalised(features_BD: Tensor) -> Tensor:
    return nn.functional.normalize(features_BD.float(), dim=1)
