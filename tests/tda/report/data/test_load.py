"""What the report reads, and what it refuses."""

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from planted_report import CAPTIONS, CONFIG, D, N, plant, plant_cell, strip

from tda.config.stages import ReportConfig
from tda.errors import UserError
from tda.report.data.load import load_run


def test_everything_is_read_in_the_papers_order(tmp_path: Path) -> None:
    run = load_run(plant(tmp_path), CONFIG)
    assert run.datasets == ["toy_heldout", "toy_shifted"]
    assert run.encoders == ["toy_infonce", "toy_infonce_hopfield", "toy_infoloob", "toy_cloob"] == list(run.curves)
    cell = run.cells[0]
    assert set(cell.parquet) == {"spectra", "cosine", "ranks", "pca", "layout", "clusters", "cluster_spectra", "betti", "sweep"}
    assert len(cell.sweep["cells"]) == 9
    assert set(run.comparisons) == {"toy_heldout", "toy_shifted"}
    assert len(cell.parquet["spectra"]["singular_value"]) == 3 * D
    assert len(cell.parquet["pca"]["row"]) == N


def test_comparisons_of_other_encoders_are_joined(tmp_path: Path) -> None:
    plant_cell(tmp_path, "d", "toy_cloob")
    folder = tmp_path / "analysis" / "d"
    (folder / "comparisons").mkdir()

    def of(*pairs: str, **more: float) -> str:
        return json.dumps({"schema": 1, "comparisons": [{"a": a, "b": b, "modality": "both", **more} for a, b in pairs]})

    (folder / "comparisons" / "old.json").write_text(of("ba", "ac", pairs=1))
    assert load_run(str(tmp_path), CONFIG).comparisons == {}, "those that were named last are the main ones"
    (folder / "comparisons.json").write_text(of("ab", pairs=2))
    found = load_run(str(tmp_path), CONFIG).comparisons["d"]["comparisons"]
    assert sorted((one["a"], one["b"], one["pairs"]) for one in found) == [("a", "b", 2), ("a", "c", 1)]


def test_the_worst_pairs_come_with_their_captions(tmp_path: Path) -> None:
    plant(tmp_path, ("toy_heldout",), ("toy_cloob",))
    (cell,) = load_run(str(tmp_path), CONFIG).cells
    assert [failure.caption for failure in cell.failures] == [CAPTIONS[0], CAPTIONS[1], CAPTIONS[2]]
    assert [failure.image_to_text for failure in cell.failures] == [400, 399, 398]
    assert load_run(str(tmp_path), ReportConfig(failures=0)).cells[0].failures == ()


def test_captions_may_be_elsewhere(tmp_path: Path) -> None:
    plant(tmp_path, ("toy_heldout",), ("toy_cloob",))
    (tmp_path / "embeddings").rename(tmp_path / "moved")
    (cell,) = load_run(str(tmp_path), CONFIG).cells
    assert [failure.caption for failure in cell.failures] == ["", "", ""]


def test_metrics_alone_are_enough(tmp_path: Path) -> None:
    plant_cell(tmp_path, "d", "toy_cloob")
    strip(tmp_path)
    (cell,) = load_run(str(tmp_path), CONFIG).cells
    assert (cell.parquet, cell.failures) == ({}, ())


def test_a_table_without_metrics_is_no_analysis(tmp_path: Path) -> None:
    plant_cell(tmp_path, "d", "toy_cloob")
    (tmp_path / "analysis" / "d" / "toy_cloob" / "metrics.json").unlink()
    with pytest.raises(UserError, match=r"holds nothing that was analysed; run python -m jobs.analyze"):
        load_run(str(tmp_path), CONFIG)


def test_nothing_analysed_names_the_root_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"jobs\.analyze") as error:
        load_run(str(tmp_path / "none"), CONFIG)
    assert str(tmp_path / "none") in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(("text", "complaint"), [("{", "is not JSON"), ('{"schema": 2}', "schema 2"), ("[]", "schema None")])
def test_metrics_of_another_kind_are_refused(tmp_path: Path, text: str, complaint: str) -> None:
    plant_cell(tmp_path, "d", "toy_cloob")
    file = tmp_path / "analysis" / "d" / "toy_cloob" / "metrics.json"
    file.write_text(text)
    with pytest.raises(UserError, match=complaint) as error:
        load_run(str(tmp_path), CONFIG)
    assert str(file) in str(error.value)


def test_a_cut_table_is_refused_by_name(tmp_path: Path) -> None:
    plant_cell(tmp_path, "d", "toy_cloob")
    file = tmp_path / "analysis" / "d" / "toy_cloob" / "pca.parquet"
    file.write_bytes(file.read_bytes()[:-20])
    with pytest.raises(UserError, match=r"pca.parquet is no whole Parquet file"):
        load_run(str(tmp_path), CONFIG)


def test_a_table_of_another_analysis_does_not_count(tmp_path: Path) -> None:
    plant_cell(tmp_path, "d", "toy_cloob")
    file = tmp_path / "analysis" / "d" / "toy_cloob" / "pca.parquet"
    table = pq.read_table(file)
    for config_hash, counts in (("ef" * 32, False), ("cd" * 32, True)):
        pq.write_table(table.replace_schema_metadata({b"lacuna": json.dumps({"config_hash": config_hash}).encode()}), file)
        assert ("pca" in load_run(str(tmp_path), CONFIG).cells[0].parquet) is counts


def test_a_table_may_carry_the_hash_of_its_part(tmp_path: Path) -> None:
    plant_cell(tmp_path, "d", "toy_cloob", metrics={"part_hashes": {"separability": "ef" * 32}})
    file = tmp_path / "analysis" / "d" / "toy_cloob" / "pca.parquet"
    pq.write_table(pq.read_table(file).replace_schema_metadata({b"lacuna": json.dumps({"config_hash": "ef" * 32}).encode()}), file)
    assert "pca" in load_run(str(tmp_path), CONFIG).cells[0].parquet


def test_a_sweep_is_vouched_for_by_its_own_json(tmp_path: Path) -> None:
    plant_cell(tmp_path, "d", "toy_cloob")
    folder = tmp_path / "analysis" / "d" / "toy_cloob"
    sweep = json.loads((folder / "sweep.json").read_text())
    table = pq.read_table(folder / "sweep.parquet").replace_schema_metadata({b"lacuna": json.dumps({"config_hash": "ef" * 32}).encode()})
    pq.write_table(table, folder / "sweep.parquet")
    for config_hash, counts in (("ef" * 32, True), ("cd" * 32, False)):
        (folder / "sweep.json").write_text(json.dumps({**sweep, "config_hash": config_hash}))
        assert ("sweep" in load_run(str(tmp_path), CONFIG).cells[0].parquet) is counts


def test_the_digest_follows_every_input(tmp_path: Path) -> None:
    root = plant(tmp_path, ("toy_heldout",), ("toy_cloob",))
    digests = [load_run(root, CONFIG).digest, load_run(root, CONFIG).digest, load_run(root, ReportConfig()).digest]
    curve = tmp_path / "models" / "toy_cloob" / "curve.parquet"
    pq.write_table(pa.table({"step": [1], "loss": [2.0], "learning_rate": [3.0]}), curve)
    digests.append(load_run(root, CONFIG).digest)
    plant_cell(tmp_path, "toy_heldout", "toy_cloob", metrics={"seed": 1})
    digests.append(load_run(root, CONFIG).digest)
    assert digests[0] == digests[1]
    assert len(set(digests)) == 4
