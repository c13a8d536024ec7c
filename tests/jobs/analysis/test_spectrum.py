"""Spectra by TSQR and by randomized SVD: the first as by Gram matrices, the second within the error that it reports."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from measured_topics import job, measured, metrics_of, table_of
from recorded_rows import write_set

from jobs.analyze import run
from tda.config.analysis import (
    SpectrumConfig,
)
from tda.geometry.arrays.namespace import unit_rows
from tda.geometry.spectrum.moments import covariance_spectrum


@pytest.fixture(scope="module")
def gram(world: tuple[Path, Any], ray_cluster: None) -> dict[str, Any]:
    del ray_cluster
    spectrum: dict[str, Any] = measured(world[0], parts=["spectrum"])["spectrum"]
    return spectrum


@pytest.mark.usefixtures("ray_cluster")
class TestSpectrumMethods:
    def test_tsqr_agrees(self, world: tuple[Path, Any], gram: dict[str, Any]) -> None:
        found = measured(world[0], parts=["spectrum"], block_rows=90, spectrum=SpectrumConfig(method="tsqr"))["spectrum"]
        for name, one in gram.items():
            np.testing.assert_allclose(found[name]["singular_values"], one["singular_values"], rtol=1e-9)
            for measure in ("effective_rank", "auc", "collapse_index"):
                assert found[name][measure] == pytest.approx(one[measure], rel=1e-9)
            assert found[name]["passes"] == 2, "one for the mean, one for the triangle"

    def test_randomized_is_within_its_error(
        self, world: tuple[Path, Any], gram: dict[str, Any], capsys: pytest.CaptureFixture[str]
    ) -> None:
        config = SpectrumConfig(method="randomized", rank=5, oversample=3, power=1)
        outcome = run(job(world[0], parts=["spectrum"], block_rows=90, spectrum=config))
        assert outcome.whole
        found = metrics_of(world[0])["spectrum"]
        for name, one in gram.items():
            values, truth = np.array(found[name]["singular_values"]), np.array(one["singular_values"][:5])
            assert (values <= truth * (1 + 1e-9)).all()
            assert (truth <= values + np.array(found[name]["error"]) + 1e-12).all()
            assert found[name]["effective_rank"] is None
            assert found[name]["passes"] == 5, "mean, two of the sketch, projection, certificate"
            assert "the 5 largest of 16 values" in found[name]["notes"][0]
        assert "spectrum by randomized: passes over the rows: 5 of image, 5 of text, 5 of both" in capsys.readouterr().err
        spectra = table_of(world[0], "spectra")
        assert len(spectra["index"]) == 15
        whole = measured(world[0], parts=["spectrum"], spectrum=SpectrumConfig(method="randomized", rank=50))["spectrum"]
        assert whole["image"]["effective_rank"] == pytest.approx(gram["image"]["effective_rank"], rel=1e-6)


def test_spectra_of_a_planted_collapse_in_both_types(tmp_path: Path, ray_cluster: None) -> None:
    """A collapse at dimension 20 of 32 is found at 20, whatever type the rows are stored in."""
    del ray_cluster
    rng = np.random.default_rng(0)
    rows_2ND = rng.standard_normal((2, 2000, 20)) @ np.linalg.qr(rng.standard_normal((32, 32)))[0][:20]
    for dtype in ("float16", "float32"):
        write_set(tmp_path, dtype, *rows_2ND, dtype=dtype)
        found = measured(tmp_path, dtype, parts=["spectrum"])["spectrum"]
        assert found["image"]["collapse_index"] == found["text"]["collapse_index"] == 20
    assert covariance_spectrum(unit_rows(rows_2ND[0])).collapse_index == 20
