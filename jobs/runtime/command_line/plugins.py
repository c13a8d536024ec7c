"""Hydra's plug-ins are those that are installed: a folder `hydra_plugins` in the working directory is not imported."""

import importlib.machinery
import site
import sys
import sysconfig
from pathlib import Path
from types import ModuleType

NAME = "hydra_plugins"


def only_installed_plugins() -> None:
    """Put a package in the place of `hydra_plugins` that searches the folders of installed packages alone; call it before Hydra runs."""
    if NAME in sys.modules:
        return
    module = ModuleType(NAME)
    module.__path__ = [str(folder / NAME) for folder in _installed() if (folder / NAME).is_dir()]
    module.__spec__ = importlib.machinery.ModuleSpec(NAME, None, is_package=True)
    sys.modules[NAME] = module


def _installed() -> list[Path]:
    paths = sysconfig.get_paths()
    named = [*site.getsitepackages(), site.getusersitepackages() if site.ENABLE_USER_SITE else "", paths["purelib"], paths["platlib"]]
    known = {Path(folder).resolve() for folder in named if folder}
    return [Path(entry) for entry in dict.fromkeys(sys.path) if entry and Path(entry).resolve() in known]
