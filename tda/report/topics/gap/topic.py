"""How large is the gap between modalities, what closes it, and can a line separate them?"""

from tda.report.topics.gap import components_figure, cosine_figure, findings, top
from tda.report.topics.gap.alignment import alignment
from tda.report.topics.gap.measures import measures
from tda.report.topics.gap.tables import ablation, separability
from tda.report.topics.topic import Headline, Topic

TOPIC = Topic(
    section="gap",
    reads=(
        "metrics.gap", "metrics.cosine", "metrics.separability", "metrics.alignment", "metrics.gap_measures", "metrics.spectrum",
        "metrics.retrieval", "cosine", "pca",
    ),
    figures=(*components_figure.FIGURES, *cosine_figure.FIGURES),
    tables=(separability, ablation, alignment, measures),
    headlines=(
        Headline(
            subject="Modality gap",
            sentences=lambda run: findings.gap(run.cells, run.config),
            question="One space or two?",
            figure="fig03",
            table="measures",
            top=top.gap,
        ),
        Headline(
            subject="What closes it",
            sentences=lambda run: findings.ablation(run.cells, run.config),
            question="What closes the gap?",
            figure="fig08 fig06",
            table="ablation",
            top=top.closes,
        ),
        Headline(
            subject="Separability",
            sentences=lambda run: findings.separability(run.cells, run.config),
            question="Can a line separate the modalities?",
            figure="fig02",
            table="table1",
            top=top.separability,
        ),
    ),
)  # fmt: skip
