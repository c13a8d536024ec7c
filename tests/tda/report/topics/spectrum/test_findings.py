"""Sentences on spectra, collapse and dimension follow the numbers."""

from typing import Any

import numpy as np
import pytest
from planted_cells import arm_cells, one_cell, run_of
from planted_report import ARMS, CONFIG, D, spectrum

from tda.geometry.spectrum.collapse import KINDS, classify
from tda.geometry.spectrum.moments import Spectrum
from tda.report.topics.spectrum import findings
from tda.report.topics.spectrum.collapse_figure import example


def test_collapse_is_named_where_it_is() -> None:
    assert findings.spectrum(arm_cells(), CONFIG, "image") == [
        (
            "On toy_heldout, the spectrum collapses in toy_infoloob and toy_cloob (CLOOB), after 40 to 50 of 64 dimensions, by a drop of "
            "3.0 decades, and not in toy_infonce (CLIP) or toy_infonce_hopfield; the effective rank is highest in toy_infonce (CLIP), "
            "23.1, and lowest in toy_cloob (CLOOB), 16.7; 400 rows are not 10 a dimension: the smallest values show the sample. Under "
            "the noise floor: 6 values of toy_cloob (CLOOB)."
        )
    ]


def test_no_collapse_and_equal_ranks_are_one_statement_each() -> None:
    flat = {"singular_values": [1.0] * D, "floor": 0.0, "effective_rank": 40.0, "collapse_index": D}
    (sentence,) = findings.spectrum(arm_cells(**{e: {"spectrum.image": flat, "pairs": 10 * D + 1} for e in ARMS}), CONFIG, "image")
    assert sentence == "On toy_heldout, no spectrum collapses; effective ranks are about equal, 40.0 to 40.0."


def test_every_spectrum_may_collapse() -> None:
    places = dict(zip(ARMS, (30, 40, 50, 60), strict=True))
    cells = arm_cells(**{e: {"spectrum.both": spectrum({**ARMS[e], "collapse": index}, 1.0)} for e, index in places.items()})
    assert findings.spectrum(cells, CONFIG, "both")[0].startswith(
        "On toy_heldout, every spectrum collapses, after 30 to 60 of 64 dimensions, by a drop of 3.0 decades; "
    )
    assert findings.spectrum(cells[:1], CONFIG, "both") == [
        "On toy_heldout, the spectrum collapses, after 30 of 64 dimensions, by a drop of 3.0 decades; the effective rank is 23.1."
    ]


def test_models_of_several_widths_are_counted_apart() -> None:
    wide = {"singular_values": [1.0] * 64 + [1e-9] * 448, "floor": 1e-12, "collapse_index": 64, "effective_rank": 60.0}
    cells = arm_cells(toy_infonce={"dim": 512, "pairs": 10_000, "spectrum.text": wide})
    after = "after 64 of 512 dimensions and 40 to 50 of 64 dimensions, by a drop of 3.0 to 9.0 decades"
    assert f"toy_infonce (CLIP), toy_infoloob and toy_cloob (CLOOB), {after}, and not in" in findings.spectrum(cells, CONFIG, "text")[0]


def test_a_spectrum_that_only_fades_does_not_collapse() -> None:
    power = {"singular_values": (0.1 / np.arange(1, D + 1.0) ** 2).tolist(), "floor": 1e-12, "collapse_index": 31, "effective_rank": 5.0}
    cells = arm_cells(**{e: {"spectrum.image": power, "pairs": 10 * D + 1} for e in ARMS})
    faded = "values fade under the threshold after 31 of 64 dimensions, without a drop"
    assert findings.spectrum(cells[:1], CONFIG, "image") == [
        f"On toy_heldout, no spectrum collapses; in toy_infonce (CLIP) {faded}; the effective rank is 5.0."
    ]
    one = arm_cells(toy_infonce={"spectrum.image": power})
    assert f"hopfield; in toy_infonce (CLIP) {faded}; the" in findings.spectrum(one, CONFIG, "image")[0]


def test_values_under_the_floor_are_a_caution_after_the_finding() -> None:
    floored = {"spectrum.image.floor": 1.0, "spectrum.image.singular_values": [2.0, 0.5]}
    (sentence,) = findings.spectrum(arm_cells(**dict.fromkeys(ARMS, floored)), CONFIG, "image")
    assert sentence.endswith(". Under the noise floor: 1 value of each.")
    (one,) = findings.spectrum(arm_cells(**dict.fromkeys(ARMS, floored))[:1], CONFIG, "image")
    assert one.endswith(". Under the noise floor: 1 value of toy_infonce (CLIP).")


