"""The schema of `conf/analysis`: what is measured on a set of embeddings, and how. `tda.config` gives these names out again."""

from dataclasses import dataclass, field

from tda.checks import at_least, one_of, within
from tda.errors import UserError

PARTS = (
    "gap", "cosine", "separability", "retrieval", "spectrum", "umap", "mixing", "clusters", "local_dimension", "dimension", "homology",
    "alignment",
)  # fmt: skip
DEVICES = ("auto", "cpu", "cuda")
SPACES = ("raw", "layout", "pca")
SPECTRUM_METHODS = ("gram", "randomized", "tsqr")
LANDMARK_LIMIT = 5000  # ripser's memory


@dataclass(kw_only=True)
class CosineConfig:
    """Pair and random cosine (Fig. 3)."""

    quantiles: list[float] = field(default_factory=lambda: [0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99])
    bins: int = 200  # of the stored histogram over [-1, 1]

    def __post_init__(self) -> None:
        at_least("analysis.cosine.bins", self.bins, 1)
        for share in self.quantiles:
            if not 0 <= share <= 1:
                raise UserError(f"analysis.cosine.quantiles={self.quantiles} holds {share}; a quantile lies in [0, 1]")


@dataclass(kw_only=True)
class SeparabilityConfig:
    """Linear SVM on modality (Table I)."""

    c: float = 1.0
    max_pairs: int = 50_000  # evenly spaced pairs of a larger set; the count used is in the metrics
    transfer: list[str] = field(default_factory=list)  # data sets on which the classifier of this one is scored

    def __post_init__(self) -> None:
        at_least("analysis.separability.max_pairs", self.max_pairs, 2)
        if self.c <= 0:
            raise UserError(f"analysis.separability.c={self.c} is too small; it must be above 0")


@dataclass(kw_only=True)
class RetrievalConfig:
    """Cross-modal retrieval (Table II)."""

    tile: int = 2048  # rows of a similarity tile: the bound of its memory
    max_pairs: int | None = None  # evenly spaced pairs of a larger set; null: all

    def __post_init__(self) -> None:
        at_least("analysis.retrieval.tile", self.tile, 1)
        at_least("analysis.retrieval.max_pairs", self.max_pairs, 2)


@dataclass(kw_only=True)
class SpectrumConfig:
    """Singular values of the covariance (Figs 10 to 12)."""

    collapse_threshold: float = 1e-3
    method: str = "gram"  # gram: one pass | tsqr: two, the checker | randomized: the `rank` largest, for a large dimension
    rank: int = 50  # randomized: values found
    oversample: int = 10  # randomized: columns of the sketch beyond them
    power: int = 2  # randomized: power iterations, a pass each

    def __post_init__(self) -> None:
        one_of("analysis.spectrum.method", self.method, SPECTRUM_METHODS)
        at_least("analysis.spectrum.rank", self.rank, 1)
        at_least("analysis.spectrum.oversample", self.oversample, 0)
        at_least("analysis.spectrum.power", self.power, 0)


@dataclass(kw_only=True)
class UmapConfig:
    """The layout of both modalities together (Figs 4, 5, 7, 16, 17)."""

    n_neighbors: int = 15  # counts the row itself
    min_dist: float = 0.1
    spread: float = 1.0
    n_epochs: int | None = None  # null: 200 on the sphere, the library's choice in the plane
    negative_sample_rate: int = 5
    learning_rate: float | None = None  # null: 0.3 radians an epoch on the sphere, 1 in the plane
    init: str = "spectral"  # spectral | random
    output: str = "sphere"  # sphere | plane
    max_pairs: int = 50_000  # evenly spaced pairs of a larger set
    knn_k: int = 100  # neighbours found of each row and stored: the cells of a sweep up to it search only once
    trust_k: int = 15  # neighbours that trustworthiness looks at
    trust_rows: int = 2000  # rows that it is averaged over, each ranked among all

    def __post_init__(self) -> None:
        one_of("analysis.umap.init", self.init, ("spectral", "random"))
        one_of("analysis.umap.output", self.output, ("sphere", "plane"))
        at_least("analysis.umap.n_neighbors", self.n_neighbors, 2)
        at_least("analysis.umap.n_epochs", self.n_epochs, 1)
        for name, least in (("negative_sample_rate", 0), ("max_pairs", 2), ("knn_k", 1), ("trust_k", 1), ("trust_rows", 1)):
            at_least(f"analysis.umap.{name}", getattr(self, name), least)
        if not 0 <= self.min_dist <= self.spread:
            raise UserError(f"analysis.umap.min_dist={self.min_dist} must lie between 0 and spread={self.spread}")


