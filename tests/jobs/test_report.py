"""`python -m jobs.report`, as it is typed."""

from pathlib import Path

import pytest
from planted_report import CONFIG, plant, strip
from typed import typed

from jobs.report import run
from tda.config.jobs import ReportJob
from tda.errors import UserError


def test_the_command_says_where_the_page_is(tmp_path: Path) -> None:
    root = plant(tmp_path / "root", ("toy_heldout",), ("toy_infonce", "toy_cloob"))
    strip(root, "cosine")
    for state in ("written", "unchanged"):
        done = typed("report", f"root={root}", cwd=tmp_path)
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout.splitlines()[-1].startswith(f"report: {root}/report/index.html ({state}; data sets: 1, encoders: 2; ")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["root"]


def test_nothing_to_report_is_the_users_mistake(tmp_path: Path) -> None:
    done = typed("report", f"root={tmp_path}/none", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert len(done.stderr.splitlines()) == 1
    assert f"root={tmp_path}/none holds nothing that was analysed; run python -m jobs.analyze" in done.stderr


def test_run_is_whole(tmp_path: Path) -> None:
    root = plant(tmp_path, ("toy_heldout",), ("toy_cloob",))
    strip(root)
    outcome = run(ReportJob(root=root, report=CONFIG))
    assert (outcome.whole, outcome.places) == (True, [f"{root}/report/index.html"])


def test_run_refuses_an_empty_root(tmp_path: Path) -> None:
    with pytest.raises(UserError):
        run(ReportJob(root=str(tmp_path), report=CONFIG))
