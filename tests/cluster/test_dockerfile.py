"""The Dockerfile without Docker: its stages, and its install lines run in a bare environment by a user without rights."""

import os
import re
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
FILE = REPOSITORY / "cluster" / "Dockerfile"
NOBODY = 65534
PREFIX = "/opt/lacuna"


def stages() -> dict[str, list[tuple[str, str]]]:
    """Stage -> its instructions, those of the stage that it is built on first."""
    found: dict[str, list[tuple[str, str]]] = {}
    name = ""
    for line in FILE.read_text().replace("\\\n", " ").splitlines():
        word, _, rest = line.partition(" ")
        if word == "FROM":
            parent, _, name = rest.partition(" AS ")
            found[name] = list(found.get(parent, [("FROM", parent)]))
        elif word and not word.startswith("#"):
            found[name].append((word, " ".join(rest.split())))
    return found


STAGES = stages()
IMAGES = ("cpu", "gpu")


def copies(image: str) -> Iterator[tuple[list[str], str]]:
    """(sources, destination) of every COPY."""
    for word, rest in STAGES[image]:
        if word == "COPY":
            *sources, destination = [one for one in rest.split() if not one.startswith("--")]
            yield sources, destination


@pytest.mark.parametrize("image", IMAGES)
def test_nothing_is_installed_by_root(image: str) -> None:
    user = "root"
    for word, rest in STAGES[image]:
        user = rest if word == "USER" else user
        assert "pip" not in rest or user == "lacuna", rest
    assert user == "lacuna"


@pytest.mark.parametrize("image", IMAGES)
def test_python_is_one_that_the_project_takes(image: str) -> None:
    ((_, base), *_) = STAGES[image]
    version = re.match(r"python:(3\.\d+)-slim", base)
    assert version
    assert version[1] in ("3.11", "3.12", "3.13")


@pytest.mark.parametrize("image", IMAGES)
def test_everything_copied_is_there_and_the_whole_package_is_copied(image: str) -> None:
    named = [source for sources, _ in copies(image) for source in sources]
    assert [source for source in named if not (REPOSITORY / source).exists()] == []
    assert {"jobs", "tda", "conf", "pyproject.toml"} <= set(named)


@pytest.mark.parametrize(("image", "file"), [("cpu", "requirements-cluster.txt"), ("gpu", "requirements-gpu.txt")])
def test_versions_and_hashes_come_from_the_requirement_file(image: str, file: str) -> None:
    installs = [rest for word, rest in STAGES[image] if word == "RUN" and "pip install" in rest]
    assert [rest.split("pip install ")[1] for rest in installs] == [
        f"--no-cache-dir --require-hashes --requirement cluster/{file}",
        "--no-cache-dir --no-deps .",
    ]


@pytest.fixture
def home() -> Iterator[Path]:
    """A folder that a user without rights may write into; pytest's own are closed to others."""
    folder = Path(tempfile.mkdtemp(prefix="image"))
    if os.geteuid() == 0:
        os.chown(folder, NOBODY, NOBODY)
    yield folder
    shutil.rmtree(folder)


def python_for_all(home: Path) -> Path:
    """The folder of a `python` that any user may run: a copy, where this one lies in a folder that is closed to others."""
    found = Path(os.path.realpath(sys.executable))
    if all(folder.stat().st_mode & stat.S_IXOTH for folder in found.parents):
        return found.parent
    library = f"lib/python{sys.version_info.major}.{sys.version_info.minor}"
    shutil.copytree(Path(sys.base_prefix) / library, home / "python" / library, ignore=shutil.ignore_patterns("site-packages", "test"))
    for shared in (Path(sys.base_prefix) / "lib").glob("libpython*.so*"):
        shutil.copy(shared, home / "python" / "lib")
    (home / "python" / "bin").mkdir()
    shutil.copy(found, home / "python" / "bin" / "python")
    return home / "python" / "bin"


def bash(command: str, home: Path, cwd: Path, python: Path | None = None) -> str:
    """Run a line as the image's user would, with the environment of the image at `home`."""
    rights = {"user": NOBODY, "group": NOBODY, "extra_groups": []} if os.geteuid() == 0 else {}
    kept = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
    environment = {
        **kept,
        "HOME": str(home),
        "LD_LIBRARY_PATH": f"{home}/python/lib",
        "PATH": os.pathsep.join([f"{home}/lacuna/bin", *([str(python)] if python else []), os.environ["PATH"]]),
    }
    done = subprocess.run(
        ["bash", "-c", command], cwd=cwd, env=environment, capture_output=True, text=True, check=False, timeout=1500, **rights
    )
    assert done.returncode == 0, f"{command}\n{done.stdout[-2000:]}{done.stderr[-2000:]}"
    return done.stdout


@pytest.mark.long
@pytest.mark.timeout(1800)
def test_the_install_lines_make_an_environment_that_runs(home: Path) -> None:
    source, elsewhere = home / "source", home / "elsewhere"
    for folder in (source, elsewhere):
        folder.mkdir()
    python = python_for_all(home)
    for sources, destination in copies("cpu"):
        for name in sources:
            target = source / destination / name if destination.endswith("/") else source / destination
            target.parent.mkdir(parents=True, exist_ok=True)
            (shutil.copytree if (REPOSITORY / name).is_dir() else shutil.copy)(REPOSITORY / name, target)
    if os.geteuid() == 0:
        subprocess.run(["chown", "--recursive", f"{NOBODY}:{NOBODY}", home], check=True)
    for word, rest in STAGES["cpu"]:
        if word == "RUN" and rest.startswith("python "):
            bash(rest.replace(PREFIX, f"{home}/lacuna"), home, source, python)
    where = bash("python -c 'import jobs, ray.dashboard.modules.job.job_head; print(jobs.__file__)'", home, elsewhere)
    assert where.startswith(f"{home}/lacuna/lib/")
    version = re.search(r"^ray==(\S+)", (REPOSITORY / "cluster" / "requirements-cluster.txt").read_text(), re.MULTILINE)
    assert version
    assert bash("ray --version", home, elsewhere).split()[-1] == version[1]
    assert "root: /r" in bash("python -m jobs.report --cfg job root=/r", home, elsewhere)
