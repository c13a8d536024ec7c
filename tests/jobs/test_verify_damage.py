"""One thing at a time is damaged under a root that the jobs made: verify names the file, in one line, and goes on."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from repeated_rows import dedupe_job, plant_world

from jobs.analyze import run as analyze
from jobs.dedupe import run as dedupe
from jobs.nearest import run as nearest
from jobs.report import run as report
from jobs.verify import run
from tda.config.analysis import AnalysisConfig
from tda.config.cluster import ClusterConfig
from tda.config.datasets import DatasetConfig
from tda.config.jobs import AnalyzeJob, NearestJob, ReportJob, VerifyJob
from tda.config.models import EncoderConfig
from tda.config.stages import NearestConfig, ReportConfig
from tda.errors import UserError
from tda.store.documents import SEAL, sealed
from tda.store.files import file_sha256

E, D, N, A = "embeddings/d/e", "dedupe/d/e/r", "nearest/d/e/r", "analysis/d/e"


def analyze_job(root: Path, *parts: str) -> AnalyzeJob:
    names = {"dataset": DatasetConfig(name="d"), "encoder": EncoderConfig(name="e")}
    return AnalyzeJob(root=str(root), analysis=AnalysisConfig(parts=list(parts)), cluster=ClusterConfig(), **names)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, ray_cluster: None) -> Path:
    """Rows, a join with its layout and audit, a view with its hashes, an analysis and a report."""
    del ray_cluster
    root = tmp_path_factory.mktemp("made") / "root"
    plant_world(root)
    shutil.rmtree(root / "nearest", ignore_errors=True)
    names = {"dataset": DatasetConfig(name="d"), "reference": DatasetConfig(name="r"), "encoder": EncoderConfig(name="e")}
    settings = NearestConfig(probes=2, exact_below=0, group_bytes=4000, min_recall=0)
    assert nearest(NearestJob(root=str(root), nearest=settings, cluster=ClusterConfig(actors=1, cpus_per_actor=0.1), **names)).whole
    assert dedupe(dedupe_job(root)).whole
    assert analyze(analyze_job(root, "gap", "cosine", "retrieval")).whole
    assert report(ReportJob(root=str(root), report=ReportConfig(contact=4))).whole
    return root


@pytest.fixture
def root(made: Path, tmp_path: Path) -> Path:
    shutil.copytree(made, tmp_path / "root")
    return tmp_path / "root"


def verified(root: Path, capsys: pytest.CaptureFixture[str], **options: Any) -> tuple[list[str], str]:
    outcome = run(VerifyJob(root=str(root), **options))
    lines = capsys.readouterr().out.replace(f"{root}/", "").splitlines()
    assert outcome.whole is not bool(lines)
    return lines, outcome.line


def flip(path: Path, at: float = 0.4) -> None:
    data = bytearray(path.read_bytes())
    data[int(len(data) * at)] ^= 0x80
    path.write_bytes(data)


def edit(path: Path, change: Callable[[dict[str, Any]], Any], *, seal: bool = False) -> None:
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(sealed(content) if seal else content, indent=1))


def one(root: Path, pattern: str) -> Path:
    return min(root.glob(pattern))


FAULTS: dict[str, tuple[str, Callable[[Path], Any]]] = {
    "kept gone": (f"{D}/kept.parquet", Path.unlink),
    "kept flipped": (f"{D}/kept.parquet", flip),
    "kept garbled": (f"{D}/kept.parquet", lambda path: path.write_text("garbage")),
    "summary edited": (f"{D}/summary.json", lambda path: edit(path, lambda found: found.update(rows_kept=1, dropped={}))),
    "summary nested": (f"{D}/summary.json", lambda path: path.write_text('{"a":' * 50_000)),
    "summary null": (f"{D}/summary.json", lambda path: path.write_text("null")),
    "summary of wrong types": (
        f"{D}/summary.json",
        lambda path: edit(path, lambda found: found.update(kept_per_shard=[1], inputs=3), seal=True),
    ),
    "exact cut": (f"{D}/exact.parquet", lambda path: os.truncate(path, 60)),
    "hashes cut": ("dedupe/_hashes/*/caption.u64", lambda path: os.truncate(path, 8)),
    "hashes flipped": ("dedupe/_hashes/*/url.u64", flip),
    "layout flipped": ("nearest/_layouts/r/e/*/image/000000.parquet", flip),
    "layout gone": ("nearest/_layouts/r/e/*/image/000000.parquet", Path.unlink),
    "centroids flipped": ("nearest/_layouts/r/e/*/image/coarse.parquet", flip),
    "layout edited": ("nearest/_layouts/r/e/*/layout.json", lambda path: edit(path, lambda found: found.update(cells=1))),
    "audit edited": (f"{N}/audit.json", lambda path: edit(path, lambda found: found["median"].update(image=0.1))),
    "audit gone": (f"{N}/audit.json", Path.unlink),
    "join flipped": (f"{N}/00000.parquet", flip),
    "number edited": (f"{A}/metrics.json", lambda path: edit(path, lambda found: found["gap"].update(centroid_distance=0.9))),
    "metrics a list": (f"{A}/metrics.json", lambda path: path.write_text("[1]")),
    "metrics nested": (f"{A}/metrics.json", lambda path: path.write_text("[" * 100_000)),
    "metrics gone": (f"{A}/metrics.json", Path.unlink),
    "metrics of other rows": (f"{A}/metrics.json", lambda path: edit(path, lambda found: found.update(rows_sha256="0" * 64), seal=True)),
    "table gone": (f"{A}/ranks.parquet", Path.unlink),
    "table flipped": (f"{A}/ranks.parquet", flip),
    "table garbled": (f"{A}/cosine.parquet", lambda path: path.write_text("x")),
    "page edited": ("report/index.html", lambda path: path.write_text("<p>other numbers")),
    "figure gone": ("report/*.svg", Path.unlink),
    "numbers of a figure edited": ("report/*.csv", lambda path: path.write_text("a,b\n1,2\n")),
    "sheet edited": ("report/contact/*.html", lambda path: path.write_text("x")),
    "manifest nested": ("report/manifest.json", lambda path: path.write_text("[" * 100_000)),
    "manifest leads out": (
        "report/manifest.json",
        lambda path: edit(path, lambda found: found["files"].update({"../../../victim": {"sha256": "0", "bytes": 1}}), seal=True),
    ),
    "rows gone": (f"{E}/00000.parquet", Path.unlink),
    "record edited": (f"{E}/_records/00000.json", lambda path: edit(path, lambda found: found["source"].update(path="/etc/passwd"))),
    "record empty": (f"{E}/_records/00000.json", lambda path: path.write_text("")),
    "record nested": (f"{E}/_records/00000.json", lambda path: path.write_text("[" * 100_000)),
    "record null": (f"{E}/_records/00000.json", lambda path: edit(path, lambda found: found.update(output=None))),
    "record of text": (f"{E}/_records/00000.json", lambda path: edit(path, lambda found: found.update(drops={"a": "b"}))),
    "identity of others": (f"{E}/_identity.json", lambda path: path.write_text('{"config_hash": "0"}')),
    "identity nested": (f"{E}/_identity.json", lambda path: path.write_text('{"a":' * 50_000)),
}


def test_a_root_of_the_jobs_is_whole_and_true(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines, line = verified(root, capsys)
    assert lines == []
    assert line.endswith("dropped: whole and true"), "no document without a digest"
    assert verified(root, capsys, deep=False)[1].endswith("sizes and records alone: whole and true")


@pytest.mark.parametrize("fault", FAULTS)
def test_damage_is_named_once(root: Path, fault: str, capsys: pytest.CaptureFixture[str]) -> None:
    pattern, damage = FAULTS[fault]
    path = one(root, pattern)
    damage(path)
    lines, _ = verified(root, capsys)
    name = str(path.relative_to(root))
    about = [line for line in lines if name in line.split(": ")[0] or line.startswith(f"{path.parent.relative_to(root)}: ")]
    assert len(about) == 1, lines
    assert all(len(line) < 500 for line in lines)


def test_damage_in_one_place_hides_none_in_another(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    faults = [
        FAULTS[name] for name in ("record nested", "summary nested", "metrics nested", "table flipped", "layout flipped", "page edited")
    ]
    paths = [one(root, pattern) for pattern, _ in faults]
    for path, (_, damage) in zip(paths, faults, strict=True):
        damage(path)
    lines, line = verified(root, capsys)
    for path in (paths[0], paths[2], paths[3], paths[4], paths[5]):
        assert any(one.startswith(str(path.relative_to(root))) for one in lines), path
    assert line.endswith(f"{len(lines)} problems")


@pytest.mark.parametrize("fault", ["kept gone", "hashes cut", "table gone", "record nested", "summary edited", "layout gone"])
def test_sizes_and_records_alone_find_what_is_gone_or_cut(root: Path, fault: str, capsys: pytest.CaptureFixture[str]) -> None:
    pattern, damage = FAULTS[fault]
    damage(one(root, pattern))
    assert verified(root, capsys, deep=False)[0]


def test_documents_of_the_last_version_pass_with_a_count(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    count = 0
    for path in root.rglob("*.json"):
        content = json.loads(path.read_text())
        if SEAL in content:
            path.write_text(json.dumps({name: value for name, value in content.items() if name not in (SEAL, "files", "tables")}))
            count += 1
    lines, line = verified(root, capsys)
    assert lines == []
    assert f"{count} documents of an earlier version without a digest: whole and true" in line


def test_a_linked_data_set_is_followed(root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.move(root / "embeddings/d", tmp_path / "elsewhere")
    (root / "embeddings/d").symlink_to(tmp_path / "elsewhere")
    assert verified(root, capsys)[0] == []
    flip(root / f"{E}/00000.parquet")
    assert any(line.startswith(f"{E}/00000.parquet: ") for line in verified(root, capsys)[0])


def test_a_source_that_is_there_but_changed_is_named(root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tar = tmp_path / "00000.tar"
    tar.write_bytes(b"shard")
    stat = tar.stat()
    source = {"path": str(tar), "size": 5, "etag": str(stat.st_mtime), "sha256": file_sha256(tar)}
    record = root / f"{E}/_records/00000.json"
    edit(record, lambda found: found.update(source=source), seal=True)
    assert verified(root, capsys)[0] == []
    os.utime(tar, (1, 1))
    assert verified(root, capsys)[0] == [], "touched, but the same bytes"
    tar.write_bytes(b"other")
    (line,) = verified(root, capsys)[0]
    assert line.startswith(f"{tar}: has changed since it was embedded (shard 00000)")
    tar.unlink()
    assert verified(root, capsys)[0] == [], "what is not there cannot be compared"
    os.mkfifo(tar)
    assert verified(root, capsys)[0] == []


def test_a_folder_that_is_no_root_is_refused(tmp_path: Path) -> None:
    (tmp_path / "music").mkdir()
    with pytest.raises(UserError, match=r"is no root: it holds music, but none of embeddings, "):
        run(VerifyJob(root=str(tmp_path)))
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="is no root"):
        run(VerifyJob(root=str(tmp_path / "file")))


@pytest.mark.parametrize("fault", ["kept gone", "kept garbled", "summary edited", "summary nested", "hashes cut"])
def test_dedupe_makes_anew_what_is_not_whole(root: Path, fault: str, capsys: pytest.CaptureFixture[str]) -> None:
    pattern, damage = FAULTS[fault]
    damage(one(root, pattern))
    if fault == "hashes cut":
        (root / f"{D}/summary.json").unlink()
        (root / f"{D}/exact.parquet").unlink()
    assert dedupe(dedupe_job(root)).whole
    assert not [line for line in verified(root, capsys)[0] if line.startswith("dedupe/")]


@pytest.mark.parametrize("fault", ["number edited", "metrics a list", "metrics nested", "table gone", "table flipped", "table garbled"])
def test_analysis_measures_anew_what_is_not_whole(root: Path, fault: str, capsys: pytest.CaptureFixture[str]) -> None:
    before = json.loads((root / f"{A}/metrics.json").read_text())
    pattern, damage = FAULTS[fault]
    damage(one(root, pattern))
    assert analyze(analyze_job(root, "gap", "cosine", "retrieval")).whole
    assert json.loads((root / f"{A}/metrics.json").read_text()) == before
    assert verified(root, capsys)[0] == []


@pytest.mark.parametrize("fault", ["page edited", "figure gone", "sheet edited", "manifest nested", "manifest leads out"])
def test_the_report_draws_anew_what_was_replaced_and_removes_nothing_outside(
    root: Path, fault: str, capsys: pytest.CaptureFixture[str]
) -> None:
    pattern, damage = FAULTS[fault]
    victim = root.parent.parent / "victim"
    victim.touch()
    damage(one(root, pattern))
    assert report(ReportJob(root=str(root), report=ReportConfig(contact=4))).whole
    assert verified(root, capsys)[0] == []
    assert victim.exists()
