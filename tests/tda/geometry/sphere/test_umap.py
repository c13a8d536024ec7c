"""The layout on the sphere: its laws, real models, bad input. N rows, D dimensions, K neighbours."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import sparse

from tda.errors import UserError
from tda.geometry.mixing import layout_neighbors, modality_mixing, trustworthiness
from tda.geometry.neighbors.graph import knn_graph
from tda.geometry.sphere.fuzzy_graph import fuzzy_graph
from tda.geometry.sphere.init import random_start
from tda.geometry.sphere.umap import SphereUMAP, angles, sweep


def clusters(per: int = 60, count: int = 5, dim: int = 32, seed: int = 0) -> Any:
    rng = np.random.default_rng(seed)
    x_ND = np.repeat(rng.normal(size=(count, dim)), per, axis=0) + 0.3 * rng.normal(size=(per * count, dim))
    return x_ND / np.linalg.norm(x_ND, axis=1, keepdims=True)


def small_graph(count: int = 40, seed: int = 0) -> Any:
    half = sparse.random(count, count, density=0.15, random_state=np.random.default_rng(seed), format="csr")
    return half.maximum(half.T)


@pytest.fixture(scope="module")
def planted() -> tuple[Any, Any, Any]:
    """Rows, neighbour graph and fuzzy graph of five clusters."""
    x_ND = clusters()
    knn = knn_graph(x_ND, 99)
    return x_ND, knn, fuzzy_graph(knn, 15, device="cpu")


def test_a_seed_repeats_itself_and_differs_from_another(planted: Any) -> None:
    graph = planted[2]
    first, again, other = (SphereUMAP(seed=seed, device="cpu").layout(graph) for seed in (3, 3, 4))
    assert first.tobytes() == again.tobytes()
    assert first.tobytes() != other.tobytes()


WHOLE = """
import hashlib, sys
import numpy as np
from tda.geometry.sphere.umap import SphereUMAP
x = np.load(sys.argv[1])
print(*(hashlib.sha256(SphereUMAP(device="cpu", seed=5, threads=t).fit_transform(x).tobytes()).hexdigest() for t in (1, int(sys.argv[2]))))
"""


def test_the_number_of_threads_changes_no_bit(tmp_path: Path) -> None:
    x_ND = clusters(per=100)
    x_ND[10:40] = x_ND[0]  # equal rows: where a mean over all rows decides a bandwidth
    np.save(tmp_path / "x.npy", x_ND)
    hashes = set()
    for threads in ("1", "2"):
        environment = {**os.environ, "OMP_NUM_THREADS": threads, "OPENBLAS_NUM_THREADS": threads, "NUMBA_NUM_THREADS": threads}
        command = [sys.executable, "-c", WHOLE, str(tmp_path / "x.npy"), threads]
        hashes |= set(subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout.split())
    assert len(hashes) == 1


def test_there_are_no_poles() -> None:
    """A start that is turned gives the layout turned, wherever the poles come to lie."""
    graph, start_N3 = small_graph(200), random_start(200, 1)
    turn_33 = np.linalg.qr(np.random.default_rng(2).normal(size=(3, 3)))[0]
    plain_N3 = SphereUMAP(n_epochs=5, device="cpu").layout(graph, init=start_N3)
    turned_N3 = SphereUMAP(n_epochs=5, device="cpu").layout(graph, init=start_N3 @ turn_33)
    np.testing.assert_allclose(turned_N3, plain_N3 @ turn_33, atol=1e-4)  # rounding, fed back through 5 epochs


@pytest.mark.parametrize("init", ["spectral", "random"])
@pytest.mark.parametrize(("n_neighbors", "min_dist", "least"), [(5, 0.0, 0.93), (15, 0.1, 0.95), (100, 0.0, 0.9), (100, 0.8, 0.8)])
def test_planted_clusters_keep_their_neighbours(planted: Any, init: str, n_neighbors: int, min_dist: float, least: float) -> None:
    x_ND, knn, _ = planted
    layout_N3 = SphereUMAP(n_neighbors, min_dist, init=init, device="cpu").fit_transform(x_ND, knn)
    np.testing.assert_allclose(np.linalg.norm(layout_N3, axis=1), 1.0, atol=1e-6)
    assert layout_N3.dtype == np.float32
    assert trustworthiness(x_ND, layout_N3) > least


def test_min_dist_spreads_what_it_should(planted: Any) -> None:
    def nearest_angle(min_dist: float) -> float:
        layout_N3 = SphereUMAP(min_dist=min_dist, device="cpu").layout(planted[2]).astype(np.float64)
        near_N3 = layout_N3[layout_neighbors(layout_N3, 1)[:, 0]]
        return float(np.median(np.linalg.norm(layout_N3 - near_N3, axis=1)))

    assert nearest_angle(0.0) < nearest_angle(0.4) < nearest_angle(0.8)


def test_a_sweep_is_its_cells(planted: Any) -> None:
    x_ND, knn, _ = planted
    cells = list(sweep(knn, (5, 30), (0.0, 0.8), n_epochs=20, seed=2, device="cpu"))
    assert [(cell.n_neighbors, cell.min_dist) for cell in cells] == [(5, 0.0), (5, 0.8), (30, 0.0), (30, 0.8)]
    alone = SphereUMAP(30, 0.8, n_epochs=20, seed=2, device="cpu").fit_transform(x_ND)
    assert cells[3].embedding.tobytes() == alone.tobytes()


def test_new_rows_come_to_lie_among_their_own(planted: Any) -> None:
    x_ND = planted[0]
    new_MD = clusters(seed=0)[::7] + 0.05 * np.random.default_rng(9).normal(size=(43, 32))
    model = SphereUMAP(device="cpu")
    fitted_N3 = model.fit_transform(x_ND)
    placed_M3 = model.transform(new_MD)
    np.testing.assert_allclose(np.linalg.norm(placed_M3, axis=1), 1.0, atol=1e-6)
    nearest_M = (placed_M3 @ fitted_N3.T).argmax(axis=1)
    assert (nearest_M // 60 == np.arange(0, 300, 7) // 60).all()
    assert model.transform(new_MD).tobytes() == placed_M3.tobytes()
    assert model.embedding.tobytes() == fitted_N3.tobytes()


def test_angles_give_the_vectors_back() -> None:
    layout_N3 = random_start(100, 0)
    colatitude_N, longitude_N = angles(layout_N3)
    ring_N = np.sin(colatitude_N)
    back_N3 = np.stack([ring_N * np.cos(longitude_N), ring_N * np.sin(longitude_N), np.cos(colatitude_N)], axis=1)
    np.testing.assert_allclose(back_N3, layout_N3, atol=1e-12)
    assert colatitude_N.min() >= 0
    assert colatitude_N.max() <= np.pi


def test_the_plane_is_umap_learns(planted: Any) -> None:
    x_ND, knn, _ = planted
    model = SphereUMAP(output="plane", n_epochs=30, device="cpu")
    flat_N2 = model.fit_transform(x_ND, knn)
    assert flat_N2.shape == (300, 2)
    assert trustworthiness(x_ND, flat_N2) > 0.9
    with pytest.raises(UserError, match="only of a layout on the sphere"):
        model.angles()


def real_rows(shared_data: Path, name: str) -> Any:
    if name.startswith("clip_vitb16"):
        file = np.load(shared_data / f"{name}.npz")
        return np.concatenate([file["image"], file["text"]]).astype(np.float64)
    value_D, vector_ND = np.linalg.eigh(np.load(shared_data / "ablation_grams_coco100.npz")[name].astype(np.float64))
    return vector_ND * np.sqrt(value_D.clip(0))


@pytest.mark.parametrize(
    ("name", "least", "most"),
    [
        ("clip_vitb16_coco500", 0.0, 0.01),
        ("clip_vitb16_random_coco500", 0.0, 0.01),
        ("clip", 0.0, 0.15),  # InfoNCE: apart, at a seventh of chance
        ("cloob_infoNCE", 0.3, 0.6),  # the other three arms: interwoven
        ("clip_infoLOOB", 0.4, 0.6),
        ("cloob", 0.4, 0.6),
    ],
)
def test_modalities_of_real_models_lie_as_their_numbers_say(shared_data: Path, name: str, least: float, most: float) -> None:
    x_ND = real_rows(shared_data, name)
    layout_N3 = SphereUMAP(device="cpu").fit_transform(x_ND)
    other = modality_mixing(layout_neighbors(layout_N3), np.repeat([0, 1], len(x_ND) // 2)).other
    assert least <= other <= most


def test_a_rotation_of_the_rows_changes_less_than_a_seed(shared_data: Path) -> None:
    x_ND = real_rows(shared_data, "clip_vitb16_coco500")
    turn_DD = np.linalg.qr(np.random.default_rng(1).normal(size=(512, 512)))[0]

    def measured(rows_ND: Any, seed: int) -> float:
        return trustworthiness(x_ND, SphereUMAP(seed=seed, device="cpu").fit_transform(rows_ND))

    base = measured(x_ND, 0)
    assert abs(measured(x_ND @ turn_DD, 0) - base) < abs(measured(x_ND, 1) - base)


def test_too_few_rows_cut_the_neighbours_and_say_so() -> None:
    model = SphereUMAP(15, device="cpu")
    layout_N3 = model.fit_transform(clusters(per=2, count=3))
    assert layout_N3.shape == (6, 3)
    assert np.isfinite(layout_N3).all()
    assert model.notes == ["n_neighbors=15 is cut to 5: there are 6 rows"]
    assert SphereUMAP(device="cpu").fit_transform(clusters(per=1, count=3)).shape == (3, 3)


def test_equal_rows_give_a_layout_and_a_note() -> None:
    model = SphereUMAP(5, device="cpu")
    layout_N3 = model.fit_transform(np.ones((50, 8)))
    assert np.isfinite(layout_N3).all()
    assert any("every row equals" in note for note in model.notes)


def test_duplicates_and_lonely_vertices_stay_finite(planted: Any) -> None:
    doubled_ND = np.repeat(planted[0][::3], 3, axis=0)
    assert np.isfinite(SphereUMAP(10, device="cpu").fit_transform(doubled_ND)).all()
    lonely = sparse.block_diag([small_graph(30), sparse.csr_array((3, 3))]).tocsr()
    model = SphereUMAP(device="cpu")
    assert np.isfinite(model.layout(lonely)).all()
    assert any(note.startswith("3 of 33 rows have no neighbour") for note in model.notes)
    assert np.isfinite(model.layout(sparse.csr_array((5, 5)))).all()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: SphereUMAP().fit_transform(np.ones((2, 4))), "at least 3 rows"),
        (lambda: SphereUMAP().fit_transform(np.where(np.arange(80).reshape(20, 4) == 9, np.nan, 1.0)), "row 2 has norm nan"),
        (lambda: SphereUMAP(init="pca"), "init='pca' is unknown"),
        (lambda: SphereUMAP(output="torus"), "output='torus' is unknown"),
        (lambda: SphereUMAP(n_neighbors=1), "n_neighbors=1 is too small"),
        (lambda: SphereUMAP(min_dist=2.0), "min_dist=2.0 must lie between 0 and spread=1.0"),
        (lambda: SphereUMAP(seed=-1), "seed=-1"),
        (lambda: SphereUMAP(device="tpu"), "device='tpu' is unknown"),
        (lambda: SphereUMAP(threads=10_000, device="cpu").layout(small_graph()), "threads=10000"),
        (lambda: SphereUMAP().transform(np.ones((2, 4))), "transform needs a layout on the sphere"),
        (lambda: SphereUMAP().angles(), "call fit_transform or layout first"),
        (lambda: SphereUMAP().layout(sparse.csr_array((3, 4))), "must be square"),
        (lambda: SphereUMAP(5).fit_transform(clusters(), knn_graph(clusters(per=10), 10)), "of 50 rows, the data of 300"),
        (lambda: SphereUMAP(50).fit_transform(clusters(), knn_graph(clusters(), 10)), "49 neighbours are wanted of a graph that holds 10"),
    ],
)
def test_mistakes_are_one_clear_line(call: Any, message: str) -> None:
    with pytest.raises(UserError, match=message) as caught:
        call()
    assert "\n" not in str(caught.value)


def test_import_waits_for_nothing() -> None:
    code = (
        "import sys, tda.geometry.sphere, tda.geometry.mixing; print(any(m in sys.modules for m in ('numba', 'umap', 'cupy', 'sklearn')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.strip() == "False"
