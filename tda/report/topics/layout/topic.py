"""Do the modalities keep apart on the layout, and do they under other settings too?"""

from tda.report.topics.layout import figure, findings, sweep_figure
from tda.report.topics.layout.tables import layouts, sweeps
from tda.report.topics.topic import Headline, Topic

TOPIC = Topic(
    section="gap",
    reads=("metrics.umap", "metrics.mixing", "metrics.clusters", "metrics.rows", "layout"),
    figures=figure.FIGURES,
    tables=(layouts,),
    headlines=(
        Headline(subject="On the layout", sentences=lambda run: findings.layouts(run.cells, run.config)),
        Headline(subject="Beyond the sample", sentences=lambda run: findings.beyond_the_sample(run.cells)),
    ),
)
SWEEP = Topic(
    section="settings",
    reads=("sweep", "metrics.mixing"),
    figures=sweep_figure.FIGURES,
    tables=(sweeps,),
)
