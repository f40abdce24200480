from .base import MOST_NODES, RULES, Completeness, Rule, RuleDeclaration, rule
from .gauss import Gauss
from .half import Half
from .idgi import Idgi
from .isotonic import Isotonic
from .monotone import Monotone
from .paper import Paper
from .spread import Spread
from .trapezoid import Trapezoid

__all__ = [
    "MOST_NODES",
    "RULES",
    "Completeness",
    "Gauss",
    "Half",
    "Idgi",
    "Isotonic",
    "Monotone",
    "Paper",
    "Rule",
    "RuleDeclaration",
    "Spread",
    "Trapezoid",
    "rule",
]
