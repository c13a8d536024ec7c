"""How does any number of any job change with the settings that were swept?"""

from tda.report.topics.sweeps import figure
from tda.report.topics.sweeps.tables import cells_table
from tda.report.topics.topic import Topic

TOPIC = Topic(section="settings", reads=("sweeps",), figures=figure.FIGURES, tables=(cells_table,))
