"""How many dimensions does a cluster take, and does that predict retrieval in it?"""

from tda.report.topics.local_dimension import clusters_figure, figure, findings, top
from tda.report.topics.local_dimension.tables import local
from tda.report.topics.topic import Headline, Topic

CLUSTERS = Topic(
    section="dimension",
    reads=("metrics.per_cluster", "metrics.spectrum", "cluster_spectra", "spectra"),
    figures=clusters_figure.FIGURES,
)
TOPIC = Topic(
    section="retrieval",
    reads=("metrics.local_dimension", "metrics.per_cluster", "comparisons"),
    figures=figure.FIGURES,
    tables=(local,),
    headlines=(
        Headline(
            subject="Local dimension",
            sentences=lambda run: findings.local_dimension(run, "auc"),
            question="Does the dimension of a cluster predict retrieval in it?",
            figure="fig15",
            table="local",
            top=top.local_dimension,
        ),
    ),
)
