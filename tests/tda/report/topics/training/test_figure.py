"""Training curves: the loss as it was, its running median, and every model's learning rate."""

import numpy as np
import pytest
from drawn_axes import SPECS, cell_of, drawn, run_of, texts

from tda.config.stages import ReportConfig
from tda.report.data.load import Run
from tda.report.drawing.style import model_styles

TRAINING = SPECS["training"]


def _curve(steps: int, seed: int = 0) -> dict[str, np.ndarray]:
    loss = 3 + np.random.default_rng(seed).normal(size=steps)
    return {"step": np.arange(1, steps + 1), "loss": loss.astype(np.float32), "learning_rate": np.linspace(0, 1e-3 * (seed + 1), steps)}


def _run(steps: int = 100) -> Run:
    curves = {"a": _curve(steps), "b": _curve(steps, 1)}
    return run_of(cell_of("a"), cell_of("b"), cell_of("a", "f"), config=ReportConfig(models={"a": "CLIP"}), curves=curves)


def test_a_panel_a_model_and_one_of_all_rates() -> None:
    assert [panel.title for panel in TRAINING.panels(_run())] == ["a (CLIP)", "b", "Learning rate"]


def test_the_loss_and_its_running_median_are_drawn() -> None:
    run = _run(100)
    axes = drawn(TRAINING.panels(run)[0])
    raw, smooth = axes.lines
    loss = run.curves["a"]["loss"].astype(float)
    np.testing.assert_allclose(raw.get_xydata(), np.stack([np.arange(1, 101), loss], axis=1))
    inner = [np.median(loss[i - 2 : i + 3]) for i in range(2, 98)]  # a window of 4 % of 100 steps, made odd
    np.testing.assert_allclose(smooth.get_ydata()[2:98], inner)
    np.testing.assert_allclose(smooth.get_ydata()[0], np.median([loss[0], loss[0], *loss[:3]]))
    assert raw.get_alpha() == 0.35
    assert (axes.get_xlabel(), axes.get_ylabel(), axes.get_xlim()[0]) == ("step", "loss", 0)


def test_the_last_losses_median_is_written_at_the_lines_end() -> None:
    run = _run(100)
    axes = drawn(TRAINING.panels(run)[1])
    assert texts(axes) == [f"{np.median(run.curves['b']['loss'][-5:]):.3g}"]
    assert axes.texts[0].xy == (100, pytest.approx(axes.lines[1].get_ydata()[-1]))


def test_a_long_curve_is_thinned_and_one_step_draws() -> None:
    raw, smooth = drawn(TRAINING.panels(_run(6001))[0]).lines
    assert list(raw.get_xdata()[:3]) == list(smooth.get_xdata()[:3]) == [1, 4, 7]
    assert len(raw.get_xdata()) == 2001
    assert [len(line.get_xdata()) for line in drawn(TRAINING.panels(_run(1))[0]).lines] == [1, 1]


def test_rates_have_the_models_styles() -> None:
    run = _run(50)
    axes = drawn(TRAINING.panels(run)[2])
    styles = model_styles(run.encoders, run.config)
    for line, (encoder, curve) in zip(axes.lines, run.curves.items(), strict=True):
        np.testing.assert_allclose(line.get_ydata(), curve["learning_rate"])
        assert line.get_color() == styles[encoder].color
    assert (axes.get_ylabel(), axes.get_ylim()[0]) == ("learning rate", 0)


def test_each_trained_model_counts_once_by_its_first_cell() -> None:
    assert [(cell.encoder, cell.dataset) for cell in TRAINING.cells(_run())] == [("a", "d"), ("b", "d")]


def test_without_curves_nothing_is_drawn_and_the_command_is_named() -> None:
    run = run_of(cell_of("a"))
    assert TRAINING.panels(run) == []
    assert "python -m jobs.train" in TRAINING.missing(run)[0]
