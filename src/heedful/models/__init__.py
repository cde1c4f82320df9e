"""What is improved and what judges: encoders of items, models that write token by token, models behind a server, and
bases small enough to list."""

from heedful.models.calls import CallModel
from heedful.models.classifiers import SequenceClassifier
from heedful.models.decisions import DecisionProcess
from heedful.models.decoding import Decoding
from heedful.models.defaults import default_encoder
from heedful.models.encoders import Blocked, Encoder, Stacked, Standardised, blocks_of, load_encoder, standardised
from heedful.models.endpoint import Answer, Endpoint, Journal, Prices, Request, Sampling, Spending
from heedful.models.hidden_states import HiddenStates
from heedful.models.lines import LineSteps
from heedful.models.local import LocalModel
from heedful.models.log_linear import LogLinearSteps, StepChoices
from heedful.models.messages import chat_messages
from heedful.models.ngrams import NgramFeatures
from heedful.models.paths import Paths
from heedful.models.ratios import TokenRatios
from heedful.models.sentences import SentenceEncoder
from heedful.models.stepwise import StepBase, StepModel
from heedful.models.style import StyleFeatures
from heedful.models.tables import END, SequenceTable, TableModel
from heedful.models.token_models import (
    WAIT,
    Continuations,
    TokenModel,
    Tokens,
    append_all,
    begun_with,
    complete,
    drawn,
    drawn_at,
)
from heedful.models.writers import BaseWriter, FunctionWriter, Metered, Prompt, Remembering, Replies, Writer, asked

__all__ = [
    "END",
    "WAIT",
    "Answer",
    "BaseWriter",
    "Blocked",
    "CallModel",
    "Continuations",
    "DecisionProcess",
    "Decoding",
    "Encoder",
    "Endpoint",
    "FunctionWriter",
    "HiddenStates",
    "Journal",
    "LineSteps",
    "LocalModel",
    "LogLinearSteps",
    "Metered",
    "NgramFeatures",
    "Paths",
    "Prices",
    "Prompt",
    "Remembering",
    "Replies",
    "Request",
    "Sampling",
    "SentenceEncoder",
    "SequenceClassifier",
    "SequenceTable",
    "Spending",
    "Stacked",
    "Standardised",
    "StepBase",
    "StepChoices",
    "StepModel",
    "StyleFeatures",
    "TableModel",
    "TokenModel",
    "TokenRatios",
    "Tokens",
    "Writer",
    "append_all",
    "asked",
    "begun_with",
    "blocks_of",
    "chat_messages",
    "complete",
    "default_encoder",
    "drawn",
    "drawn_at",
    "load_encoder",
    "standardised",
]
