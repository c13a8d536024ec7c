"""The schema of `conf/analysis`: what is measured on a set of embeddings, and how."""

from dataclasses import dataclass, field

from tda.config.fields import Checked, bounded
from tda.config.sweeps import MultirunConfig
from tda.errors import UserError

PARTS = (
    "gap", "cosine", "separability", "retrieval", "spectrum", "umap", "mixing", "clusters", "placement", "local_dimension", "dimension",
    "homology", "alignment", "gap_measures",
)  # fmt: skip
DEVICES = ("auto", "cpu", "cuda")
SPACES = ("raw", "layout", "pca")
SPECTRUM_METHODS = ("gram", "randomized", "tsqr")
LANDMARK_LIMIT = 5000  # ripser's memory


@dataclass(kw_only=True)
class CosineConfig(Checked, path="analysis.cosine"):
    """Pair and random cosine (Fig. 3)."""

    quantiles: list[float] = bounded([0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99], least=0, most=1)
    bins: int = bounded(200, least=1)  # of the stored histogram over [-1, 1]


@dataclass(kw_only=True)
class SeparabilityConfig(Checked, path="analysis.separability"):
    """Linear SVM on modality (Table I)."""

    c: float = bounded(1.0, above=0)
    max_pairs: int = bounded(50_000, least=2)  # evenly spaced pairs of a larger set; the count used is in the metrics
    transfer: list[str] = field(default_factory=list)  # data sets on which the classifier of this one is scored


@dataclass(kw_only=True)
class RetrievalConfig(Checked, path="analysis.retrieval"):
    """Cross-modal retrieval (Table II)."""

    tile: int = bounded(2048, least=1)  # rows of a similarity tile: the bound of its memory
    max_pairs: int | None = bounded(None, least=2)  # evenly spaced pairs of a larger set; null: all


@dataclass(kw_only=True)
class SpectrumConfig(Checked, path="analysis.spectrum"):
    """Singular values of the covariance (Figs 10 to 12)."""

    collapse_threshold: float = bounded(1e-3, least=0)
    method: str = bounded("gram", choices=SPECTRUM_METHODS)  # gram: one pass | tsqr: two | randomized: the `rank` largest
    rank: int = bounded(50, least=1)  # randomized: values found
    oversample: int = bounded(10, least=0)  # randomized: columns of the sketch beyond them
    power: int = bounded(2, least=0)  # randomized: power iterations, a pass each


@dataclass(kw_only=True)
class UmapConfig(Checked, path="analysis.umap"):
    """The layout of both modalities together (Figs 4, 5, 7, 16, 17)."""

    n_neighbors: int = bounded(15, least=2)  # counts the row itself
    min_dist: float = bounded(0.1, least=0)
    spread: float = bounded(1.0, above=0)
    n_epochs: int | None = bounded(None, least=1)  # null: 200 on the sphere, the library's choice in the plane
    negative_sample_rate: int = bounded(5, least=0)
    learning_rate: float | None = bounded(None, above=0)  # null: 0.3 radians an epoch on the sphere, 1 in the plane
    init: str = bounded("spectral", choices=("spectral", "random"))  # spectral | random
    output: str = bounded("sphere", choices=("sphere", "plane"))  # sphere | plane
    radius: float | None = bounded(
        None, above=0
    )  # of the sphere, in units of min_dist; null: 1, above 10,000 rows the root of rows / 10,000
    max_pairs: int = bounded(50_000, least=2)  # evenly spaced pairs of a larger set
    knn_k: int = bounded(100, least=1)  # neighbours found of each row and stored: the cells of a sweep up to it search only once
    trust_k: int = bounded(15, least=1)  # neighbours that trustworthiness looks at
    trust_rows: int = bounded(2000, least=1)  # rows that it is averaged over, each ranked among all

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.min_dist <= self.spread:
            raise UserError(f"analysis.umap.min_dist={self.min_dist} must lie between 0 and spread={self.spread}")


@dataclass(kw_only=True)
class MixingConfig(Checked, path="analysis.mixing"):
    """Whose modality the nearest neighbours are, in the space and on the layout."""

    k: int = bounded(15, least=1)


@dataclass(kw_only=True)
class ClustersConfig(Checked, path="analysis.clusters"):
    """Density clusters (HDBSCAN) of both modalities together."""

    space: str = bounded("layout", choices=SPACES)  # layout: of the part umap | raw: unit vectors | pca: `components` of them
    min_cluster_size: int | None = bounded(None, least=2)  # null: 10, and above 10,000 fitted rows more, as the root of their number
    min_samples: int | None = bounded(None, least=1)  # null: min_cluster_size; 10 where that was chosen by the rows
    method: str = bounded("eom", choices=("eom", "leaf"))  # eom | leaf
    epsilon: float = bounded(0.0, least=0)  # clusters less than this apart are not split
    engine: str = bounded("auto", choices=("auto", "hdbscan", "fast_hdbscan", "cuml"))  # auto | hdbscan | fast_hdbscan | cuml
    single: bool = False  # one cluster of everything is an answer
    components: int = bounded(12, least=1)  # of space=pca
    max_pairs: int = bounded(1_000_000, least=2)  # evenly spaced pairs that are labelled; on the layout those that are laid out
    sample: int | None = bounded(None, least=2)  # rows of the hierarchy; null: 100,000, or 10,000 above 20 dimensions
    stability_seeds: int = bounded(2, least=1)  # clusterings of other layouts, or of other draws of the rows, that are compared
    stability_sizes: list[int] = bounded([], least=2)  # values of min_cluster_size that are compared; []: it and its double


