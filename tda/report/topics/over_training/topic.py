"""How did each number change as a model was trained?"""

from tda.report.topics.over_training import figure, findings
from tda.report.topics.over_training.tables import over_training
from tda.report.topics.topic import Headline, Topic

TOPIC = Topic(
    section="training",
    reads=("watched",),
    figures=figure.FIGURES,
    tables=(over_training,),
    headlines=(
        Headline(
            subject="Over training",
            sentences=findings.over_training,
            question="How did it change over training?",
            figure="over_training",
            table="over_training",
        ),
    ),
)
