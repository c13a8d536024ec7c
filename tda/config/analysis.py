"""The schema of `conf/analysis`: what is measured on a set of embeddings, and how. `default.yaml` there says what each field means."""

from dataclasses import dataclass, field

from tda.config.fields import Checked, bounded
from tda.config.sweeps import MultirunConfig
from tda.errors import UserError

PARTS = (
    "gap", "cosine", "separability", "retrieval", "spectrum", "umap", "mixing", "clusters", "placement", "local_dimension", "dimension",
    "homology", "alignment", "gap_measures", "interventions",
)  # fmt: skip
DEVICES = ("auto", "cpu", "cuda")
SPACES = ("raw", "layout", "pca")
DTYPES = ("float16", "float32", "float64")  # the coarsest first
SPECTRUM_METHODS = ("gram", "randomized", "tsqr")
LANDMARK_LIMIT = 5000  # ripser's memory


@dataclass(kw_only=True)
class CosineConfig(Checked, path="analysis.cosine"):
    """Pair and random cosine (Fig. 3)."""

    quantiles: list[float] = bounded([0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99], least=0, most=1)
    bins: int = bounded(200, least=1)


@dataclass(kw_only=True)
class SeparabilityConfig(Checked, path="analysis.separability"):
    """Linear SVM on modality (Table I)."""

    c: float = bounded(1.0, above=0)
    max_pairs: int = bounded(50_000, least=2)
    transfer: list[str] = field(default_factory=list)


@dataclass(kw_only=True)
class RetrievalConfig(Checked, path="analysis.retrieval"):
    """Cross-modal retrieval (Table II)."""

    tile: int = bounded(2048, least=1)
    max_pairs: int | None = bounded(None, least=2)
    queries: int | None = bounded(20_000, least=2)

    def sampled(self, pairs: int) -> int | None:
        """How many of a set's pairs are drawn as queries; None where every pair is one."""
        candidates = pairs if self.max_pairs is None else min(pairs, self.max_pairs)
        return self.queries if self.queries is not None and self.queries < candidates else None


@dataclass(kw_only=True)
class SpectrumConfig(Checked, path="analysis.spectrum"):
    """Singular values of the covariance (Figs 10 to 12)."""

    collapse_threshold: float = bounded(1e-3, least=0)
    method: str = bounded("gram", choices=SPECTRUM_METHODS)
    rank: int = bounded(50, least=1)
    oversample: int = bounded(10, least=0)
    power: int = bounded(2, least=0)
    origin_dtype: str | None = bounded(None, choices=(*DTYPES, None))

    def stored(self, dtype: str) -> str:
        """The coarser of the type that rows are stored in and that which they had before: it decides the floor of the spectrum."""
        return dtype if self.origin_dtype is None else min(dtype, self.origin_dtype, key=DTYPES.index)


@dataclass(kw_only=True)
class UmapConfig(Checked, path="analysis.umap"):
    """The layout of both modalities together (Figs 4, 5, 7, 16, 17)."""

    n_neighbors: int = bounded(15, least=2)
    min_dist: float = bounded(0.1, least=0)
    spread: float = bounded(1.0, above=0)
    n_epochs: int | None = bounded(None, least=1)
    negative_sample_rate: int = bounded(5, least=0)
    learning_rate: float | None = bounded(None, above=0)
    init: str = bounded("spectral", choices=("spectral", "random"))
    output: str = bounded("sphere", choices=("sphere", "plane"))
    radius: float | None = bounded(
        None, above=0
    )  # of the sphere, in units of min_dist; null: 1, above 10,000 rows the root of rows / 10,000
    max_pairs: int = bounded(50_000, least=2)
    knn_k: int = bounded(100, least=1)
    trust_k: int = bounded(15, least=1)
    trust_rows: int = bounded(2000, least=1)

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

    space: str = bounded("layout", choices=SPACES)
    min_cluster_size: int | None = bounded(None, least=2)
    min_samples: int | None = bounded(None, least=1)
    method: str = bounded("eom", choices=("eom", "leaf"))
    epsilon: float = bounded(0.0, least=0)
    engine: str = bounded("auto", choices=("auto", "hdbscan", "fast_hdbscan", "cuml"))
    single: bool = False
    components: int = bounded(12, least=1)
    max_pairs: int = bounded(1_000_000, least=2)
    sample: int | None = bounded(None, least=2)
    stability_seeds: int = bounded(2, least=1)
    stability_sizes: list[int] = bounded([], least=2)


