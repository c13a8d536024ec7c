"""Every command of every README is given to a shell as it stands there, and every file that a README names is there.

`RUN` and `LONG` run whole, in order, on small data under the names that the READMEs use; of their paths only the folder /data is another.
Every other job is composed (`--cfg job`), every other script shows its help, and of `make` the targets are looked up.
"""

import ast
import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.override_parser.overrides_parser import OverridesParser
from recorded_rows import paired_spaces, write_set

REPOSITORY = Path(__file__).resolve().parents[1]
FOLDERS = ("conf", "jobs", "tda", "tests", "cluster")
READMES = [REPOSITORY / "README.md", *(file for folder in FOLDERS for file in sorted((REPOSITORY / folder).rglob("README.md")))]
FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
INLINE = re.compile(r"`([^`\n]+)`")
LINK = re.compile(r"\]\(([^)#]+)\)")
NAMED = re.compile(rf"(?:{'|'.join(FOLDERS)})/[\w./-]+")
JOB = re.compile(r"python -m jobs\.(\w+)")


def _blocks(readme: Path, *languages: str) -> Iterator[str]:
    yield from (text for language, text in FENCE.findall(readme.read_text()) if language in languages)


def _inline(readme: Path) -> list[str]:
    return INLINE.findall(FENCE.sub("", readme.read_text()))


def _in_blocks(readme: Path) -> Iterator[str]:
    """Lines of the shell blocks without comment lines; a line that ends with a backslash goes on in the next."""
    for block in _blocks(readme, "sh", "bash", "shell"):
        lines = (line.strip() for line in block.replace("\\\n", " ").splitlines())
        yield from (line for line in lines if line and not line.startswith("#"))


def _commands() -> list[tuple[str, str]]:
    """(README, command), each once: all of the shell blocks, and those inline in the text or in a table."""
    found: dict[tuple[str, str], None] = {}
    for readme in READMES:
        inline = (text for text in _inline(readme) if re.match(r"make [a-z]|python \S+\.py|python -m \S+\w( |$)", text))
        for command in (*_in_blocks(readme), *inline):
            found[str(readme.relative_to(REPOSITORY)), command] = None
    return list(found)


def _without_comment(command: str) -> str:
    return re.sub(r"\s+#\s.*$", "", command)


def _plain(command: str) -> str:
    """The command without its comment, and with single spaces."""
    return " ".join(_without_comment(command).split())


COMMANDS = _commands()
JOBS = [(readme, command) for readme, command in COMMANDS if JOB.match(command)]
RUN = (  # without Ray or an encoder: seconds
    "python -m jobs.ingest dataset.name=coco encoder.name=cloob source=cloob.npz root=/data/root",
    "python -m jobs.status root=/data/root",
    "python -m jobs.status root=/data/root format=json",
    "python -m jobs.plan experiment=paper cluster=h200x8",
)
JOINED = "dataset.name=laion2b reference.name=laion400m encoder.name=clip root=/data/root"
LONG = (  # in order, after those above
    "python -m jobs.analyze dataset.name=coco encoders=[clip,cloob] root=/data/root",
    f"python -m jobs.nearest {JOINED}",
    f"python -m jobs.dedupe {JOINED} dedupe.rule=image dedupe.threshold=0.95",
    "python -m jobs.report root=/data/root",
    "python -m jobs.report root=/data/root report.models.clip=CLIP report.datasets.coco=COCO",
    "python -m jobs.verify root=/data/root",
    "python -m jobs.verify root=/data/root --fix",
)
MAKES = [(readme, command) for readme, command in COMMANDS if command.startswith("make ")]
COMPOSED = [(readme, command) for readme, command in JOBS if _plain(command) not in RUN]
SCRIPTS = [(readme, command) for readme, command in COMMANDS if re.match(r"python \S+\.py", command)]


def _environment() -> dict[str, str]:
    """`python` is this one, and finds this repository from any folder."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    modules = os.pathsep.join([str(REPOSITORY), str(REPOSITORY / "tests" / "support")])
    return {**os.environ, "PATH": path, "PYTHONPATH": modules}


def _bash(command: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["bash", "-c", command], cwd=cwd, env=_environment(), capture_output=True, text=True, check=False, timeout=300)


def _single_run(command: str, cwd: Path) -> str:
    """Hydra composes no sweep without running it: of a command with -m, the last of its runs."""
    words = _bash(f"printf '%s\\n' {command}", cwd).stdout.splitlines()
    if "-m" not in words[3:]:
        return command
    overrides = OverridesParser.create().parse_overrides([word for word in words[3:] if word != "-m"])
    *_, last = BasicSweeper.split_arguments(overrides, max_batch_size=None)[-1]
    return shlex.join([*words[:3], *last])


def _compose(command: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return _bash(f"{_single_run(_without_comment(command), cwd)} --cfg job", cwd)


def _show_help(command: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    script = REPOSITORY / shlex.split(command)[1]
    if not script.is_file() or "argparse" not in script.read_text():
        return _bash(f"python -c 'import ast, sys; ast.parse(open(sys.argv[1]).read())' {script}", cwd)
    return _bash(f"{_without_comment(command)} --help", REPOSITORY)


def _write_presets(folder: Path) -> None:
    """Every YAML block whose first line is its path in a comment."""
    for readme in READMES:
        for block in _blocks(readme, "yaml"):
            if path := re.match(r"# (\S+\.yaml)\n", block):
                (folder / path[1]).parent.mkdir(parents=True, exist_ok=True)
                (folder / path[1]).write_text(block)


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> dict[str, subprocess.CompletedProcess[str]]:
    """Each command run once, three at a time, in a folder with the presets that the READMEs print."""
    cwd = tmp_path_factory.mktemp("readme")
    _write_presets(cwd)
    jobs, scripts = {command for _, command in COMPOSED}, {command for _, command in SCRIPTS}
    with ThreadPoolExecutor(3) as pool:
        running = {command: pool.submit(_compose, command, cwd) for command in jobs}
        running |= {command: pool.submit(_show_help, command, cwd) for command in scripts}
        return {command: future.result() for command, future in running.items()}


def test_every_readme_is_found() -> None:
    assert {"README.md", "conf/README.md", "tda/store/README.md", "tests/bench/README.md"} <= {readme for readme, _ in COMMANDS}
    assert len((REPOSITORY / "README.md").read_text().splitlines()) <= 130


def test_every_command_is_of_a_known_kind() -> None:
    assert set(COMMANDS) == {*JOBS, *MAKES, *SCRIPTS}


def test_every_job_has_its_line() -> None:
    table = (REPOSITORY / "README.md").read_text()
    for file in (REPOSITORY / "jobs").glob("[a-z]*.py"):
        assert f"| `{file.stem}` |" in table


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that stands for /data: a root with embeddings under the names of the READMEs, and cloob.npz."""
    folder = tmp_path_factory.mktemp("data")
    for seed, (dataset, encoder) in enumerate((("coco", "clip"), ("laion2b", "clip"), ("laion400m", "clip"))):
        write_set(folder / "root", dataset, *paired_spaces(60, gap=0.5, seed=seed), encoder=encoder)
    image_ND, text_ND = (rows_ND / np.linalg.norm(rows_ND, axis=1, keepdims=True) for rows_ND in paired_spaces(60, gap=0.1, seed=7))
    np.savez(folder / "cloob.npz", image=image_ND, text=text_ND)
    return folder


