"""Targets: a base tilted by evidence, and their exact enumeration."""

from heedful.target.tilting import Enumerated, Target, enumerate_exact, support

__all__ = ["Enumerated", "Target", "enumerate_exact", "support"]
