"""What of the paper is reproduced here?"""

from tda.report.topics.reproduction.tables import reproduction
from tda.report.topics.topic import Topic

TOPIC = Topic(
    section="paper",
    reads=(
        *(f"metrics.{part}" for part in ("gap", "cosine", "separability", "mixing", "spectrum", "per_cluster", "retrieval")),
        *("closest", "comparisons"),
    ),
    tables=(reproduction,),
)