@dataclass(kw_only=True)
class LocalDimensionConfig(Checked, path="analysis.local_dimension"):
    """Dimension inside clusters against retrieval in them (Figs 13 to 15)."""

    max_clusters: int = bounded(200, least=1)
    draws: int = bounded(1000, least=1)
    max_pairs: int = bounded(50_000, least=1)
    queries: int = bounded(30, least=0)


@dataclass(kw_only=True)
class DimensionConfig(Checked, path="analysis.dimension"):
    """Intrinsic dimension from the distances of neighbours."""

    max_pairs: int = bounded(20_000, least=2)
    discard: float = bounded(0.1, least=0, below=1)
    k: int = bounded(20, least=2)


@dataclass(kw_only=True)
class HomologyConfig(Checked, path="analysis.homology"):
    """Components and loops of landmarks. H1 costs the cube of their number and more."""

    landmarks: int = bounded(200, least=2, most=LANDMARK_LIMIT)
    choice: str = bounded("farthest", choices=("farthest", "random"))
    metric: str = bounded("geodesic", choices=("geodesic", "chord"))
    max_degree: int = bounded(1, least=0, most=1)
    max_pairs: int = bounded(20_000, least=2)
    stability_seeds: int = bounded(3, least=1)


@dataclass(kw_only=True)
class AlignmentConfig(Checked, path="analysis.alignment"):
    """How close pairs are, and how evenly rows spread over the sphere (Wang and Isola 2020)."""

    exact_rows: int = bounded(20_000, least=0, most=100_000)
    sample_pairs: int = bounded(100_000, least=100, most=1_000_000)


@dataclass(kw_only=True)
class GapMeasuresConfig(Checked, path="analysis.gap_measures"):
    """The gap as other papers report it: cone, RMG, Frechet distance, two-sample tests, hubs, and one modality's shape in the other."""

    sample: int = bounded(2000, least=16, most=20_000)
    k: int = bounded(10, least=1)
    draws: int = bounded(999, least=19)


@dataclass(kw_only=True)
class InterventionsConfig(Checked, path="analysis.interventions"):
    """Retrieval after the gap is changed: shifted along it, centred, without the dimensions of largest gap, rotated."""

    sample: int = bounded(4000, least=16, most=50_000)
    shifts: list[float] = bounded([-0.5, 0.5, 0.75, 1.0, 1.25, 1.5], least=-10, most=10)
    dropped: list[int] = bounded([1, 2, 4, 8, 16, 32], least=1)
    draws: int = bounded(1000, least=100)


@dataclass(kw_only=True)
class CompareConfig(Checked, path="analysis.compare"):
    """Spaces of several encoders on the same pairs, and the paper's predictions."""

    k: int = bounded(10, least=1)
    sample: int = bounded(500, least=8)
    draws: int = bounded(30, least=2)
    clip: str | None = None
    cloob: str | None = None
    datasets: list[str] = field(default_factory=list)


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

    parts: list[str] = bounded(list(PARTS), choices=PARTS)
    seed: int = bounded(0, least=0, most=2**31)
    device: str = bounded("auto", choices=DEVICES)
    block_rows: int = bounded(65_536, least=1)
    rows: str = bounded("auto", choices=("auto", "all", "sample"))
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
    interventions: InterventionsConfig = field(default_factory=InterventionsConfig)
    compare: CompareConfig = field(default_factory=CompareConfig)
