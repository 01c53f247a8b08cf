"""Who answers prompts: one file an engine, all with one interface (`_engine`). Nothing here knows what is right."""

from lingshu_train.rollouts._choice import OURS, Choice
from lingshu_train.rollouts._engine import Engine, Outage, Refused, Unreadable, Weights, start

__all__ = ["OURS", "Choice", "Engine", "Outage", "Refused", "Unreadable", "Weights", "start"]
