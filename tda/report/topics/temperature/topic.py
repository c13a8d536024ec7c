"""How much of the gap is the loss, how much the temperature?"""

from tda.report.topics.temperature import figure
from tda.report.topics.temperature.tables import temperature_table
from tda.report.topics.topic import Topic

TOPIC = Topic(section="settings", reads=("sweeps",), figures=figure.FIGURES, tables=(temperature_table,))
