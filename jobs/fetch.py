"""Published weights and data sets to this machine or a store: by their publisher's address, resumed, held to the digest that is published.

python -m jobs.fetch encoders=[clip_vitb16_laion400m,cloob_vitb16_laion400m]
python -m jobs.fetch datasets=[coco] to=/data/coco

Without `to` they go where presets look for them. Nothing else of Lacuna fetches anything by itself.
"""

import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from jobs.runtime.app import Outcome, command
from jobs.runtime.presets import load_choice
from tda.config.jobs import FetchJob
from tda.encoders.weights.fetched import fetched_dir, file_name
from tda.errors import LacunaError, UserError
from tda.store.files import absolute, exists, filesystem, is_local, join, publish_json
from tda.store.remote.download import NoNetworkError, download


@dataclass(frozen=True)
class Wanted:
    """A published file, and the preset that wants it."""

    preset: str
    url: str
    sha256: str | None


def run(job: FetchJob) -> Outcome:
    """Fetch every file that is not there yet; one that fails does not stop the others.

    Raises UserError for an unknown preset, and one of which no address is known.
    """
    wanted = [_weights(name) for name in job.encoders] + [file for name in job.datasets for file in _files(name)]
    if not wanted:
        raise UserError("nothing to fetch: give encoders=[NAME,...] or datasets=[NAME,...]")
    to, faults = absolute(job.to or fetched_dir()), list[str]()
    for one in wanted:
        try:
            print(f"lacuna fetch: {_fetch(one, to)}", file=sys.stderr, flush=True)
        except LacunaError as error:
            faults.append(f"{one.preset}: {error}")
    line = f"fetch: {len(wanted) - len(faults)} of {len(wanted)} files in {to}"
    if not faults and job.to and job.encoders and to != absolute(fetched_dir()):
        line += f"; LACUNA_FETCHED={to} lets presets find them"
    places = [join(to, file_name(one.url)) for one in wanted]
    return Outcome(whole=not faults, line="; ".join([line, *faults]), places=[place for place in places if exists(place)])


def _weights(name: str) -> Wanted:
    encoder = load_choice("encoder", name, "")
    if not encoder.url:
        raise UserError(f"encoders={name}: no address is known; it is published as {encoder.source or 'nothing that the preset names'}")
    return Wanted(name, encoder.url, encoder.sha256)


def _files(name: str) -> list[Wanted]:
    dataset = load_choice("dataset", name, "")
    if not dataset.published:
        raise UserError(f"datasets={name}: it is published as no file; {dataset.source or 'its preset names no address'}")
    return [Wanted(name, url, sha256) for url, sha256 in dataset.published.items()]


def _fetch(one: Wanted, to: str) -> str:
    """Fetch a file, and return what was done in a line."""
    url = join(to, file_name(one.url))
    fs, path = filesystem(url)
    try:
        if is_local(fs):
            there = Path(path).exists()
            found = download(one.url, Path(path), one.sha256)
        else:
            there, found = exists(url), ""
            if not there:
                found = _to_store(one, url)
    except NoNetworkError as error:
        digest = f"sha256 {one.sha256}" if one.sha256 else "no digest is published"
        raise LacunaError(f"this machine does not reach {one.url} ({error}): fetch it elsewhere ({digest}) and put it as {url}") from None
    state = "was there" if there else "fetched"
    unpinned = (
        "" if one.sha256 else f"; its publisher gives no digest, it has sha256 {found}" if found else "; its publisher gives no digest"
    )
    return f"{one.preset}: {url} {state}{unpinned}"


def _to_store(one: Wanted, url: str) -> str:
    """By way of this machine: a file gets its name on the store only when it is whole and checked."""
    fs, path = filesystem(url)
    kept = Path(tempfile.gettempdir()) / "lacuna-fetch" / file_name(one.url)
    found = download(one.url, kept, one.sha256)
    fs.put_file(str(kept), path)
    publish_json(f"{url}.sha256.json", {"url": one.url, "sha256": found})
    kept.unlink(missing_ok=True)
    return found


main = command("fetch", FetchJob, run, recorded=False)

if __name__ == "__main__":
    sys.exit(main())
