"""The layering of the house: the contracts in pyproject.toml hold, and refuse what breaks them."""

import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

REPOSITORY = Path(__file__).resolve().parents[1]


@pytest.fixture
def house(tmp_path: Path) -> Path:
    """A copy of the source that a test may spoil."""
    for folder in ("jobs", "tda"):
        shutil.copytree(REPOSITORY / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(REPOSITORY / "pyproject.toml", tmp_path)
    return tmp_path


def checked(house: Path) -> subprocess.CompletedProcess[str]:
    command = [str(Path(sys.executable).with_name("lint-imports")), "--no-cache"]
    return subprocess.run(command, cwd=house, env={"PYTHONPATH": str(house)}, capture_output=True, text=True, check=False)


def test_the_contracts_hold(house: Path) -> None:
    done = checked(house)
    assert done.returncode == 0, done.stdout
    assert "0 broken" in done.stdout


PLANTED = {  # contract -> (file, the import that breaks it), one or more
    "The library knows neither Ray nor Hydra nor OmegaConf nor jobs": [
        ("tda/geometry/gap.py", "import ray"),
        ("tda/config/models.py", "import omegaconf"),
        ("tda/config/stages.py", "import hydra"),
    ],
    "Arrows point one way": [("tda/store/files.py", "import jobs.runtime.app")],
    "Geometry knows arrays, never files": [
        ("tda/geometry/gap.py", "import tda.store.files"),
        ("tda/geometry/gram.py", "import s3fs"),
        ("tda/geometry/cosine.py", "import gcsfs"),
    ],
    "The report knows no encoders": [("tda/report/data/load.py", "import tda.encoders.tokens")],
    "The inside of the search belongs to the search": [("tda/geometry/mixing.py", "import tda.geometry.neighbors.kernels")],
    "The floors of geometry": [("tda/geometry/arrays/rows.py", "import tda.geometry.sphere.umap")],
    "The floors of the store": [("tda/store/shards/expand.py", "import tda.store.datasets.views")],
    "The floors of the encoders": [("tda/encoders/weights/bounds.py", "import tda.encoders.formats.allowed")],
    "The floors of the report": [("tda/report/data/words.py", "import tda.report.drawing.style")],
    "No circles, at any depth": [("tda/store/types.py", "import tda.store.commit.rows")],
    "The floors of the jobs": [("jobs/runtime/tasks.py", "import jobs.join.driver")],
    "Topics of the report stand apart": [("tda/report/topics/gap/tables.py", "import tda.report.topics.layout.tables")],
    "The inside of the sphere's layout": [("jobs/analysis/settled.py", "import tda.geometry.sphere.epochs_cpu")],
    "The inside of spectra": [("jobs/analysis/alignment.py", "import tda.geometry.spectrum.tsqr")],
    "Records of shards": [
        ("tda/report/contact/sheet.py", "import tda.store.commit.records"),
        ("tda/encoders/pipeline/shard.py", "import tda.store.commit.records"),
    ],
    "Shards are published by the jobs": [("jobs/analysis/local.py", "import tda.store.commit.transaction")],
    "The actors of the join": [("jobs/embed.py", "import jobs.join.query_actor")],
}


def broken_by(done: subprocess.CompletedProcess[str]) -> str:
    """The report on broken contracts, where each is named with the imports that break it."""
    return " ".join(done.stdout.partition("Broken contracts")[2].split())


def test_what_breaks_a_contract_is_refused_by_name(house: Path) -> None:
    for file, line in (plant for plants in PLANTED.values() for plant in plants):
        target = house / file
        target.write_text(f"{target.read_text()}\n{line}\n")
    done = checked(house)
    assert done.returncode == 1
    found = broken_by(done)
    sections = {name: found.partition(name)[2] for name in PLANTED}
    assert [name for name, section in sections.items() if not section] == []
    for name, plants in PLANTED.items():
        for file, line in plants:
            where, what = file.removesuffix(".py").replace("/", "."), line.removeprefix("import ")
            assert f"{where} -> {what}" in sections[name], (name, file, line)


def test_every_contract_has_its_plant() -> None:
    contracts = [contract["name"] for contract in settings()["contracts"]]
    assert [name for name in contracts if not any(name.startswith(planted) for planted in PLANTED)] == []
    assert [planted for planted in PLANTED if not any(name.startswith(planted) for name in contracts)] == []


def test_every_topic_is_held_apart() -> None:
    (listed,) = [contract["modules"] for contract in settings()["contracts"] if contract["type"] == "independence"]
    topics = [f"tda.report.topics.{path.parent.name}" for path in (REPOSITORY / "tda/report/topics").glob("*/topic.py")]
    assert sorted(listed) == sorted(topics), "list a new topic in pyproject.toml, under 'Topics of the report stand apart'"


def settings() -> dict[str, Any]:
    found: dict[str, Any] = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["tool"]["importlinter"]
    return found
