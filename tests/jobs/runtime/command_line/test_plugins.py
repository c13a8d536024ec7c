"""Hydra's plug-ins are searched in installed packages alone."""

import importlib
import subprocess
import sys
from pathlib import Path

import pytest

from jobs.runtime.command_line import plugins
from jobs.runtime.command_line.plugins import NAME, only_installed_plugins


def test_a_folder_on_the_path_that_is_not_installed_is_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for place in ("here", "site"):
        (tmp_path / place / NAME / place).mkdir(parents=True)
        (tmp_path / place / NAME / place / "__init__.py").touch()
    monkeypatch.delitem(sys.modules, NAME, raising=False)
    monkeypatch.setattr("sys.path", [str(tmp_path / "here"), str(tmp_path / "site"), *sys.path])
    monkeypatch.setattr(plugins.site, "getsitepackages", lambda: [str(tmp_path / "site")])
    only_installed_plugins()
    assert importlib.import_module(f"{NAME}.site")
    with pytest.raises(ModuleNotFoundError):
        importlib.import_module(f"{NAME}.here")
    monkeypatch.delitem(sys.modules, f"{NAME}.site")


def test_hydra_finds_no_plugin_of_the_working_directory(tmp_path: Path) -> None:
    (tmp_path / NAME / "evil").mkdir(parents=True)
    (tmp_path / NAME / "evil" / "__init__.py").write_text("print('RUN')\n")
    code = "from jobs.runtime.command_line.plugins import only_installed_plugins as only; only()\n"
    code += "from hydra.core.plugins import Plugins; Plugins.instance()"
    paths = [str(Path(__file__).resolve().parents[4]), str(tmp_path)]
    command = [sys.executable, "-c", f"import sys; sys.path[:0] = {paths}\n{code}"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert "RUN" not in done.stdout
