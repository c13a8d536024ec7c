"""Clusters of prompts: planted groups are found, equal prompts are together, few prompts are few clusters."""

import numpy as np
import pytest

from tda.errors import UserError
from tda.geometry.diversity.prompts import prompt_clusters


def test_planted_groups_and_their_number() -> None:
    centres = 10 * np.random.default_rng(0).standard_normal((15, 8))
    rows = np.repeat(centres, 4, axis=0) + 0.01 * np.random.default_rng(1).standard_normal((60, 8))
    found = prompt_clusters(rows)
    assert len(set(found)) == 15
    assert all(len(set(found[place : place + 4])) == 1 for place in range(0, 60, 4))
    assert (found == prompt_clusters(rows)).all()


def test_equal_prompts_are_together_and_there_are_no_more_clusters_than_prompts() -> None:
    assert len(set(prompt_clusters(np.repeat(np.eye(3), 20, axis=0)))) == 3
    assert set(prompt_clusters(np.eye(3))) == {0}
    assert len(set(prompt_clusters(np.random.default_rng(0).standard_normal((400, 5))))) == 60
    with pytest.raises(UserError, match="no prompts"):
        prompt_clusters(np.empty((0, 3)))
