"""Three hundred shards, some at fault, some in a store that fails, while actors and nodes die at random: is every pair there, once?

Two drivers embed them into one root at once. First they are listed wrongly, which has to be named. While the drivers are at work, shards
that are recorded are replaced by others of the same name: their rows stay, the next command names them, and with embed.changed=redo it
holds the new pairs.

python tests/chaos/soak.py [--seed N] [--shards 300]        (`make soak` sets PYTHONPATH for it; at most 10 minutes)

The seed decides which shards are at fault, and after how many recorded shards what dies. The same seed is the same schedule; of what
befalls the store's requests it draws the sequence, but whom a fault meets is up to their order.
"""

import argparse
import os
import random
import secrets
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import cycle
from pathlib import Path
from typing import IO

import numpy as np
from bad_shards import BAD_PAIRS, bad_files, good_pairs, write_tar
from faulty_proxy import Proxy, Weather
from faulty_store import faulty_store
from machines import Machines, actors_on, several_machines

from jobs.embed import embed
from jobs.runtime.app import Outcome
from tda.config.cluster import ClusterConfig
from tda.config.datasets import DatasetConfig
from tda.config.models import EncoderConfig
from tda.config.stages import EmbedConfig
from tda.errors import UserError
from tda.store.commit.quarantine import read_quarantine
from tda.store.commit.records import recorded
from tda.store.datasets.embedding_set import EmbeddingSet
from tda.store.files import publish_bytes
from tda.store.paths import RootPaths

LIMIT = 600.0  # seconds
CALM = 330.0  # nothing is struck after so many seconds, that a slow machine finishes too
NODES, MOST_NODES, PAIRS, EVENTS = 2, 3, 12, 14
FAULTY = 0.05
REMOTE = 3  # every third shard is in the store
STORM = 0.15  # of its requests meet a fault
GOLDEN = Path(__file__).resolve().parents[3] / "shared" / "golden"
REPLACED = 4
FATES = ("actor killed", "actor stopped", "node killed", "node killed and replaced", "node added")


@dataclass
class Shards:
    """What was written: for every shard its pairs' keys with the reason of their drop or None, or the reason why it cannot be used."""

    folder: Path
    pairs: dict[str, dict[str, str | None]] = field(default_factory=dict)
    unusable: dict[str, str] = field(default_factory=dict)
    remote: dict[str, str] = field(default_factory=dict)
    later: dict[str, dict[str, str | None]] = field(default_factory=dict)  # the pairs of shards that were replaced

    @property
    def urls(self) -> list[str]:
        return [self.remote.get(name, str(self.folder / f"{name}.tar")) for name in self.pairs]

    @property
    def keys(self) -> Counter[tuple[str, str]]:
        return Counter((shard, key) for shard, pairs in self.pairs.items() if shard not in self.unusable for key in pairs)


def write_shards(folder: Path, count: int, draw: random.Random) -> Shards:
    """Faults of every kind in turn, in `FAULTY` of the shards: files that are no whole tar, and pairs that cannot be embedded."""
    made = Shards(folder)
    faults = cycle(["file", "pairs"])
    files = cycle(sorted(bad_files(folder, write_tar(folder / "whole", good_pairs(PAIRS))).items()))
    bad_pairs = cycle(key for key, (_, reason) in BAD_PAIRS.items() if reason)
    faulty = set(draw.sample(range(count), round(FAULTY * count)))
    for i in range(count):
        name = f"{i:05d}"
        members, pairs = list(good_pairs(PAIRS, first=i * PAIRS)), {f"{k:06d}": None for k in range(i * PAIRS, (i + 1) * PAIRS)}
        fault = next(faults) if i in faulty else ""
        if fault == "pairs":
            for key in (next(bad_pairs) for _ in range(3)):
                found, reason = BAD_PAIRS[key]
                members += [(f"{key}.{extension}", data) for extension, data in found.items()]
                pairs |= {key: reason}
        made.pairs[name] = dict(pairs)
        shard = write_tar(folder / f"{name}.tar", members)
        if fault == "file":
            file, made.unusable[name] = next(files)
            shard.unlink()
            if (folder / file).exists():
                shard.write_bytes((folder / file).read_bytes())
    for file in {"whole", *(name for name, _ in (next(files) for _ in range(6)))}:
        (folder / file).unlink(missing_ok=True)
    return made