@dataclass(kw_only=True)
class MixingConfig:
    """Whose modality the nearest neighbours are, in the space and on the layout."""

    k: int = 15

    def __post_init__(self) -> None:
        at_least("analysis.mixing.k", self.k, 1)


@dataclass(kw_only=True)
class ClustersConfig:
    """Density clusters (HDBSCAN) of both modalities together."""

    space: str = "layout"  # layout: of the part umap | raw: the unit vectors | pca: their first principal components
    min_cluster_size: int = 10
    min_samples: int | None = None  # null: min_cluster_size
    method: str = "eom"  # eom | leaf
    epsilon: float = 0.0  # clusters less than this apart are not split
    engine: str = "auto"  # auto | hdbscan | fast_hdbscan | cuml
    single: bool = False  # one cluster of everything is an answer
    components: int = 12  # of space=pca
    max_pairs: int = 1_000_000  # evenly spaced pairs that are labelled; on the layout those that are laid out
    sample: int | None = None  # rows that the hierarchy is built on, the others are assigned; null: 100,000, or 10,000 above 20 dimensions
    stability_seeds: int = 2  # clusterings of other layouts, or of other draws of the rows, that are compared
    stability_sizes: list[int] = field(default_factory=list)  # values of min_cluster_size that are compared; []: it and its double

    def __post_init__(self) -> None:
        one_of("analysis.clusters.space", self.space, SPACES)
        one_of("analysis.clusters.method", self.method, ("eom", "leaf"))
        one_of("analysis.clusters.engine", self.engine, ("auto", "hdbscan", "fast_hdbscan", "cuml"))
        least = {"min_cluster_size": 2, "min_samples": 1, "components": 1, "max_pairs": 2, "sample": 2, "epsilon": 0, "stability_seeds": 1}
        for name, smallest in least.items():
            at_least(f"analysis.clusters.{name}", getattr(self, name), smallest)
        for size in self.stability_sizes:
            at_least("analysis.clusters.stability_sizes", size, 2)


@dataclass(kw_only=True)
class LocalDimensionConfig:
    """Dimension inside clusters against retrieval in them (Figs 13 to 15)."""

    max_clusters: int = 200  # the largest; a spectrum costs 16 D² bytes while rows are read
    draws: int = 1000  # of the bootstrap over clusters
    max_pairs: int = 50_000  # of the labelled pairs: rows from which each cluster's intrinsic dimension is estimated

    def __post_init__(self) -> None:
        for name in ("max_clusters", "draws", "max_pairs"):
            at_least(f"analysis.local_dimension.{name}", getattr(self, name), 1)


@dataclass(kw_only=True)
class DimensionConfig:
    """Intrinsic dimension from the distances of neighbours."""

    max_pairs: int = 20_000
    discard: float = 0.1  # share of the largest ratios that Two-NN leaves out
    k: int = 20  # neighbours of the maximum-likelihood estimate

    def __post_init__(self) -> None:
        at_least("analysis.dimension.max_pairs", self.max_pairs, 2)
        at_least("analysis.dimension.k", self.k, 2)
        if not 0 <= self.discard < 1:
            raise UserError(f"analysis.dimension.discard={self.discard} is out of range; it must be at least 0 and below 1")


