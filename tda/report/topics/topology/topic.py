"""How different are the models' spaces, and what components and loops do they have?"""

from tda.report.topics.topic import Headline, Topic
from tda.report.topics.topology import figure
from tda.report.topics.topology.findings import differences
from tda.report.topics.topology.tables import compared, topology

TOPIC = Topic(
    section="beyond",
    reads=("metrics.homology", "betti", "comparisons"),
    figures=figure.FIGURES,
    tables=(compared, topology),
    headlines=(
        Headline(
            subject="How different",
            sentences=differences,
            question="How different are the models' spaces?",
            figure="homology",
            table="compared",
        ),
    ),
)
