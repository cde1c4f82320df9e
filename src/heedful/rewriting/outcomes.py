"""What a run of rewriting came to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from heedful.core import Estimate, Finding, Rewritten
from heedful.rewriting.costs import Standing


@dataclass(frozen=True, slots=True)
class Improved(Rewritten):
    """A program with what it was improved to.

    `start` are the values of parameters at the start, `values` those of the ones that changed. `before` and `after` are
    what the program earned held out, `claim` their difference, measured once. Where nothing was kept, nothing is
    measured: `claim` is 0, and both are None; so they are where the claim is not identified, for an `error` ended the
    run, or a cap. `stopped` says why the search ended; `counts` what was proposed, unread, tried and kept; `spent` the
    budget. `events` are all decisions, as in the audit log; `findings` what a reader must know beside the claim;
    `front` the best of what was run in training for what it costs, a description (`front`).
    """

    start: Mapping[str, Any] = field(default_factory=dict)
    values: Mapping[str, Any] = field(default_factory=dict)
    before: Estimate | None = None
    after: Estimate | None = None
    stopped: str = ""
    counts: Counter[str] = field(default_factory=Counter)
    spent: Mapping[str, float] = field(default_factory=dict)
    events: Sequence[Mapping[str, Any]] = ()
    findings: tuple[Finding, ...] = ()
    front: tuple[Standing, ...] = ()
    error: Exception | None = None

    @property
    def versions(self) -> tuple[Mapping[str, Any], ...]:
        """Whole values at the start and after each that was kept, the last as they are now:
        `done.program.with_values(done.versions[-2])` is the program without the last change."""
        kept = [own["values"] for own in self.events if own["event"] == "tried" and own["kept"]]
        return ({**self.start}, *({**self.start, **own} for own in kept))

    def summary(self) -> dict[str, Any]:
        """All of it as a report shows it and JSON holds it, the texts before and after as `prompts`."""
        texts = {
            name: {"before": str(own), "after": str(self.values.get(name, own))} for name, own in self.start.items()
        }
        return {
            "claim": self.claim,
            "before": self.before,
            "after": self.after,
            "prompts": texts,
            "stopped": self.stopped,
            "counts": dict(self.counts),
            "spent": dict(self.spent),
            "events": list(self.events),
            "findings": list(self.findings),
            "front": [asdict(own) for own in self.front],
            "error": None if self.error is None else str(self.error),
        }
