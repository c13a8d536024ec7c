"""How did each number change as a model was trained?"""

from tda.report.topics.over_training import figure
from tda.report.topics.over_training.tables import over_training
from tda.report.topics.topic import Topic

TOPIC = Topic(section="training", reads=("watched",), figures=figure.FIGURES, tables=(over_training,))
