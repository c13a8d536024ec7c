"""Are images more diverse under one guide than under another, where both follow the prompt equally well?"""

from tda.report.topics.diversity.figure import FIGURES
from tda.report.topics.diversity.findings import conjectures
from tda.report.topics.diversity.tables import diversity_table
from tda.report.topics.topic import Headline, Topic

TOPIC = Topic(
    section="beyond",
    reads=("diversity",),
    figures=FIGURES,
    tables=(diversity_table,),
    headlines=(Headline(subject="Conjectures", sentences=conjectures),),
)
