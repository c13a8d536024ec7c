"""Options: what Hydra takes passes, what it does not is one line."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typed import typed

from jobs.runtime.command_line.options import settings_first, settings_of
from tda.errors import UserError


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["--bogus"], "--bogus is no option; choose one of: --cfg, --config-dir, "),
        (["--multirum"], "--multirum is no option (did you mean --multirun?); choose one of: "),
        (["-dataset.name=x"], "-dataset.name=x: a setting has no dash before it, give dataset.name=x"),
        (["--dataset.name=x=y"], "--dataset.name=x=y: a setting has no dash before it, give dataset.name=x=y"),
        (["--cfg", "nonsense"], "--cfg 'nonsense' is unknown; choose one of: job, hydra, all"),
        (["root=r", "--config-dir"], "--config-dir has no value: give --config-dir VALUE"),
        (["--multirun=3"], "--multirun='3': --multirun takes no value, leave it away"),
        (["--conf", "x"], "--conf is short for more than one option; choose one of: --config-path, --config-name, --config-dir"),
    ],
)
def test_a_wrong_option_is_one_line(words: list[str], line: str) -> None:
    with pytest.raises(UserError) as caught:
        settings_first(words)
    assert str(caught.value).startswith(line)
    assert "\n" not in str(caught.value)


def test_options_stand_anywhere() -> None:
    words = ["-m", "root=r", "--cfg", "job", "~x", "--config-dir=conf", "-cd", "a=b", "a=b", "foo", "--version", "--info", "all"]
    options = ["-m", "--cfg", "job", "--config-dir=conf", "-cd", "a=b", "--version", "--info", "all"]
    assert settings_first(words) == ["root=r", "~x", "a=b", "foo", *options]
    assert settings_first([]) == []


@given(st.lists(st.from_regex(r"[a-z.@+~]{1,9}=[^\x00\n-][^\x00\n]{0,20}", fullmatch=True), max_size=4))
def test_settings_pass_as_they_are(words: list[str]) -> None:
    assert settings_of(words) == settings_first(words) == words


def test_a_command_takes_settings_behind_an_option() -> None:
    done = typed("report", "--cfg", "job", "root=r", "--resolve", "report.contact=99")
    assert done.returncode == 0, done.stderr
    assert "contact: 99" in done.stdout


def test_a_command_ends_with_one_line() -> None:
    done = typed("embed", "--bogus")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("lacuna embed: --bogus is no option; ")
    assert done.stderr.count("\n") == 1


def test_a_command_to_submit_stands_behind_two_dashes() -> None:
    done = typed("submit", "cluster=auto", "foo")
    assert done.returncode == 2
    assert (
        done.stderr
        == "lacuna submit: foo is no setting of jobs.submit: give the command after --, as jobs.submit cluster=auto -- jobs.embed root=R\n"
    )
    assert typed("submit", "--no-wait", "--again").stderr == "lacuna submit: give one of: a command after --, attach=ID, or stop=ID\n"