@dataclass(kw_only=True)
class HomologyConfig:
    """Components and loops of landmarks. H1 costs the cube of their number and more."""

    landmarks: int = 200
    choice: str = "farthest"  # farthest: covers the space, outliers first | random: stands for where rows are dense
    metric: str = "geodesic"  # geodesic: radians | chord
    max_degree: int = 1
    max_pairs: int = 20_000  # among which landmarks are chosen
    stability_seeds: int = 3  # choices of landmarks whose spread is told; 1: none

    def __post_init__(self) -> None:
        within("analysis.homology.landmarks", self.landmarks, 2, LANDMARK_LIMIT)
        one_of("analysis.homology.choice", self.choice, ("farthest", "random"))
        one_of("analysis.homology.metric", self.metric, ("geodesic", "chord"))
        within("analysis.homology.max_degree", self.max_degree, 0, 1)
        at_least("analysis.homology.max_pairs", self.max_pairs, 2)
        at_least("analysis.homology.stability_seeds", self.stability_seeds, 1)


@dataclass(kw_only=True)
class AlignmentConfig:
    """How close pairs are, and how evenly rows spread over the sphere (Wang and Isola 2020)."""

    exact_rows: int = 20_000  # pairs up to which uniformity is exact, at a cost of their square
    sample_pairs: int = 100_000  # pairs of rows drawn from a larger set

    def __post_init__(self) -> None:
        within("analysis.alignment.exact_rows", self.exact_rows, 0, 100_000)
        within("analysis.alignment.sample_pairs", self.sample_pairs, 100, 1_000_000)


@dataclass(kw_only=True)
class CompareConfig:
    """Spaces of several encoders on the same pairs, and the paper's predictions."""

    k: int = 10  # neighbours of mutual kNN
    sample: int = 500  # pairs that are compared
    draws: int = 30  # halves of them, for the intervals
    clip: str | None = None  # the encoders that Prediction 1 is about
    cloob: str | None = None
    datasets: list[str] = field(default_factory=list)  # further data sets whose spaces are points of Prediction 2

    def __post_init__(self) -> None:
        at_least("analysis.compare.k", self.k, 1)
        at_least("analysis.compare.sample", self.sample, 8)
        at_least("analysis.compare.draws", self.draws, 2)


@dataclass(kw_only=True)
class SweepConfig:
    """The grid of layouts of an experiment (Figs 16, 17); `python -m jobs.analyze -m analysis.umap.<field>=a,b` makes one of its own."""

    n_neighbors: list[int] = field(default_factory=list)  # []: that of analysis.umap
    min_dist: list[float] = field(default_factory=list)  # []: that of analysis.umap
    datasets: list[str] = field(default_factory=list)  # of these data sets
    encoders: list[str] = field(default_factory=list)  # seen by these encoders
    max_pairs: int = 5000

    def __post_init__(self) -> None:
        at_least("sweep.max_pairs", self.max_pairs, 2)
        for k in self.n_neighbors:
            at_least("sweep.n_neighbors", k, 2)


@dataclass(kw_only=True)
class AnalysisConfig:
    """What is measured on a set of embeddings."""

    parts: list[str] = field(default_factory=lambda: list(PARTS))  # a part brings those that it rests on
    seed: int = 0
    device: str = "auto"  # auto | cpu | cuda: where neighbours, layouts and clusters are computed
    block_rows: int = 65_536  # rows a task reads at once
    cosine: CosineConfig = field(default_factory=CosineConfig)
    separability: SeparabilityConfig = field(default_factory=SeparabilityConfig)
    retrieval: RetrievalConfig = field(default_factory=RetrievalConfig)
    spectrum: SpectrumConfig = field(default_factory=SpectrumConfig)
    umap: UmapConfig = field(default_factory=UmapConfig)
    mixing: MixingConfig = field(default_factory=MixingConfig)
    clusters: ClustersConfig = field(default_factory=ClustersConfig)
    local_dimension: LocalDimensionConfig = field(default_factory=LocalDimensionConfig)
    dimension: DimensionConfig = field(default_factory=DimensionConfig)
    homology: HomologyConfig = field(default_factory=HomologyConfig)
    alignment: AlignmentConfig = field(default_factory=AlignmentConfig)
    compare: CompareConfig = field(default_factory=CompareConfig)

    def __post_init__(self) -> None:
        at_least("analysis.block_rows", self.block_rows, 1)
        within("analysis.seed", self.seed, 0, 2**31)
        one_of("analysis.device", self.device, DEVICES)
        for part in self.parts:
            one_of("analysis.parts", part, PARTS)
