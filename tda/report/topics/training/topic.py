"""How did the loss of each model fall?"""

from tda.report.topics.topic import Topic
from tda.report.topics.training import figure

TOPIC = Topic(section="training", reads=("curve",), figures=figure.FIGURES)
