"""Does the gap cost retrieval?"""

from tda.report.topics.interventions.figure import FIGURES
from tda.report.topics.interventions.findings import cost_of_gap
from tda.report.topics.interventions.points import PART
from tda.report.topics.interventions.tables import interventions_table
from tda.report.topics.topic import Headline, Topic

TOPIC = Topic(
    section="retrieval",
    reads=(f"metrics.{PART}",),
    figures=FIGURES,
    tables=(interventions_table,),
    headlines=(Headline(subject="Cost of the gap", sentences=cost_of_gap),),
)
