from .base import MOST_NODES, RULES, Completeness, Rule, RuleDeclaration, rule
from .gauss import Gauss
from .idgi import Idgi
from .isotonic import Isotonic
from .paper import Paper
from .trapezoid import Trapezoid

__all__ = [
    "MOST_NODES",
    "RULES",
    "Completeness",
    "Gauss",
    "Idgi",
    "Isotonic",
    "Paper",
    "Rule",
    "RuleDeclaration",
    "Trapezoid",
    "rule",
]
