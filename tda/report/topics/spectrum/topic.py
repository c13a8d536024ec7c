"""How many dimensions do the rows take, and where does their spectrum collapse?"""

from tda.report.topics.spectrum import collapse_figure, figure, findings
from tda.report.topics.spectrum.tables import dimension
from tda.report.topics.topic import Headline, Topic

TOPIC = Topic(
    section="dimension",
    reads=("metrics.spectrum", "metrics.dimension", "spectra"),
    figures=(*figure.FIGURES, *collapse_figure.FIGURES),
    tables=(dimension,),
    headlines=(
        Headline(
            subject="Dimension",
            sentences=lambda run: findings.spectrum(run.cells, run.config, "both"),
            question="Has the space collapsed?",
            figure="fig12",
            table="dimension",
        ),
    ),
)
