"""What is improved and what judges: encoders of items, models that write token by token, models behind a server, and
bases small enough to list."""

from heedful.models.classifiers import SequenceClassifier
from heedful.models.decisions import DecisionProcess
from heedful.models.decoding import Decoding
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
)
from heedful.models.hidden_states import HiddenStates
from heedful.models.local import LocalModel
from heedful.models.log_linear import LogLinearSteps, StepChoices
from heedful.models.messages import chat_messages
from heedful.models.ngrams import NgramFeatures
from heedful.models.sentences import SentenceEncoder
from heedful.models.stepwise import StepModel
from heedful.models.style import StyleFeatures
from heedful.models.tables import END, SequenceTable, TableModel
from heedful.models.token_models import WAIT, Continuations, TokenModel, Tokens, complete, drawn
from heedful.models.writers import (
    BaseWriter,
    FunctionWriter,
    Metered,
    Prompt,
    Remembering,
    Replies,
    Writer,
    asked,
)

__all__ = [
    "END",
    "WAIT",
    "Answer",
    "BaseWriter",
    "Blocked",
    "Continuations",
    "DecisionProcess",
    "Decoding",
    "Encoder",
    "Endpoint",
    "FunctionWriter",
    "HiddenStates",
    "Journal",
    "LocalModel",
    "LogLinearSteps",
    "Metered",
    "NgramFeatures",
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
    "StepChoices",
    "StepModel",
    "StyleFeatures",
    "TableModel",
    "TokenModel",
    "Tokens",
    "Writer",
    "asked",
    "blocks_of",
    "chat_messages",
    "complete",
    "default_encoder",
    "drawn",
    "load_encoder",
    "standardised",
]
