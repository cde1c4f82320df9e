"""Proof that something got better, or did not: held-out fit, win rates, rankings, agreement and null controls."""

from heedful.evaluation.agreement import agreement
from heedful.evaluation.comparison import compare
from heedful.evaluation.controls import controls
from heedful.evaluation.held_out import accuracy_estimate, held_out
from heedful.evaluation.learning import learning_curve
from heedful.evaluation.process import best_threshold, first_error_f1, first_errors, step_scores
from heedful.evaluation.ranking import ranking
from heedful.evaluation.rows import Dependence, Predicted
from heedful.evaluation.split import describe_split, hold_out, subsets
from heedful.evaluation.win_rates import win_rates

__all__ = [
    "Dependence",
    "Predicted",
    "accuracy_estimate",
    "agreement",
    "best_threshold",
    "compare",
    "controls",
    "describe_split",
    "first_error_f1",
    "first_errors",
    "held_out",
    "hold_out",
    "learning_curve",
    "ranking",
    "step_scores",
    "subsets",
    "win_rates",
]
