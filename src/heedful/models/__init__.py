"""What is improved and what judges: encoders of items, base distributions small enough to list, and
chat models behind a server."""

from heedful.models.decisions import DecisionProcess
from heedful.models.defaults import default_encoder
from heedful.models.encoders import Blocked, Encoder, Stacked, Standardised, blocks_of, load_encoder, standardised
from heedful.models.endpoint import (
    Answer,
    Endpoint,
    Journal,
    Prices,
    Request,
    Sampling,
    Spending,
    chat_messages,
)
from heedful.models.log_linear import LogLinearSteps, StepChoices
from heedful.models.ngrams import NgramFeatures
from heedful.models.sentences import SentenceEncoder
from heedful.models.stepwise import StepModel
from heedful.models.style import StyleFeatures
from heedful.models.tables import END, SequenceTable, TableModel

__all__ = [
    "END",
    "Answer",
    "Blocked",
    "DecisionProcess",
    "Encoder",
    "Endpoint",
    "Journal",
    "LogLinearSteps",
    "NgramFeatures",
    "Prices",
    "Request",
    "Sampling",
    "SentenceEncoder",
    "SequenceTable",
    "Spending",
    "Stacked",
    "Standardised",
    "StepChoices",
    "StepModel",
    "StyleFeatures",
    "TableModel",
    "blocks_of",
    "chat_messages",
    "default_encoder",
    "load_encoder",
    "standardised",
]
