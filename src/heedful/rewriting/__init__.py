"""Rewriting: the texts, code and numbers of a program, improved by feedback in words and in votes."""

from heedful.rewriting.context import Threads, draw
from heedful.rewriting.graph import Graph
from heedful.rewriting.parameters import Code, Number, Parameter, Text, keeps, longest
from heedful.rewriting.recording import Call
from heedful.rewriting.remembering import Memory
from heedful.rewriting.tracing import Program, Run, stage, trace

__all__ = [
    "Call",
    "Code",
    "Graph",
    "Memory",
    "Number",
    "Parameter",
    "Program",
    "Run",
    "Text",
    "Threads",
    "draw",
    "keeps",
    "longest",
    "stage",
    "trace",
]
