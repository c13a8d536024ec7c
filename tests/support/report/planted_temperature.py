"""A run of nothing but a sweep over temperature and seed, with gaps by a rule."""

from collections.abc import Callable
from itertools import product
from typing import Any

from tda.config.stages import ReportConfig
from tda.report.data.load import Run
from tda.report.data.sweeps import Sweep

ARMS = {"toy_infonce": "InfoNCE", "toy_infoloob": "InfoLOOB", "toy_cloob": "InfoLOOB + Hopfield"}
Rule = Callable[[str, float, int], float]  # encoder, 1 / temperature, seed -> gap


def temperature_run(gap: Rule, taus: tuple[float, ...] = (30.0, 100.0), seeds: tuple[int, ...] = (0, 1, 2), **changed: Any) -> Run:
    cells = [
        {
            "cell": f"c{tau}-{seed}",
            "values": {"train.inv_tau": tau, "train.seed": seed},
            "state": "whole",
            "numbers": {
                f"toy.v2.{encoder}.{path}": value
                for encoder in ARMS
                for path, value in (("gap.centroid_distance", gap(encoder, tau, seed)), ("mixing.ambient", 0.5), ("gap.relative", 9.0))
            },
        }
        for tau, seed in product(taus, seeds)
    ]
    fields: dict[str, Any] = {
        "name": "s",
        "job": "paper",
        "keys": ("train.inv_tau", "train.seed"),
        "objective": None,
        "cells": tuple(cells),
    }
    return Run(root="r", config=ReportConfig(ablation=dict(ARMS)), cells=(), sweeps=(Sweep(**{**fields, **changed}),))
