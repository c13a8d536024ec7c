"""Texts arrive as they are typed: through Hydra's own grammar, into the job, alone and in a sweep."""

import shlex
from dataclasses import dataclass, field
from typing import Any

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from hypothesis import given
from hypothesis import strategies as st
from omegaconf import OmegaConf
from typed import typed

from jobs.runtime.command_line.literal_texts import literal_texts
from tda.config.jobs import EmbedJob, PaperJob, TrainJob

ODD = ["1.10", "1e5", "true", "False", "0x1F", "007", "-3", "+4", "inf", "nan", "null", "a,b", "a=b", "{x}", "[x]", "(y)", "it's",
       'say "x"', "Kätzchen", "a b", "a: b", "ends\\", "#1", "a&b", "%"]  # fmt: skip


@dataclass
class Job:
    text: str = ""
    maybe: str | None = None
    several: list[str] = field(default_factory=list)
    named: dict[str, str] = field(default_factory=dict)
    number: float = 0.0
    flag: bool = False


def parsed(word: str, schema: type = Job) -> Any:
    """The value of the word's field in a job, through Hydra's grammar and OmegaConf's types."""
    (override,) = OverridesParser.create().parse_overrides(literal_texts([word], schema))
    config = OmegaConf.structured(schema)
    OmegaConf.update(config, override.key_or_group, override.value(), force_add=True)
    return OmegaConf.select(config, override.key_or_group)


@pytest.mark.parametrize("text", ODD)
def test_a_text_arrives_as_it_was_typed(text: str) -> None:
    assert parsed(f"text={text}") == text
    assert parsed(f"text='{text}'") == text
    assert parsed(f"named.one={text}") == text
    assert parsed(f"maybe={text}") == (None if text == "null" else text)


@given(st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1).filter(lambda text: "${" not in text and text.strip() == text))
def test_whatever_it_is(text: str) -> None:
    plain = text[1:-1] if len(text) > 1 and text[0] == text[-1] and text[0] in "'\"" else text
    assert parsed(f"text={text}") == ("???" if text == "???" else plain)


def test_items_of_a_list_are_texts() -> None:
    assert parsed("several=[1.10,true,'a,b', c ]") == ["1.10", "true", "a,b", "c"]
    assert parsed("several=[]") == []


@pytest.mark.parametrize(
    "word", ["number=1e5", "flag=true", "encoder=toy", "--config-dir=x", "text", "~text", "unknown=1.10", "text.more=1"]
)
def test_other_words_are_left_alone(word: str) -> None:
    assert literal_texts([word], Job) == [word]


def test_in_a_sweep_commas_divide_and_functions_work() -> None:
    assert literal_texts(["-m", "text=1.10,true", "number=1,2"], Job) == ["-m", "text='1.10','true'", "number=1,2"]
    assert literal_texts(["--multirun", "text='a,b',c"], Job) == ["--multirun", "text='a,b','c'"]
    assert literal_texts(["-m", "text=choice(a,b)", "several=[1,2],[3]"], Job) == ["-m", "text=choice(a,b)", "several=['1','2'],['3']"]


def test_interpolations_work(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NAME", "mine")
    assert parsed("text=${oc.env:NAME}") == "mine"


@pytest.mark.parametrize(
    ("schema", "word"),
    [(EmbedJob, "dataset.name=1.10"), (EmbedJob, "encoder.name=1e5"), (EmbedJob, "encoders=[1.10]"), (PaperJob, "report.models.x=1.10"),
     (PaperJob, "train_dataset=007"), (TrainJob, "encoder.sha256=12345678")],
)  # fmt: skip
def test_fields_of_the_jobs(schema: type, word: str) -> None:
    (made,) = literal_texts([word], schema)
    key, _, value = word.partition("=")
    assert made.startswith("++") == (".models." in key), "a name in a mapping may be new"
    assert made.lstrip("+") == (f"{key}=['1.10']" if value == "[1.10]" else f"{key}='{value}'")


def test_two_names_that_are_one_number_are_two_data_sets(tmp_path: Any) -> None:
    for name in ("1.10", "1.1", "true"):
        done = typed("ingest", f"dataset.name={name}", "encoder.name=e", "source=none.npz", f"root={tmp_path}", cwd=tmp_path)
        assert done.returncode == 2, shlex.join(done.args)
        assert "none.npz is not there" in done.stderr
    done = typed("nearest", "dataset.name=1.10", "reference.name=1e5", "encoder.name=e", f"root={tmp_path}", cwd=tmp_path)
    assert "dataset.name=1.10" in done.stderr


@pytest.mark.parametrize("word", ["named.one=a", "++named.one=a", "+named.one=a", "named.my-own=a"])
def test_a_name_in_a_mapping_is_added_or_replaced(word: str) -> None:
    assert parsed(word) == "a"
    assert literal_texts(["named.one=a"], Job) == ["++named.one='a'"]
    assert literal_texts(["shards.one=/x"], PaperJob) == ["++shards.one=/x"]


def test_a_number_in_place_of_a_preset_is_a_name_that_is_unknown(tmp_path: Any) -> None:
    assert literal_texts(["encoder=3", "cluster=True", "embed=-1.5e3", "dataset@reference=4", "dedupe=null", "arm=cloob"], EmbedJob) == [
        "encoder='3'", "cluster='True'", "embed='-1.5e3'", "dataset@reference='4'", "dedupe=null", "arm=cloob",
    ]  # fmt: skip
    assert literal_texts(["-m", "encoder=3,toy_cloob"], EmbedJob) == ["-m", "encoder='3',toy_cloob"]
    for words in (["embed", "embed=3"], ["train", "arm=1"], ["analyze", "cluster=true"]):
        done = typed(*words, "root=r", cwd=tmp_path)
        assert done.returncode == 2
        assert done.stderr.startswith(f"lacuna {words[0]}: {words[1]} is unknown; choose one of: ")
        assert done.stderr.count("\n") == 1
