"""What of the paper is reproduced here?"""

from tda.report.topics.reproduction.tables import known, reproduction, statement
from tda.report.topics.topic import Headline, Topic

TOPIC = Topic(
    section="paper",
    reads=(
        *(f"metrics.{part}" for part in ("gap", "cosine", "separability", "mixing", "spectrum", "per_cluster", "retrieval")),
        *("closest", "comparisons"),
    ),
    tables=(reproduction,),
    headlines=(
        Headline(
            subject="The paper",
            sentences=lambda run: statement(run) if known(run) else [],
            question="What of the paper is reproduced here?",
            table="reproduction",
        ),
    ),
)