@dataclass(kw_only=True)
class LocalDimensionConfig(Checked, path="analysis.local_dimension"):
    """Dimension inside clusters against retrieval in them (Figs 13 to 15)."""

    max_clusters: int = bounded(200, least=1)  # the largest; a spectrum costs 16 D² bytes while rows are read
    draws: int = bounded(1000, least=1)  # of the bootstrap over clusters
    max_pairs: int = bounded(50_000, least=1)  # of the labelled pairs: rows from which each cluster's intrinsic dimension is estimated


@dataclass(kw_only=True)
class DimensionConfig(Checked, path="analysis.dimension"):
    """Intrinsic dimension from the distances of neighbours."""

    max_pairs: int = bounded(20_000, least=2)
    discard: float = bounded(0.1, least=0, below=1)  # share of the largest ratios that Two-NN leaves out
    k: int = bounded(20, least=2)  # neighbours of the maximum-likelihood estimate


@dataclass(kw_only=True)
class HomologyConfig(Checked, path="analysis.homology"):
    """Components and loops of landmarks. H1 costs the cube of their number and more."""

    landmarks: int = bounded(200, least=2, most=LANDMARK_LIMIT)
    choice: str = bounded("farthest", choices=("farthest", "random"))  # farthest: covers the space | random: follows the density
    metric: str = bounded("geodesic", choices=("geodesic", "chord"))  # geodesic: radians | chord
    max_degree: int = bounded(1, least=0, most=1)
    max_pairs: int = bounded(20_000, least=2)  # among which landmarks are chosen
    stability_seeds: int = bounded(3, least=1)  # choices of landmarks whose spread is reported; 1: none


@dataclass(kw_only=True)
class AlignmentConfig(Checked, path="analysis.alignment"):
    """How close pairs are, and how evenly rows spread over the sphere (Wang and Isola 2020)."""

    exact_rows: int = bounded(20_000, least=0, most=100_000)  # pairs up to which uniformity is exact, at a cost of their square
    sample_pairs: int = bounded(100_000, least=100, most=1_000_000)  # pairs of rows drawn from a larger set


@dataclass(kw_only=True)
class GapMeasuresConfig(Checked, path="analysis.gap_measures"):
    """The gap as other papers report it: cone, RMG, Frechet distance, two-sample tests, hubs, and one modality's shape in the other."""

    sample: int = bounded(2000, least=16, most=20_000)  # pairs of the measures that cost the square of their number
    k: int = bounded(10, least=1)  # neighbours of hubs, CSLS, mutual neighbours and the test of own modality
    draws: int = bounded(999, least=19)  # exchanges of pairs behind a p-value


@dataclass(kw_only=True)
class CompareConfig(Checked, path="analysis.compare"):
    """Spaces of several encoders on the same pairs, and the paper's predictions."""

    k: int = bounded(10, least=1)  # neighbours of mutual kNN
    sample: int = bounded(500, least=8)  # pairs that are compared
    draws: int = bounded(30, least=2)  # halves of them, for the intervals
    clip: str | None = None  # the encoders that Prediction 1 is about
    cloob: str | None = None
    datasets: list[str] = field(default_factory=list)  # further data sets whose spaces are points of Prediction 2


@dataclass(kw_only=True)
class SweepConfig(MultirunConfig, path="sweep"):
    """The grid of layouts of an experiment (Figs 16, 17); `python -m jobs.analyze -m analysis.umap.<field>=a,b` makes one of its own."""

    n_neighbors: list[int] = bounded([], least=2)  # []: that of analysis.umap
    min_dist: list[float] = bounded([], least=0)  # []: that of analysis.umap
    datasets: list[str] = field(default_factory=list)  # of these data sets
    encoders: list[str] = field(default_factory=list)  # seen by these encoders
    max_pairs: int = bounded(5000, least=2)


@dataclass(kw_only=True)
class AnalysisConfig(Checked, path="analysis"):
    """What is measured on a set of embeddings."""

    parts: list[str] = bounded(list(PARTS), choices=PARTS)  # a part brings those that it rests on
    seed: int = bounded(0, least=0, most=2**31)
    device: str = bounded("auto", choices=DEVICES)  # auto | cpu | cuda: where neighbours, layouts and clusters are computed
    block_rows: int = bounded(65_536, least=1)  # rows a task reads at once
    rows: str = bounded("auto", choices=("auto", "all", "sample"))  # which rows are placed and labelled; auto: all up to 1,000,000 pairs
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
    gap_measures: GapMeasuresConfig = field(default_factory=GapMeasuresConfig)
    compare: CompareConfig = field(default_factory=CompareConfig)
