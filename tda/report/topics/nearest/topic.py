"""How near does the reference come to each data set, and which repeats were dropped for it?"""

from tda.report.topics.nearest import figure
from tda.report.topics.nearest.tables import recovery_table, shift_table
from tda.report.topics.topic import Topic

TOPIC = Topic(
    section="data",
    reads=("closest", "dedupe", "evaluation"),
    figures=figure.FIGURES,
    tables=(recovery_table, shift_table),
)