@contextmanager
def stored(shards: Shards, draw: random.Random) -> Iterator[Proxy]:
    """Move some of the shards into a store, and let it storm there."""
    with faulty_store() as proxy:
        for name in [*shards.pairs][::REMOTE]:
            shards.remote[name] = f"{proxy.root}/{name}.tar"
            file = shards.folder / f"{name}.tar"
            if file.exists():
                publish_bytes(shards.remote[name], file.read_bytes())
                file.unlink()
        os.environ["LACUNA_STORE_ATTEMPTS"] = "8"  # in such weather some call fails four times in a row
        proxy.weather = Weather(STORM, draw)
        yield proxy


def schedule(count: int, draw: random.Random) -> Iterator[tuple[int, str]]:
    """(recorded shards, what happens then), every fate at least once."""
    fates = [*FATES, *draw.choices(FATES, weights=(5, 1, 1, 2, 1), k=EVENTS - len(FATES))]
    draw.shuffle(fates)
    return zip(sorted(draw.sample(range(count // 20, count * 9 // 10), EVENTS)), fates, strict=True)


def strike(machines: Machines, fate: str, draw: random.Random) -> str:
    """Do it; returns what was done. The last node is not killed without a replacement."""
    node = draw.choice(sorted(machines.nodes, key=lambda node: str(node.node_id)))
    if fate.startswith("actor"):
        actors = [process for node in machines.nodes for process in actors_on(node)]
        if not actors:
            return "no actor lives"
        os.kill(process := draw.choice(actors), signal.SIGKILL if fate == "actor killed" else signal.SIGSTOP)
        return f"process {process}"
    if fate.startswith("node killed"):
        if len(machines.nodes) == 1 or fate.endswith("replaced"):
            machines.add()
        machines.kill(node)
    elif len(machines.nodes) < MOST_NODES:
        machines.add()
    return f"{len(machines.nodes)} nodes"


def run(root: Path, shards: Shards, encoder: EncoderConfig, address: str, changed: str = "refuse") -> Outcome:
    limits = EmbedConfig(batch_size=4, max_attempts=10, changed=changed)
    cluster = ClusterConfig(address=address, heartbeat_seconds=10, actors=2, cpus_per_actor=0.5)
    return embed(str(root), DatasetConfig(name="soak", shards=shards.urls), [encoder], limits, cluster)


def listed(shards: Shards, more: tuple[str, ...] = ()) -> Path:
    """A list as Windows writes it."""
    path = shards.folder.parent / f"list{len(more)}.txt"
    path.write_bytes(b"\xef\xbb\xbf" + "\r\n".join([*shards.urls, *more, ""]).encode())
    return path


def command(root: Path, shards: Path, encoder: EncoderConfig, address: str) -> list[str]:
    """The same run as another driver."""
    model = [f"encoder.name={encoder.name}", f"encoder.config={encoder.config}", f"encoder.checkpoint={encoder.checkpoint}"]
    limits = ["embed.batch_size=4", "embed.max_attempts=10"]
    cluster = [f"cluster.address={address}", "cluster.insecure=true", "cluster.heartbeat_seconds=10", "cluster.actors=2"]
    cluster += ["cluster.cpus_per_actor=0.5"]
    data = ["dataset=files", "dataset.name=soak", f"dataset.shards=@{shards}", f"root={root}"]
    return [sys.executable, "-m", "jobs.embed", "encoder=open_clip", *model, *data, *limits, *cluster]


def misnamed(root: Path, shards: Shards, encoder: EncoderConfig, address: str) -> list[str]:
    """A list with a pattern that matches nothing is refused before any work, and names it."""
    nothing = f"{shards.folder}/nothing-*.tar"
    done = subprocess.run(command(root, listed(shards, (nothing,)), encoder, address), capture_output=True, text=True, check=False)
    print(f"  a wrong list: exit {done.returncode}: {done.stderr.strip()[-160:]}")
    return [] if done.returncode == 2 and nothing in done.stderr and not root.exists() else [f"a wrong list: {done}"]


def replace_recorded(root: Path, shards: Shards, draw: random.Random) -> str:
    """Other pairs under the names of shards that are done."""
    done = {file.stem for file in root.glob("embeddings/*/*/_records/*.json")}
    usable = sorted(done & shards.pairs.keys() - shards.unusable.keys() - shards.remote.keys())
    for number, name in enumerate(draw.sample(usable, min(REPLACED, len(usable)))):
        first = 500_000 + number * PAIRS
        written = write_tar(shards.folder / f".{name}.new", good_pairs(PAIRS, first=first))
        written.replace(shards.folder / f"{name}.tar")
        shards.later[name] = {f"{key:06d}": None for key in range(first, first + PAIRS)}
    return f"{len(shards.later)} recorded shards replaced"


def redone(root: Path, shards: Shards, encoder: EncoderConfig, address: str) -> list[str]:
    """The next command names what was replaced; with embed.changed=redo the root holds the new pairs."""
    wrong: list[str] = []
    try:
        wrong += [f"replaced shards passed: {run(root, shards, encoder, address).line}"] * bool(shards.later)
    except UserError as error:
        print(f"  again: {error}")
        wrong += [] if any(f"/{name}.tar" in str(error) for name in shards.later) else [f"it names none that was replaced: {error}"]
    again = run(root, shards, encoder, address, changed="redo")
    print(f"  again, embed.changed=redo: {again.line}")
    shards.pairs |= shards.later
    return wrong + check(root, shards, again)


def check(root: Path, shards: Shards, outcome: Outcome) -> list[str]:
    """What is wrong: pairs lost or doubled, a ledger that does not close, drops without their reason, rows that are no unit vectors."""
    paths, wrong = RootPaths(str(root)), []
    records = recorded(paths, "soak", "tiny")
    if records.keys() != shards.pairs.keys() - shards.unusable.keys():
        wrong.append(
            f"shards recorded and not expected, or the reverse: {sorted(records.keys() ^ (shards.pairs.keys() - shards.unusable.keys()))}"
        )
    wrong += [f"{shard}: the ledger does not close" for shard, r in records.items() if r.rows_in != r.rows_out + sum(r.drops.values())]
    made = EmbeddingSet(str(root), "soak", "tiny")
    rows = Counter(map(tuple, zip(*made.table(["shard", "key"]).to_pydict().values(), strict=True)))
    drops = read_quarantine(paths, "soak", "tiny").to_pylist()
    found = rows + Counter((drop["shard"], drop["key"]) for drop in drops)
    wrong += [f"lost: {shard} {key}" for shard, key in shards.keys - found]
    wrong += [f"doubled: {shard} {key}" for shard, key in found - shards.keys]
    wrong += [f"{d['shard']} {d['key']}: {d['reason']}" for d in drops if d["reason"] != shards.pairs[d["shard"]].get(d["key"])]
    for vector_ND in (made.image(), made.text()):
        off = np.abs(np.linalg.norm(vector_ND.astype(np.float64), axis=1) - 1).max()
        wrong += [f"a vector is off the sphere by {off}"] * (not off < 2e-3)
    if outcome.whole == bool(shards.unusable):
        wrong.append(f"whole={outcome.whole} with {len(shards.unusable)} unusable shards")
    return wrong


def verified(root: Path) -> list[str]:
    done = subprocess.run([sys.executable, "-m", "jobs.verify", f"root={root}"], capture_output=True, text=True, check=False)
    print(f"  jobs.verify: {done.stdout.strip()}")
    return [f"jobs.verify exits {done.returncode}: {done.stderr.strip()}"] if done.returncode else []


def soak(seed: int, count: int, folder: Path) -> list[str]:
    draw, begin, root = random.Random(seed), time.monotonic(), folder / "root"
    (folder / "shards").mkdir()
    shards = write_shards(folder / "shards", count, draw)
    files = {"config": ".json", "checkpoint": ".safetensors"}
    encoder = EncoderConfig(name="tiny", **{field: str(GOLDEN / f"openclip_vit_tiny{end}") for field, end in files.items()})
    print(
        f"{count} shards, {sum(shards.keys.values())} pairs in those that can be used; at fault: {dict(Counter(shards.unusable.values()))}"
    )
    with ThreadPoolExecutor(1) as pool, stored(shards, random.Random(seed)) as store, several_machines() as machines:
        machines.have(*[(1, 0)] * NODES)
        wrong = misnamed(root, shards, encoder, machines.address)
        log = (folder / "second.log").open("w+")
        other = subprocess.Popen(command(root, listed(shards), encoder, machines.address), stdout=log, stderr=subprocess.STDOUT)
        under_fire: Future[Outcome] = pool.submit(run, root, shards, encoder, machines.address)
        struck = 0
        for after, fate in schedule(count, draw):
            while len(list(root.glob("embeddings/*/*/_records/*.json"))) < after and not under_fire.done():
                time.sleep(0.05)
                _mind(begin)
            if under_fire.done() or time.monotonic() - begin > CALM:
                break
            struck += 1
            if struck == 2:
                print(f"  {time.monotonic() - begin:5.0f} s: {replace_recorded(root, shards, draw)}", flush=True)
            print(f"  {time.monotonic() - begin:5.0f} s, {after:3d} shards recorded: {fate} ({strike(machines, fate, draw)})", flush=True)
        while not wait([under_fire], timeout=1.0).done:
            _mind(begin)
        first = under_fire.result()
        print(f"  {time.monotonic() - begin:5.0f} s, struck {struck} times of {EVENTS}: {first.line}")
        print(f"  of {store.seen.total()} requests to the store {store.weather.struck.total()} at fault: {dict(store.weather.struck)}")
        wrong += ended(other, log, first, begin) + check(root, shards, first)
        return wrong + redone(root, shards, encoder, machines.address) + verified(root)


def ended(other: subprocess.Popen[bytes], log: IO[str], first: Outcome, begin: float) -> list[str]:
    """The second driver ends as the first: it counts the same pairs."""
    status = other.wait(timeout=max(1.0, LIMIT - (time.monotonic() - begin)))
    log.seek(0)
    line = (log.read().strip().splitlines() or [""])[-1]
    print(f"  the second driver: exit {status}: {line}")
    same = line.partition(" (")[0] == first.line.partition(" (")[0]
    return [] if same and status == int(not first.whole) else [f"the second driver: exit {status}: {line}; the first: {first.line}"]


def _mind(begin: float) -> None:
    if time.monotonic() - begin > LIMIT:
        raise TimeoutError(f"not done in {LIMIT:g} s")


def _tell(wrong: list[str], seed: int) -> int:
    print(f"soak, seed {seed}: " + ("nothing lost, nothing doubled, the ledger closed" if not wrong else f"{len(wrong)} faults"))
    for fault in wrong[:20]:
        print(f"  {fault}")
    sys.stdout.flush()
    return int(bool(wrong))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=secrets.randbelow(1_000_000))
    parser.add_argument("--shards", type=int, default=300)
    given = parser.parse_args()
    print(f"soak: --seed {given.seed} --shards {given.shards}", flush=True)
    os.environ["RAY_ENABLE_AUTO_CONNECT"] = "0"  # a driver that is cut off at the limit starts no Ray of its own
    with tempfile.TemporaryDirectory() as folder:
        return _tell(soak(given.seed, given.shards, Path(folder)), given.seed)


if __name__ == "__main__":
    sys.exit(main())
