"""How near does the reference come to each data set, and which repeats were dropped for it?"""

from tda.report.topics.nearest import figure
from tda.report.topics.nearest.findings import nearest
from tda.report.topics.nearest.tables import recovery_table, shift_table
from tda.report.topics.nearest.top import seen
from tda.report.topics.topic import Headline, Topic

TOPIC = Topic(
    section="data",
    reads=("closest", "dedupe", "evaluation"),
    figures=figure.FIGURES,
    tables=(recovery_table, shift_table),
    headlines=(
        Headline(
            subject="Training data",
            sentences=lambda run: nearest(run.cells, run.config),
            question="Was it seen in training?",
            figure="fig01",
            table="shift",
            top=seen,
        ),
    ),
)
