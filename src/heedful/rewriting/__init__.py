"""Rewriting: the texts, code and numbers of a program, improved by feedback in words and in votes."""

from heedful.rewriting.audit import Audit
from heedful.rewriting.context import Threads, draw
from heedful.rewriting.control import Control, Steered, steer
from heedful.rewriting.graph import Graph
from heedful.rewriting.improve import improve
from heedful.rewriting.improving import Improved, Improving, incumbent, pareto
from heedful.rewriting.judging import Critic, Failures, Heard, Logged, ModelCritic, Together, Worth, item_of, matches
from heedful.rewriting.parameters import Code, Number, Parameter, Text, keeps, longest
from heedful.rewriting.propagating import Carried, PerCall, Rule, Said, Subgraph
from heedful.rewriting.proposing import FromHistory, Mutated, Proposed, Proposer, Rewriter, Situation, Tried
from heedful.rewriting.recording import Call
from heedful.rewriting.remembering import Memory
from heedful.rewriting.running import Runner, Task
from heedful.rewriting.scoped import Scoped, examples_of, regressions, within_scope
from heedful.rewriting.splits import Splits
from heedful.rewriting.tracing import Program, Run, stage, trace

__all__ = [
    "Audit",
    "Call",
    "Carried",
    "Code",
    "Control",
    "Critic",
    "Failures",
    "FromHistory",
    "Graph",
    "Heard",
    "Improved",
    "Improving",
    "Logged",
    "Memory",
    "ModelCritic",
    "Mutated",
    "Number",
    "Parameter",
    "PerCall",
    "Program",
    "Proposed",
    "Proposer",
    "Rewriter",
    "Rule",
    "Run",
    "Runner",
    "Said",
    "Scoped",
    "Situation",
    "Splits",
    "Steered",
    "Subgraph",
    "Task",
    "Text",
    "Threads",
    "Together",
    "Tried",
    "Worth",
    "draw",
    "examples_of",
    "improve",
    "incumbent",
    "item_of",
    "keeps",
    "longest",
    "matches",
    "pareto",
    "regressions",
    "stage",
    "steer",
    "trace",
    "within_scope",
]
