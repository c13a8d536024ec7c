"""The help of a job: each option with its comment, presets with what they are, examples that Hydra reads."""

import importlib
import inspect

import pytest

from jobs.runtime.command_line.console import names
from jobs.runtime.command_line.help import EXAMPLES, options, presets, print_help
from tda.config import jobs as schemas
from tda.config.jobs import EmbedJob, VerifyJob

JOBS = {
    kind.__name__.removesuffix("Job").lower(): kind for _, kind in inspect.getmembers(schemas, inspect.isclass) if kind.__name__ != "Job"
}


@pytest.mark.parametrize("job", ["embed", "nearest", "dedupe", "filter", "report", "train", "verify"])
def test_each_option_has_a_comment(job: str) -> None:
    rows = list(options(JOBS[job]))
    assert len({key for key, _, _ in rows}) == len(rows)
    bare = [key for key, _, comment in rows if not comment and not key.startswith(("cluster.hardware.", "train."))]
    assert not bare


def test_defaults_are_those_of_the_command_line() -> None:
    found = {key: (default, comment) for key, default, comment in options(EmbedJob)}
    assert found["root"][0] == "..."
    assert found["replay"] == ("false", "only the pairs that recorded shards have in quarantine, again")
    assert found["cluster.address"][0] == "null"
    assert found["embed.max_attempts"] == ("3", "a shard that failed this often is named and left out")


def test_presets_are_described() -> None:
    found = dict(presets("encoder"))
    assert found["toy_cloob"] == "Trained here by jobs.train: InfoLOOB after Hopfield retrieval: CLOOB"
    assert all(found.values())
    assert dict(presets("experiment"))["toy"].startswith("The four arms of the ablation, trained and compared")


def test_help_has_options_presets_and_three_examples(capsys: pytest.CaptureFixture[str]) -> None:
    importlib.import_module("jobs.verify")
    print_help("verify", VerifyJob)
    out = capsys.readouterr().out
    assert out.startswith("lacuna verify: Check a root")
    examples = out.partition("Examples:\n")[2].splitlines()
    assert len(examples) == 3
    assert all(line.startswith("    lacuna verify root=") for line in examples)
    assert all(len(line) <= 140 for line in out.partition("Examples:")[0].splitlines())


def test_examples_are_of_jobs_that_exist() -> None:
    assert set(EXAMPLES) == set(names())
    assert all(len(words) == 3 for words in EXAMPLES.values())
