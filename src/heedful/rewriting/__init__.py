"""Rewriting: the texts, code and numbers of a program, improved by feedback in words and in votes."""

from heedful.rewriting.acceptance import Gate, Trial
from heedful.rewriting.audit import Audit
from heedful.rewriting.by_duels import rewrite_by_duels
from heedful.rewriting.claims import Claim, claim, overfitted
from heedful.rewriting.composing import Begun, BySurrogate, Directed, Joined, Resumed
from heedful.rewriting.context import Threads, draw
from heedful.rewriting.control import Control, Steered, steer
from heedful.rewriting.costs import Limits, Shorter, Standing, exceeded, undominated
from heedful.rewriting.directions import Contrasted, Direction, Slopes
from heedful.rewriting.duels import Answered, Answers, Duelled, Duelling
from heedful.rewriting.graph import Graph
from heedful.rewriting.improve import improve
from heedful.rewriting.improving import Improving
from heedful.rewriting.interventions import intervened, stage_edit, stage_label
from heedful.rewriting.judging import Critic, Failures, Heard, Logged, ModelCritic, Together, Worth, item_of, matches
from heedful.rewriting.lifting import Criterion, Lifted, lifted
from heedful.rewriting.merging import Merged
from heedful.rewriting.outcomes import Improved
from heedful.rewriting.parameters import Code, Number, Parameter, Text, keeps, longest
from heedful.rewriting.pools import incumbent, leading, pareto
from heedful.rewriting.principle_writing import Suggested, style_principles, suggested
from heedful.rewriting.principles import Constitution, Kept, Preferred, Principle, Rebuilt, compress, rebuilt
from heedful.rewriting.propagating import Carried, PerCall, Rule, Said, Subgraph, Untraced
from heedful.rewriting.proposing import FromHistory, Mutated, Proposed, Proposer, Rewriter, Situation, Tried
from heedful.rewriting.recording import Call
from heedful.rewriting.reformulations import Reformulations, Rewrite, Session
from heedful.rewriting.remembering import Memory
from heedful.rewriting.running import Runner, Task
from heedful.rewriting.scoped import Scoped, examples_of, regressions, within_scope
from heedful.rewriting.scores import Score
from heedful.rewriting.searching import search
from heedful.rewriting.sensitivity import Sensitivity, reworded, sensitivity
from heedful.rewriting.splits import Splits
from heedful.rewriting.surrogates import (
    ModelSurrogate,
    Predicted,
    ProcessSurrogate,
    Surrogate,
    expected_improvement,
)
from heedful.rewriting.tracing import Program, Run, stage, trace
from heedful.rewriting.versus import Versus

__all__ = [
    "Answered",
    "Answers",
    "Audit",
    "Begun",
    "BySurrogate",
    "Call",
    "Carried",
    "Claim",
    "Code",
    "Constitution",
    "Contrasted",
    "Control",
    "Criterion",
    "Critic",
    "Directed",
    "Direction",
    "Duelled",
    "Duelling",
    "Failures",
    "FromHistory",
    "Gate",
    "Graph",
    "Heard",
    "Improved",
    "Improving",
    "Joined",
    "Kept",
    "Lifted",
    "Limits",
    "Logged",
    "Memory",
    "Merged",
    "ModelCritic",
    "ModelSurrogate",
    "Mutated",
    "Number",
    "Parameter",
    "PerCall",
    "Predicted",
    "Preferred",
    "Principle",
    "ProcessSurrogate",
    "Program",
    "Proposed",
    "Proposer",
    "Rebuilt",
    "Reformulations",
    "Resumed",
    "Rewrite",
    "Rewriter",
    "Rule",
    "Run",
    "Runner",
    "Said",
    "Scoped",
    "Score",
    "Sensitivity",
    "Session",
    "Shorter",
    "Situation",
    "Slopes",
    "Splits",
    "Standing",
    "Steered",
    "Subgraph",
    "Suggested",
    "Surrogate",
    "Task",
    "Text",
    "Threads",
    "Together",
    "Trial",
    "Tried",
    "Untraced",
    "Versus",
    "Worth",
    "claim",
    "compress",
    "draw",
    "examples_of",
    "exceeded",
    "expected_improvement",
    "improve",
    "incumbent",
    "intervened",
    "item_of",
    "keeps",
    "leading",
    "lifted",
    "longest",
    "matches",
    "overfitted",
    "pareto",
    "rebuilt",
    "regressions",
    "reworded",
    "rewrite_by_duels",
    "search",
    "sensitivity",
    "stage",
    "stage_edit",
    "stage_label",
    "steer",
    "style_principles",
    "suggested",
    "trace",
    "undominated",
    "within_scope",
]
