"""Engines by name: how to sample, and which options each engine takes and needs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Protocol

from heedful.core import Base, Parts, Potential, SamplingEngine, UsageError
from heedful.models import TokenModel
from heedful.sampling import (
    BestOfN,
    EarlyBestOfN,
    Guided,
    Metropolis,
    ParticleGibbs,
    Particles,
    Rejection,
    Tempered,
    TokenBeam,
    ValueGuide,
)

OUTPUTS = 16


@dataclass(frozen=True)
class Sampling:
    """How to sample: by which `engine`, of model tokens at most `budget` (None: no cap).

    n          outputs, particles or prefixes for each context (None: 16): of rejection the most that are tried, of
               metropolis all that are proposed
    pessimism  posterior standard deviations taken off each score
    price      nats of score that one more output costs
    bound      nats that no score exceeds
    moves      moves after each step of tempering (None: 2), or of sets of particles (None: 4)
    width      how many of the likeliest tokens are tried at each place (None: all)
    prefixes   whether posteriors are also asked what they say of unfinished outputs

    Raises UsageError for an engine that is none, an option that the engine does not take, or one that it needs.
    """

    engine: str = "best-of-n"
    n: int | None = None
    budget: float | None = None
    pessimism: float = 0.0
    seed: int = 0
    price: float | None = None
    bound: float | None = None
    moves: int | None = None
    width: int | None = None
    prefixes: bool = False

    def __post_init__(self) -> None:
        if self.engine not in ENGINES:
            raise UsageError(f"no engine {self.engine!r}", where="engine", fix=f"one of {', '.join(ENGINES)}")
        own, common = ENGINES[self.engine], ("engine", "budget", "seed")
        for option in fields(self):
            given = getattr(self, option.name) != option.default and option.name not in common
            if given and option.name not in own.takes:
                others = ", ".join(name for name, engine in ENGINES.items() if option.name in engine.takes)
                raise UsageError(f"{self.engine} has no use for it", where=option.name, fix=f"it is for {others}")
        for name in own.needs:
            if getattr(self, name) is None:
                raise UsageError(f"{self.engine} needs it", where=name, fix="give nats, such as 2.0")

    @property
    def outputs(self) -> int:
        return OUTPUTS if self.n is None else self.n

    @property
    def reads_prefixes(self) -> bool:
        """Whether posteriors are asked about unfinished outputs."""
        return self.prefixes or ENGINES[self.engine].reads_prefixes

    def made(self, base: Base, evidence: Potential) -> Planned:
        """The engine, for a base and the evidence that it is tilted by."""
        return ENGINES[self.engine].make(self, base, evidence)


class Planned(SamplingEngine, Protocol):
    """An engine that knows beforehand what it can cost at most."""

    def plan(self, base: Base, contexts: Sequence[Parts]) -> dict[str, float]: ...


@dataclass(frozen=True)
class Engine:
    """How one is made, the options that it `takes`, and those of them that it `needs`."""

    make: Callable[[Sampling, Base, Potential], Planned]
    takes: tuple[str, ...] = ("n",)
    needs: tuple[str, ...] = ()
    reads_prefixes: bool = False


def _metropolis(how: Sampling, base: Base, evidence: Potential) -> Planned:
    """Edits where the base writes token by token; else draws as they come."""
    return Metropolis(burn_in=how.outputs - 1, proposal="edit" if isinstance(base, TokenModel) else "independent")


def _particle_gibbs(how: Sampling, base: Base, evidence: Potential) -> Planned:
    burn_in = 4 if how.moves is None else how.moves
    return ParticleGibbs(Particles(how.outputs, resampling="multinomial"), burn_in=burn_in)


def _early(how: Sampling, base: Base, evidence: Potential) -> Planned:
    assert how.price is not None
    return EarlyBestOfN(how.outputs, how.price, pessimism=how.pessimism)


def _rejection(how: Sampling, base: Base, evidence: Potential) -> Planned:
    assert how.bound is not None
    return Rejection(how.bound, tries=how.outputs)


ENGINES: Mapping[str, Engine] = {
    "best-of-n": Engine(lambda how, base, evidence: BestOfN(how.outputs, how.pessimism), ("n", "pessimism")),
    "early": Engine(_early, ("n", "pessimism", "price"), ("price",)),
    "soft": Engine(lambda how, base, evidence: BestOfN(how.outputs, soft=True)),
    "rejection": Engine(_rejection, ("n", "bound"), ("bound",)),
    "metropolis": Engine(_metropolis),
    "tempered": Engine(
        lambda how, base, evidence: Tempered(how.outputs, moves=2 if how.moves is None else how.moves), ("n", "moves")
    ),
    "particles": Engine(lambda how, base, evidence: Particles(how.outputs), ("n", "prefixes")),
    "particle-gibbs": Engine(_particle_gibbs, ("n", "moves", "prefixes")),
    "guided": Engine(
        lambda how, base, evidence: Guided((ValueGuide(evidence, how.width),)), ("width",), reads_prefixes=True
    ),
    "beam": Engine(
        lambda how, base, evidence: TokenBeam(how.outputs, branches=how.width), ("n", "width"), reads_prefixes=True
    ),
}
"""Those of which whole outputs are enough come first, those that need a base that writes token by token after them."""
