"""What is improved and what judges: encoders of items, and base distributions small enough to list."""

from heedful.models.decisions import DecisionProcess
from heedful.models.defaults import default_encoder
from heedful.models.encoders import Blocked, Encoder, Stacked, Standardised, blocks_of, load_encoder, standardised
from heedful.models.log_linear import LogLinearSteps, StepChoices
from heedful.models.ngrams import NgramFeatures
from heedful.models.sentences import SentenceEncoder
from heedful.models.stepwise import StepModel
from heedful.models.style import StyleFeatures
from heedful.models.tables import END, SequenceTable, TableModel

__all__ = [
    "END",
    "Blocked",
    "DecisionProcess",
    "Encoder",
    "LogLinearSteps",
    "NgramFeatures",
    "SentenceEncoder",
    "SequenceTable",
    "Stacked",
    "Standardised",
    "StepChoices",
    "StepModel",
    "StyleFeatures",
    "TableModel",
    "blocks_of",
    "default_encoder",
    "load_encoder",
    "standardised",
]
