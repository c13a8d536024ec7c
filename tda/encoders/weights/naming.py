"""How trainers wrap a model's weights: the state dict inside a checkpoint, its names without wrappers, and what a model lacks or has more.

A wrapper changes names and shapes but no vector: everything else has to fit as it is.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from torch import Tensor, nn

from tda.errors import UserError

HOLDERS = ("state_dict", "model_state_dict", "model", "module")  # keys of a checkpoint under which trainers put the weights
PREFIXES = ("module.", "model.")  # of every name: data parallelism, a trainer's own class
COMPILED = ("_orig_mod", "_fsdp_wrapped_module")  # parts of names that torch.compile and FSDP put in, anywhere
UNUSED = ("logit_bias", "position_ids")  # they change no vector: a loss's bias, and a buffer that counts
SCALES = ("logit_scale", "logit_bias")
TOWER = ("positional_embedding", "text_projection", "token_embedding.", "transformer.", "ln_final.", "cls_emb")  # CLIP's own text tower
DEPTH = 8


def held_state(loaded: Any) -> Mapping[str, Tensor] | None:
    """The mapping of names to tensors in a checkpoint, however deep trainers have put it; None where there is none."""
    for _ in range(DEPTH):
        if not isinstance(loaded, Mapping):
            return None
        if loaded and all(isinstance(name, str) and isinstance(value, Tensor) for name, value in loaded.items()):
            return loaded
        loaded = next((loaded[key] for key in HOLDERS if isinstance(loaded.get(key), Mapping)), None)
    return None


def plain_names(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The state dict without the names of wrappers. Raises UserError where two names become one."""
    names = {name: ".".join(part for part in name.split(".") if part not in COMPILED) for name in state}
    while prefix := next((one for one in PREFIXES if all(name.startswith(one) and name != one for name in names.values())), None):
        names = {name: short.removeprefix(prefix) for name, short in names.items()}
    if len(set(names.values())) < len(names):
        twice = next(short for short in names.values() if list(names.values()).count(short) > 1)
        both = [name for name, short in names.items() if short == twice]
        raise UserError(f"the checkpoint has the weight {twice} twice, as {both[0]} and as {both[1]}")
    return {names[name]: value for name, value in state.items()}


def adapted(model: nn.Module, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The state dict with scales of the model's shape, without what no vector needs, and with the model's own in its place."""
    wanted = model.state_dict()
    kept = {name: _scale(name, value, wanted) for name, value in state.items() if name in wanted or not _ends(name, UNUSED)}
    return kept | {name: value for name, value in wanted.items() if name not in kept and _ends(name, UNUSED)}


def named_for(state: Mapping[str, Tensor], wanted: Iterable[str]) -> dict[str, Tensor]:
    """CLIP's names for a model that keeps its text tower under `text.` (custom_text), and the other way round."""
    names = set(wanted)
    inside, given_inside = "text.token_embedding.weight" in names, "text.token_embedding.weight" in state
    if inside and not given_inside and "token_embedding.weight" in state:
        return {f"text.{name}" if name.startswith(TOWER) else name: value for name, value in state.items()}
    if given_inside and not inside and "token_embedding.weight" in names:
        return {name.removeprefix("text."): value for name, value in state.items()}
    return dict(state)


def _scale(name: str, value: Tensor, wanted: Mapping[str, Tensor]) -> Tensor:
    """A number may be of shape () or (1,)."""
    own = wanted.get(name)
    if own is not None and _ends(name, SCALES) and value.numel() == own.numel() == 1:
        return value.reshape(own.shape)
    return value


def _ends(name: str, endings: tuple[str, ...]) -> bool:
    return name.rpartition(".")[2] in endings
