"""Do the modalities keep apart on the layout, and do they under other settings too?"""

from tda.report.topics.layout import figure, findings, spheres_figure, sweep_figure
from tda.report.topics.layout.tables import layouts, sweeps
from tda.report.topics.topic import Headline, Topic

TOPIC = Topic(
    section="gap",
    reads=("metrics.gap", "metrics.umap", "metrics.mixing", "metrics.clusters", "metrics.rows", "layout"),
    figures=(*spheres_figure.FIGURES, *figure.FIGURES),
    tables=(layouts,),
    headlines=(
        Headline(
            subject="On the layout",
            sentences=lambda run: findings.layouts(run.cells, run.config),
            question="Do the modalities keep apart on the sphere?",
            figure="fig07 fig04 fig05",
            table="layouts",
        ),
        Headline(
            subject="Clusters",
            sentences=lambda run: findings.clusters(run.cells, run.config),
            question="Is it clustered?",
            figure="fig14_both",
        ),
        Headline(subject="Beyond the sample", sentences=lambda run: findings.beyond_the_sample(run.cells)),
    ),
)
SWEEP = Topic(
    section="settings",
    reads=("sweep", "metrics.mixing"),
    figures=sweep_figure.FIGURES,
    tables=(sweeps,),
    headlines=(
        Headline(
            subject="Other settings",
            sentences=lambda run: findings.sweeps(run.cells, run.config),
            question="Does it hold under other settings of the layout?",
            figure="fig16 fig17",
            table="sweep",
        ),
    ),
)