def test_too_few_rows_bound_the_rank() -> None:
    few = arm_cells(**{e: {"pairs": D - 4} for e in ARMS})
    assert f"{D - 4} rows span at most {D - 5} dimensions" in findings.spectrum(few, CONFIG, "image")[0]
    assert "span at most" not in findings.spectrum(few, CONFIG, "both")[0]


def _two_nn(value: float, **error: float) -> dict[str, Any]:
    return {"two_nn": {"both": {"value": value, **error}}}


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ((9.0, 4.0), "the intrinsic dimension {} is highest in toy_infonce (CLIP), 9.0 ± 0.2, and lowest in toy_cloob (CLOOB), 4.0 ± 0.2."),
        ((4.0, 9.0), "the intrinsic dimension {} is highest in toy_cloob (CLOOB), 9.0 ± 0.2, and lowest in toy_infonce (CLIP), 4.0 ± 0.2."),
        ((9.0, 8.5), "all intrinsic dimensions {} are about equal, 8.5 ± 0.2 to 9.0 ± 0.2."),
        ((9.0, 9.0), "all intrinsic dimensions {} are about equal, 9.0 ± 0.2 to 9.0 ± 0.2."),
    ],
)
def test_intrinsic_dimensions_are_ranked(values: tuple[float, float], words: str) -> None:
    encoders = ("toy_infonce", "toy_cloob")
    cells = [one_cell(encoder, dimension=_two_nn(value, stderr=0.2)) for encoder, value in zip(encoders, values, strict=True)]
    assert findings.intrinsic(cells, CONFIG) == [f"On d, {words.format('(Two-NN, both modalities)')} {findings.TOO_LOW}"]


def test_one_intrinsic_dimension_has_no_order() -> None:
    (sentence,) = findings.intrinsic([one_cell(dimension=_two_nn(5.0))], CONFIG)
    assert sentence == "On d, the intrinsic dimension (Two-NN, both modalities) is 5.0 in toy_cloob (CLOOB)."


MEASURES = ("effective_rank", "participation_ratio", "auc")
EXAMPLES = {kind: example(kind)[1] for kind in KINDS}


def test_one_kind_of_collapse_everywhere_is_one_statement() -> None:
    cells = [one_cell("toy_infonce"), one_cell("toy_cloob")]
    dimensional, none = ([(cell, {"image": EXAMPLES[kind], "text": EXAMPLES[kind]}) for cell in cells] for kind in ("dimensional", "none"))
    assert findings.collapse(EXAMPLES, dimensional, run_of(*cells))[0] == (
        "On d, there is dimensional collapse in both models, after 64 of 128 dimensions."
    )
    faded = classify(Spectrum(singular_values=1 / np.arange(1, 65.0) ** 2, collapse_index=31, floor=1e-12, **dict.fromkeys(MEASURES, 0.0)))
    fading = [(cell, {"image": faded}) for cell in cells]
    assert findings.collapse(EXAMPLES, fading, run_of(*cells))[0] == (
        "On d, there is no collapse in either model: values fade under the threshold after 31 of 64 dimensions, without a drop."
    )
    assert findings.collapse(EXAMPLES, none, run_of(*cells))[0] == "On d, there is no collapse in either model."
    assert findings.collapse(EXAMPLES, none[:1], run_of(*cells))[0] == "On d, there is no collapse in toy_infonce (CLIP)."


def test_several_kinds_are_named_with_model_and_modality() -> None:
    cell = one_cell("toy_infonce")
    words, _ = findings.collapse(EXAMPLES, [(cell, {"image": EXAMPLES["none"], "text": EXAMPLES["dimensional"]})], run_of(cell))
    assert (
        words
        == "On d, there is dimensional collapse in toy_infonce (CLIP) (text 64/128); no collapse in toy_infonce (CLIP) (image 128/128)."
    )


def test_drawn_cases_check_the_classifier_last() -> None:
    cell = one_cell("toy_infonce")
    *_, drawn = findings.collapse(EXAMPLES, [(cell, {"image": EXAMPLES["none"]})], run_of(cell))
    assert drawn.startswith(
        "All drawn cases are classified correctly: none (all 128 dimensions are used), dimensional (64 of 128 dimensions"
    )
    assert findings.collapse({"none": EXAMPLES["complete"]}, [], run_of()) == ["Drawn cases are misclassified: none as complete."]


def test_rows_that_bound_the_dimension_stand_with_the_collapse() -> None:
    cell = one_cell("toy_infonce", pairs=100, dim=128)
    words = findings.collapse(EXAMPLES, [(cell, {"image": EXAMPLES["dimensional"]})], run_of(cell))[0]
    assert words.endswith("after 64 of 128 dimensions; 100 rows span at most 99 dimensions, whatever the model.")
    assert len(findings.collapse(EXAMPLES, [(cell, {})], run_of(cell))) == 1
