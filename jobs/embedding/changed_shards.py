"""Recorded shards compared with the files at their place now: an unchanged one stays done, a changed one is refused, redone or trusted."""

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field, replace

from tda.config.stages import EmbedConfig
from tda.errors import UserError
from tda.store.commit.records import ShardRecord, iter_records, recorded_shards, renew_record
from tda.store.paths import RootPaths
from tda.store.shards.changed import Standing, standing
from tda.store.shards.origins import content_sha256, current_sources
from tda.store.types import Source

READERS = 4  # shards hashed at once


@dataclass
class SourceCheck:
    """The check of one data set under one encoder. `shards`: name -> URL; `keep` is given each record whose rows still count."""

    paths: RootPaths
    shards: Mapping[str, str]
    limits: EmbedConfig
    keep: Callable[[ShardRecord], None]
    members: Mapping[str, list[str]] | None = None  # that the command names, as a record holds them
    outdated: list[str] = field(default_factory=list)  # shards that hold other bytes than were embedded
    _first: str = ""  # the fault of the first of them
    _waiting: list[tuple[ShardRecord, Source]] = field(default_factory=list)  # to be decided by digest
    _hashed: int = 0
    _without_digest: int = 0

    def run(self, dataset: str, encoder: str) -> list[str]:
        """Check every record of `shards`; returns notes for the user, a line each.

        Raises UserError for a shard of other bytes, or in another place, that `embed.changed` and `embed.moved` do not allow.
        """
        names = [name for name in recorded_shards(self.paths, dataset, encoder) if name in self.shards]
        now = current_sources(self.shards[name] for name in names)
        for record in iter_records(self.paths, dataset, encoder, names):
            self._judge(record, now.get(self.shards[record.shard]))
            if len(self._waiting) >= 16 * READERS:
                self._compare()
        self._compare()
        if self.outdated and self.limits.changed == "refuse":
            raise UserError(self._refusal())
        return self._notes()

    def _judge(self, record: ShardRecord, source: Source | None) -> None:
        what = standing(record.source, source, self.paths.root)
        if what is Standing.ELSEWHERE and not self.limits.moved and self.limits.changed == "refuse":
            raise UserError(_elsewhere(record, self.shards[record.shard]))
        if record.source.get("members") != self.members:
            then, now = (_members(named) for named in (record.source.get("members"), self.members))
            self._outdate(record, f"{self.shards[record.shard]} was embedded with {then}, and the command has {now}")
        elif source is None or what in (Standing.SAME, Standing.MOVED):
            self.keep(record)
        elif source.size != record.source.get("size"):
            self._outdate(
                record, f"{source.path} has changed since it was embedded: {record.source.get('size')} bytes then, {source.size} now"
            )
        elif record.source.get("sha256"):
            self._waiting.append((record, source))
        else:
            self._without_digest += 1
            self.keep(record)

    def _compare(self) -> None:
        """Decide what waits by digest. A record whose shard is the same takes its new place and time, so that it is read only once."""
        with ThreadPoolExecutor(READERS) as pool:
            digests = list(pool.map(lambda case: content_sha256(case[1].path), self._waiting))
        for (record, source), digest in zip(self._waiting, digests, strict=True):
            if digest != record.source["sha256"]:
                self._outdate(record, f"{source.path} has changed since it was embedded: as many bytes, but others")
                continue
            renewed = replace(source, sha256=digest, members=record.source.get("members"))
            with suppress(UserError):  # a root that can only be read
                renew_record(self.paths, record, replace(record, source=renewed.recorded()))
            self.keep(record)
        self._hashed += len(self._waiting)
        self._waiting = []

    def _outdate(self, record: ShardRecord, fault: str) -> None:
        self.outdated.append(record.shard)
        self._first = self._first or fault
        if self.limits.changed == "trust":
            self.keep(record)

    def _refusal(self) -> str:
        more = f" (and {len(self.outdated) - 1} more)" if len(self.outdated) > 1 else ""
        return f"shard {self._first}{more}; embed.changed=redo embeds it again, embed.changed=trust keeps the rows that are there"

    def _notes(self) -> list[str]:
        notes = []
        if self._without_digest:
            some = _shards(self._without_digest)
            notes.append(f"{some} of the same size but another time of change taken as unchanged: no digest on record")
        if self._hashed:
            notes.append(f"{_shards(self._hashed)} of another place or time of change compared by digest")
        if self.outdated and self.limits.changed == "trust":
            some = ", ".join(self.outdated[:3]) + (", ..." if len(self.outdated) > 3 else "")
            notes.append(f"{_shards(len(self.outdated))} changed since, rows kept (embed.changed=trust): {some}")
        return notes


def _members(named: Mapping[str, list[str]] | None) -> str:
    plain = ", ".join(f"{part}: [{', '.join(endings)}]" for part, endings in (named or {}).items())
    return f"dataset.members={{{plain}}}" if named else "no dataset.members"


def _elsewhere(record: ShardRecord, url: str) -> str:
    before = record.source.get("path")
    return (
        f"shard {record.shard} of dataset.name={record.dataset} was embedded from {before}, now it is {url}: give another data set another "
        "dataset.name; embed.moved=true if the same shards were moved; embed.changed=redo to embed these in their place"
    )


def _shards(n: int) -> str:
    return f"{n} shard{'s' * (n != 1)}"
