"""Which model finds the partner, and does the one with the larger gap find it more often?"""

from tda.report.data.load import Run
from tda.report.topics.predictions import verdicts
from tda.report.topics.retrieval import figure, findings, top
from tda.report.topics.retrieval.tables import retrieval
from tda.report.topics.topic import Headline, Topic


def _sentences(run: Run) -> list[str]:
    """The verdict on Prediction 1; without models in its roles, the best and the worst model."""
    return list(verdicts(run, "prediction_1").values()) or findings.retrieval(run.cells, run.config)


TOPIC = Topic(
    section="retrieval",
    reads=("metrics.retrieval", "comparisons"),
    figures=figure.FIGURES,
    tables=(retrieval,),
    headlines=(
        Headline(
            subject="Retrieval",
            sentences=_sentences,
            question="Which model finds the partner?",
            figure="retrieval",
            table="table2",
            top=top.retrieval,
        ),
    ),
)
