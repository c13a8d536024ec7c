"""Which data set is nearer to a reference, from counts of closest cosines."""

import re
from pathlib import Path

import numpy as np
import pytest
from planted_cells import run_of
from planted_nearest import plant_nearest
from planted_report import CONFIG, plant, strip

from tda.config.stages import ReportConfig
from tda.geometry.shift import Values
from tda.report.data.closest import Closest
from tda.report.data.load import Cell, load_run
from tda.report.topics.nearest.findings import compared, nearest, references, shifts


def _cell(dataset: str, encoder: str, image: float, text: float = 0.9, reference: str = "train") -> Cell:
    """A cell whose closest cosines lie around a centre of each modality."""
    rng = np.random.default_rng([*dataset.encode(), *encoder.encode()])
    values = {name: Values.of(np.clip(rng.normal(centre, 0.03, 400), -1, 1)) for name, centre in (("image", image), ("text", text))}
    return Cell(
        dataset=dataset, encoder=encoder, metrics={}, closest={reference: Closest(reference=reference, rows=400, values=values, digest="")}
    )


TOYS = ReportConfig(datasets={"near": "LAION", "far": "COCO"})


def test_the_nearer_data_set_is_named_as_in_the_paper() -> None:
    cells = [_cell(dataset, encoder, image) for dataset, image in (("near", 0.9), ("far", 0.7)) for encoder in ("a", "b")]
    image, text = nearest(cells, TOYS)
    assert image.startswith(
        "near is nearer than far in both models, by the closest image of train (as in the paper: LAION nearer than COCO in every model). "
        "Medians differ by 0.2"
    )
    assert text.startswith("near and far are equally near in both models, by the closest text of train (unlike in the paper: ")
    assert nearest(cells, ReportConfig())[0].startswith("near is nearer than far in both models, by the closest image of train. Medians")


def test_models_that_disagree_are_named_apart() -> None:
    cells = [_cell("near", "a", 0.9), _cell("near", "b", 0.7), _cell("far", "a", 0.7), _cell("far", "b", 0.9)]
    (image, _) = nearest(cells, TOYS)
    assert image.startswith(
        "near is nearer than far in a, and far is nearer than near in b, by the closest image of train (unlike in the paper"
    )


def test_the_claim_follows_the_roles_whichever_comes_first() -> None:
    swapped = ReportConfig(datasets={"near": "COCO", "far": "LAION"})
    cells = [_cell("near", "a", 0.9), _cell("far", "a", 0.7)]
    assert "(unlike in the paper" in nearest(cells, swapped)[0]
    assert "(as in the paper" in nearest(cells[::-1], TOYS)[0]


def test_three_data_sets_are_compared_in_pairs() -> None:
    cells = [_cell(dataset, "a", 0.9) for dataset in ("x", "y", "z")]
    assert len(nearest(cells, ReportConfig())) == 2 * 3


def test_one_data_set_alone_has_medians() -> None:
    (image, text) = nearest([_cell("near", "toy_cloob", 0.8), _cell("near", "b", 0.7)], CONFIG)
    words = "The median cosine of near to its closest {} of train is {} in toy_cloob (CLOOB) and {} in b."
    for sentence, modality, centres in ((image, "image", (0.8, 0.7)), (text, "text", (0.9, 0.9))):
        medians = re.findall(r"0\.\d+", sentence)
        assert sentence == words.format(modality, *medians)
        assert [float(median) for median in medians] == pytest.approx(centres, abs=0.01)


def test_models_of_one_data_set_alone_are_not_compared() -> None:
    cells = [_cell("near", "a", 0.9), _cell("far", "b", 0.7)]
    assert shifts(cells, ("near", "far"), "train", "image") == {}
    assert nearest(cells, ReportConfig()) == []


def test_a_shift_has_the_sign_of_the_first_less_the_second() -> None:
    cells = [_cell("near", "a", 0.9), _cell("far", "a", 0.7)]
    (one,) = shifts(cells, ("near", "far"), "train", "image").values()
    assert one.median_difference == pytest.approx(0.2, abs=0.01)
    (back,) = shifts(cells, ("far", "near"), "train", "image").values()
    assert back.median_difference == pytest.approx(-one.median_difference)


def test_references_are_listed_once_with_what_was_compared_with_them() -> None:
    cells = [
        _cell("near", "a", 0.9),
        _cell("far", "a", 0.7, reference="other"),
        _cell("near", "b", 0.9),
        Cell(dataset="d", encoder="a", metrics={}),
    ]
    assert references(cells) == ["train", "other"]
    assert compared(cells, "other") == [cells[1]]
    assert len(nearest(cells, CONFIG)) == 4  # medians of each reference and modality
    assert nearest(run_of().cells, CONFIG) == []


def test_stored_matches_make_the_same_sentences(tmp_path: Path) -> None:
    plant(tmp_path, ("toy_heldout", "toy_shifted"), ("toy_infonce", "toy_cloob"))
    strip(tmp_path)
    for dataset in ("toy_heldout", "toy_shifted"):
        plant_nearest(tmp_path, dataset, "toy_infonce")
    plant_nearest(tmp_path, "toy_heldout", "toy_cloob", centres=(0.70, 0.90), seed=1)
    plant_nearest(tmp_path, "toy_shifted", "toy_cloob", centres=(0.75, 0.90))
    image, text = nearest(load_run(str(tmp_path), CONFIG).cells, CONFIG)
    assert image.startswith(
        "toy_heldout is nearer than toy_shifted in toy_infonce (CLIP), and toy_shifted is nearer than toy_heldout in toy_cloob (CLOOB), by"
    )
    assert "(unlike in the paper" in image
    assert "toy_heldout and toy_shifted are equally near in toy_cloob (CLOOB)" in text
