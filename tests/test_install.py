"""The wheel: what is installed runs from an empty directory, with its configuration inside."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built wheel, unpacked the way an installer lays it out."""
    folder = tmp_path_factory.mktemp("wheel")
    uv = Path(sys.executable).with_name("uv")
    subprocess.run([uv, "build", "--quiet", "--wheel", "--out-dir", folder, REPOSITORY], check=True)
    (wheel,) = folder.glob("lacuna-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder / "site")
    return folder / "site"


def _python(site: Path, cwd: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    # The folder comes first on the path, before the editable install that these tests run under.
    environment = {**os.environ, "PYTHONPATH": str(site), "PYTHONSAFEPATH": "1"}
    return subprocess.run([sys.executable, *arguments], cwd=cwd, env=environment, capture_output=True, text=True, check=False)


PACKED = (".yaml", ".json", ".html", ".css", ".js", ".typed")


def test_wheel_holds_every_configuration_file_and_template(site: Path) -> None:
    files = [file for folder in ("conf", "tda") for file in (REPOSITORY / folder).rglob("*")]
    values = {str(file.relative_to(REPOSITORY)) for file in files if file.suffix in PACKED}
    packed = {str(file.relative_to(site)) for file in site.rglob("*") if file.is_file()}
    assert values <= packed
    assert not [name for name in packed if name.startswith("tests")]


def test_every_command_composes_from_an_empty_directory(site: Path, tmp_path: Path) -> None:
    where = _python(site, tmp_path, "-c", "import jobs, tda, conf; print(jobs.__file__, tda.__file__, conf.__file__)")
    assert where.stdout.count(str(site)) == 3
    commands = sorted(file.stem for file in (site / "jobs").glob("*.py") if file.stem != "__init__")
    assert "paper" in commands
    for name in commands:
        done = _python(site, tmp_path, "-m", f"jobs.{name}", "--cfg", "job", f"root={tmp_path}/root")
        assert done.returncode == 0, done.stderr
        assert f"root: {tmp_path}/root" in done.stdout
    assert list(tmp_path.iterdir()) == []


def test_importing_the_library_needs_no_gpu_no_ray_no_hydra(site: Path, tmp_path: Path) -> None:
    code = (
        "import pkgutil, importlib, sys, tda\n"
        "[importlib.import_module(m.name) for m in pkgutil.walk_packages(tda.__path__, 'tda.')]\n"
        "print([name for name in ('ray', 'hydra', 'cupy', 'cuml') if name in sys.modules])"
    )
    done = _python(site, tmp_path, "-c", code)
    assert (done.stdout, done.returncode) == ("[]\n", 0), done.stderr
