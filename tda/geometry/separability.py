"""How well a hyperplane separates images from texts (Table I; Fig. 2).

N pairs, D dimensions, S stacked rows (images above texts: S = 2N). Label 1 = text. The classifier is a linear SVM, squared hinge,
C = 1, intercept penalised: minimise ½(‖w‖² + b²) + C Σ max(0, 1 - l(w·z + b))². The minimum is unique. liblinear's Newton method on
the primal (dual=False) reaches it without random numbers; coordinate descent on the dual stops early, at a point that depends on the
seed.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tda.errors import UserError
from tda.geometry.arrays.namespace import check_pairs, namespace, unit_rows
from tda.geometry.arrays.rows import on_device, to_host
from tda.geometry.spectrum.moments import Moments

TOLERANCE = 1e-8  # of the gradient's norm; at the default of 1e-4, predictions for rows near the plane vary
MAX_ITERATIONS = 10_000


@dataclass(frozen=True, kw_only=True)
class Scores:
    """Fractions in [0, 1]; a positive is a text. Precision is 0 where no row is classified as a text."""

    accuracy: float
    precision: float
    recall: float


@dataclass(frozen=True)
class Plane:
    """A fitted classifier: a row z is classified as a text where w·z + b > 0."""

    weight_D: Any
    bias: float

    def decision(self, z_SD: Any) -> Any:
        """Signed distance (S,) of rows (S, D) from the plane, in units of the margin: w·z + b."""
        xp = namespace(z_SD)
        return xp.astype(z_SD, xp.float64) @ self.weight_D + self.bias

    def score(self, image_ND: Any, text_ND: Any) -> Scores:
        """Scores on unit rows (N, D) of both modalities. Raises UserError for rows of another dimension."""
        if image_ND.shape[1] != self.weight_D.shape[0]:
            raise UserError(f"a classifier of {self.weight_D.shape[0]} dimensions cannot score rows of {image_ND.shape[1]}")
        xp = namespace(image_ND)
        wrong = int(xp.count_nonzero(self.decision(image_ND) > 0))
        right = int(xp.count_nonzero(self.decision(text_ND) > 0))
        images, texts = image_ND.shape[0], text_ND.shape[0]
        precision = right / (right + wrong) if right + wrong else 0.0
        return Scores(accuracy=(images - wrong + right) / (images + texts), precision=precision, recall=right / texts)


def linear_svm(image_ND: Any, text_ND: Any, c: float = 1.0) -> Plane:
    """Fit the separating plane to rows (N, D) as given, without normalising: scikit-learn for NumPy, cuML for CuPy. `c` is C above."""
    xp = namespace(image_ND, text_ND)
    z_SD = xp.concat([image_ND, text_ND])
    label_S = xp.concat([xp.zeros(image_ND.shape[0]), xp.ones(text_ND.shape[0])])
    model = _classifier(z_SD, c).fit(*((z_SD, label_S) if on_device(z_SD) else (to_host(z_SD), to_host(label_S))))
    return Plane(xp.reshape(xp.asarray(model.coef_, dtype=xp.float64), (-1,)), float(model.intercept_.reshape(-1)[0]))


def train(image_ND: Any, text_ND: Any, c: float = 1.0) -> Scores:
    """Fit and score on all rows (N, D), the protocol of the original study (Table I)."""
    return linear_svm(image_ND, text_ND, c).score(image_ND, text_ND)


def heldout(image_ND: Any, text_ND: Any, c: float = 1.0) -> Scores:
    """Fit on pairs 0 .. N//2 - 1 and score on the rest; image and text of a pair are on the same side of the split."""
    half = image_ND.shape[0] // 2
    return linear_svm(image_ND[:half, :], text_ND[:half, :], c).score(image_ND[half:, :], text_ND[half:, :])


def principal_plane(image_ND: Any, text_ND: Any) -> tuple[Any, Any, tuple[float, float]]:
    """First two principal components of the stacked, centred rows (Fig. 2).

    Returns the coordinates of images and of texts, (N, 2) each, and the shares of the variance that the components explain.
    """
    xp = namespace(image_ND, text_ND)
    moments = Moments.of(image_ND).merge(Moments.of(text_ND))
    values_D, vectors_DD = moments.principal()
    basis_D2 = vectors_DD[:, :2]
    if moments.dim == 1:
        basis_D2 = xp.concat([basis_D2, xp.zeros_like(basis_D2)], axis=1)
    total = float(xp.sum(values_D))
    share = [float(value) / total if total > 0 else 0.0 for value in to_host(values_D[:2])]
    return (image_ND - moments.mean_D) @ basis_D2, (text_ND - moments.mean_D) @ basis_D2, (share[0], sum(share[1:]))


def metrics(image_ND: Any, text_ND: Any, others: Mapping[str, tuple[Any, Any]] | None = None, c: float = 1.0) -> dict[str, Any]:
    """The `separability` part of metrics.json, for rows (N, D), which are L2-normalised first.

    `others`: name -> images and texts of another data set, on which the classifier fitted on all rows is scored (`transfer`). Raises
    UserError below two pairs, for unequal dimensions, and for a row that is zero or not finite.
    """
    check_pairs(image_ND, text_ND)
    image_ND, text_ND = unit_rows(image_ND, "image"), unit_rows(text_ND, "text")
    plane = linear_svm(image_ND, text_ND, c)
    image_N2, text_N2, explained = principal_plane(image_ND, text_ND)
    transfer = {
        name: vars(plane.score(unit_rows(x, f"{name} image"), unit_rows(y, f"{name} text"))) for name, (x, y) in (others or {}).items()
    }
    return {
        "train": vars(plane.score(image_ND, text_ND)),
        "heldout": vars(heldout(image_ND, text_ND, c)),
        "pca2": {"accuracy": train(image_N2, text_N2, c).accuracy, "explained": list(explained)},
        "transfer": transfer,
        "pairs_used": int(image_ND.shape[0]),
    }


def _classifier(z_SD: Any, c: float) -> Any:
    if not on_device(z_SD):
        from sklearn.svm import LinearSVC

        return LinearSVC(C=c, loss="squared_hinge", dual=False, tol=TOLERANCE, max_iter=MAX_ITERATIONS)
    from cuml.svm import LinearSVC as DeviceLinearSVC

    return DeviceLinearSVC(C=c, loss="squared_hinge", penalized_intercept=True, tol=TOLERANCE, max_iter=MAX_ITERATIONS)