def _really_run(command: str, data: Path) -> subprocess.CompletedProcess[str]:
    done = _bash(command.replace("/data", str(data)), data)
    assert done.returncode == 0, f"{command}\n{done.stderr}"
    assert done.stdout.strip(), command
    return done


def test_what_is_run_stands_in_a_readme() -> None:
    written = {_plain(command) for _, command in JOBS}
    assert [command for command in (*RUN, *LONG) if command not in written] == []


def test_cheap_jobs_run_as_they_stand_in_the_readmes(data: Path) -> None:
    lines = [_really_run(command, data).stdout.splitlines()[-1] for command in RUN]
    assert (data / "root/embeddings/coco/cloob").is_dir()
    assert "coco" in lines[2]
    assert json.loads(lines[2])


@pytest.mark.long
def test_the_other_jobs_on_recorded_rows_run_as_they_stand_in_the_readmes(data: Path) -> None:
    if not (data / "root/embeddings/coco/cloob").is_dir():
        _really_run(RUN[0], data)
    for command in LONG:
        _really_run(command, data)
    assert (data / "root/report/index.html").is_file()
    assert (data / "root/analysis/coco/comparisons.json").is_file()


@pytest.mark.parametrize(("readme", "command"), COMPOSED)
def test_job_composes(readme: str, command: str, results: dict[str, subprocess.CompletedProcess[str]]) -> None:
    done = results[command]
    assert done.returncode == 0, f"{readme}: {command}\n{done.stderr}"
    assert "root: " in done.stdout
    for shards in re.findall(r"dataset\.shards='([^']+)'", command):
        assert shards in done.stdout, f"{readme}: {command}\n{done.stdout}"


@pytest.mark.parametrize(("readme", "command"), MAKES)
def test_make_target_exists(readme: str, command: str) -> None:
    targets = re.findall(r"^([a-z-]+):", (REPOSITORY / "Makefile").read_text(), re.MULTILINE)
    for target in shlex.split(command, comments=True)[1:]:
        assert target in targets, readme


@pytest.mark.parametrize(("readme", "command"), SCRIPTS)
def test_script_takes_its_arguments(readme: str, command: str, results: dict[str, subprocess.CompletedProcess[str]]) -> None:
    _, script, *arguments = shlex.split(command, comments=True)
    assert (REPOSITORY / script).is_file(), readme
    done = results[command]
    assert done.returncode == 0, f"{readme}: {command}\n{done.stderr}"
    known = done.stdout if "argparse" in (REPOSITORY / script).read_text() else (REPOSITORY / script).read_text()
    for word in arguments:
        assert re.search(rf"(?<![\w-]){re.escape(word)}(?![\w-])", known) or word.isdigit(), f"{readme}: {command}: {word}"


@pytest.mark.parametrize("readme", READMES, ids=lambda file: str(file.relative_to(REPOSITORY)))
def test_named_files_are_there(readme: Path) -> None:
    missing = [link for link in LINK.findall(readme.read_text()) if "://" not in link and not (readme.parent / link).exists()]
    missing += [name for name in _inline(readme) if NAMED.fullmatch(name) and not (REPOSITORY / name).exists()]
    assert missing == []


OTHER_TOOLS = {"fiftyone", "pandas"}  # that read what we write, and are not installed with us


@pytest.mark.parametrize("readme", READMES, ids=lambda file: str(file.relative_to(REPOSITORY)))
def test_python_blocks_import_what_is_there(readme: Path) -> None:
    for block in _blocks(readme, "python"):
        imports = [node for node in ast.parse(block).body if isinstance(node, ast.Import | ast.ImportFrom)]
        imports = [node for node in imports if {name.name for name in node.names}.isdisjoint(OTHER_TOOLS)]
        exec(compile(ast.Module(imports, []), str(readme), "exec"), {})  # noqa: S102 (the README's own lines)
