"""The layering of the house: the contracts in pyproject.toml hold, and refuse what breaks them."""

import shutil
import subprocess
import sys
from pathlib import Path

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


PLANTED = {  # contract -> (file, the import that breaks it)
    "The library knows neither Ray nor Hydra nor jobs": ("tda/geometry/gap.py", "import ray"),
    "Arrows point one way": ("tda/store/files.py", "import jobs.runtime.app"),
    "Geometry knows arrays, never files": ("tda/geometry/gap.py", "import tda.store.files"),
    "The report knows no encoders": ("tda/report/data/load.py", "import tda.encoders.tokens"),
    "The inside of the search belongs to the search": ("tda/geometry/mixing.py", "import tda.geometry.neighbors.kernels"),
    "The floors of geometry": ("tda/geometry/arrays/rows.py", "import tda.geometry.sphere.umap"),
    "No circles, at any depth": ("tda/store/types.py", "import tda.store.commit.rows"),
    "The floors of the jobs": ("jobs/runtime/tasks.py", "import jobs.join.driver"),
}


def test_what_breaks_a_contract_is_refused_by_name(house: Path) -> None:
    for file, line in PLANTED.values():
        target = house / file
        target.write_text(f"{target.read_text()}\n{line}\n")
    done = checked(house)
    assert done.returncode == 1
    broken = [line for line in done.stdout.splitlines() if line.endswith("BROKEN")]
    assert [name for name in PLANTED if not any(line.startswith(name) for line in broken)] == []
