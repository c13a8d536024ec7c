"""The rule, and groups of near rows."""

import numpy as np
import pytest

from tda.errors import UserError
from tda.geometry.duplicates import Groups, Rule, near_edges, unit_pair

IMAGE = np.array([0.99, 0.99, 0.10, 0.10, 0.95])
TEXT = np.array([0.99, 0.10, 0.99, 0.10, 0.90])


@pytest.mark.parametrize(
    ("name", "found"),
    [("image", [1, 1, 0, 0, 1]), ("text", [1, 0, 1, 0, 1]), ("both", [1, 0, 0, 0, 1]), ("either", [1, 1, 1, 0, 1])],
)
def test_each_rule_asks_its_own_modalities(name: str, found: list[int]) -> None:
    rule = Rule(name=name, image=0.95, text=0.90)
    given = {"image": IMAGE, "text": TEXT}
    asked = {other: cosine if other in rule.needs else None for other, cosine in given.items()}
    assert rule.holds(asked["image"], asked["text"]).tolist() == [bool(x) for x in found]


def test_an_unknown_rule_names_the_choices() -> None:
    with pytest.raises(UserError, match="rule='all' is unknown; choose one of: image, text, both, either"):
        Rule(name="all", image=1, text=1)


def test_groups_are_transitive_and_known_by_their_first_row_in_any_order_of_edges() -> None:
    edges = [(9, 4), (7, 2), (4, 7), (0, 1), (5, 5), (1, 3)]
    for order in (edges, edges[::-1], [(b, a) for a, b in edges]):
        groups = Groups(10)
        for one, other in order:
            groups.join(np.array([one]), np.array([other]))
        assert groups.first().tolist() == [0, 0, 2, 0, 2, 5, 6, 2, 8, 2]
    together = Groups(10)
    together.join(*np.array(edges).T)
    assert together.first().tolist() == [0, 0, 2, 0, 2, 5, 6, 2, 8, 2]


def test_groups_of_random_edges_are_the_components() -> None:
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    rng = np.random.default_rng(3)
    left, right = rng.integers(0, 500, (2, 300))
    groups = Groups(500)
    for part in np.array_split(np.arange(300), 17):
        groups.join(left[part], right[part])
    _, label = connected_components(coo_array((np.ones(300), (left, right)), shape=(500, 500)), directed=False)
    first = np.array([np.flatnonzero(label == mine)[0] for mine in label])
    assert np.array_equal(groups.first(), first)


@pytest.mark.parametrize("dtype", ["float16", "float32"])
@pytest.mark.parametrize("name", ["image", "both"])
def test_near_edges_are_those_of_brute_force(name: str, dtype: str) -> None:
    rng = np.random.default_rng(0)
    image_ND, text_ND = rng.standard_normal((2, 60, 6))
    image_ND[40:] = image_ND[:20] + 0.02 * rng.standard_normal((20, 6))
    text_ND[50:] = text_ND[10:20] + 0.02 * rng.standard_normal((10, 6))
    one, other = (
        unit_pair(image_ND[:25].astype(dtype), text_ND[:25].astype(dtype)),
        unit_pair(image_ND.astype(dtype), text_ND.astype(dtype)),
    )
    rule = Rule(name=name, image=0.98, text=0.98)
    left_E, right_E = near_edges(one, other, rule)
    cosine = [a.astype(np.float64) @ b.T.astype(np.float64) for a, b in zip(one, other, strict=True)]
    wanted = rule.holds(*cosine)
    assert set(zip(left_E.tolist(), right_E.tolist(), strict=True)) == set(zip(*(x.tolist() for x in np.nonzero(wanted)), strict=True))
    assert wanted.sum() > 25
