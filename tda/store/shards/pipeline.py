"""The guarded reader as a stage of a `webdataset.DataPipeline`, in the place of its `tarfile_to_samples`.

    DataPipeline(SimpleShardList(urls), split_by_node, split_by_worker, guarded_samples(), shuffle(1000), decode("pil"))

Samples are those of webdataset: `__key__`, `__url__`, and the bytes of each member under its lower-case ending. What its own reader loses
without a word (a tar cut at a header, half-pairs, keys with dots that merge) ends here in a ShardError or in a drop with its reason.
"""

import logging
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeAlias

from tda.errors import ShardError, UserError
from tda.store.shards.members import Members
from tda.store.shards.webdataset import IMAGE_EXTENSIONS, read_pairs
from tda.store.types import Drop

Sample: TypeAlias = dict[str, Any]
Stage: TypeAlias = Callable[[Iterable[Any]], Iterator[Sample]]
LOG = logging.getLogger("lacuna.shards")
USUAL = Members(IMAGE_EXTENSIONS, (("txt", ""), ("json", "caption")))


def guarded_samples(
    *,
    max_member_bytes: int = 67_108_864,
    max_caption_bytes: int = 65_536,
    members: dict[str, Any] | None = None,
    on_drop: Callable[[str, Drop], None] | None = None,
    handler: Callable[[Exception], bool] | None = None,
) -> Stage:
    """A stage that takes shards (URLs, or webdataset's {"url": ...}) and yields whole pairs of image and caption.

    `members`: as `dataset.members`. `on_drop` is called with the shard and each pair that is left out; without it a shard's drops are
    logged in a line. `handler`: as in webdataset, called with the ShardError of a shard that cannot be read; true goes on with the next
    shard. Without it the error is raised. Samples of a shard that came before its error have been yielded.
    """
    group = _sample_group(Members.of(members) or USUAL)

    def stage(source: Iterable[Any]) -> Iterator[Sample]:
        for shard in source:
            url = str(shard["url"] if isinstance(shard, dict) else shard)
            try:
                for found in _guarded(url, group, max_member_bytes, max_caption_bytes, on_drop):
                    yield {"__key__": found["__key__"], "__url__": url, **found}
            except ShardError as error:
                if handler is None or not handler(error):
                    raise

    return stage


def _guarded(url: str, group: Any, member_bytes: int, caption_bytes: int, on_drop: Callable[[str, Drop], None] | None) -> Iterator[Sample]:
    if url.startswith("pipe:"):
        raise UserError(f"{url[:80]!r} runs a command, which is refused: give a path or URL")
    drops = Counter[str]()
    for one in read_pairs(url, max_member_bytes=member_bytes, max_caption_bytes=caption_bytes, group=group):
        if not isinstance(one, Drop):
            yield one  # type: ignore[misc]  # the group makes samples
        elif on_drop is not None:
            on_drop(url, one)
        else:
            drops[one.reason.value] += 1
    if drops:
        LOG.warning("%s: %d pairs dropped (%s)", url, drops.total(), ", ".join(f"{reason} {n}" for reason, n in drops.most_common()))


def _sample_group(members: Members) -> Any:
    """A group whose pairs are samples: every member under its ending."""
    base: Any = members.group()

    def pair(self: Any) -> Any:
        found = base.pair(self)
        if isinstance(found, Drop):
            return found
        return {"__key__": self.key, **{role.partition(":")[2].lower(): data for role, data in self.parts.items()}}

    return type("SampleGroup", (base,), {"pair": pair})
