"""Objectives by name, with the form of feedback that each learns from, and settings as a user writes them."""

from __future__ import annotations

import inspect
import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from heedful.core import UsageError
from heedful.training.forms import Form
from heedful.training.head_objectives import Valued, reward
from heedful.training.objectives import (
    AOT,
    BCO,
    CPO,
    DPO,
    EXO,
    KTO,
    NCA,
    NFT,
    ORPO,
    PMPO,
    Addressed,
    LiPO,
    PlackettLuce,
    PolicyGradient,
    SimPO,
    Supervised,
    TokenObjective,
    Unlikelihood,
    Weighted,
    dapo,
    dr_grpo,
    grpo,
    pairwise_ppo,
    rloo,
)

Made = Callable[..., TokenObjective]


@dataclass(frozen=True, slots=True)
class Named:
    """An objective that learns from feedback as it stands: how it is made, from what, and what it is in a line; `head`
    where it trains a head of scores, and not what a model writes; `addressed` where feedback on parts of outputs is
    learnt too."""

    made: Made
    form: Form
    about: str
    head: bool = False
    addressed: bool = False

    @property
    def others(self) -> bool:
        """Whether it asks for outputs of other contexts beside those that were judged."""
        return self.form == "called" and self.made().outputs == "two"


def addressed(strength: float = 10.0, shift: bool = False) -> Addressed:
    """Steps and characters called good or bad, each against the reference: an implicit process reward (`BCO`)."""
    return Addressed(BCO(strength, shift))


def addressed_dpo(strength: float = 10.0, flips: float = 0.0, smooth: float = 0.0) -> Addressed:
    """Leads of the tokens alone that were compared (Lai et al. 2024, "Step-DPO")."""
    return Addressed(DPO(strength, flips=flips, smooth=smooth))


NAMED: Mapping[str, Named] = {
    "sft": Named(Supervised, "wanted", "imitate demonstrations, edits and preferred outputs"),
    "dpo": Named(DPO, "paired", "direct preference optimisation; flips, smooth and link are settings"),
    "ipo": Named(partial(DPO, link="squared"), "paired", "a lead of strength, and no more"),
    "slic": Named(partial(DPO, link="hinge"), "paired", "a lead of at least strength"),
    "simpo": Named(SimPO, "paired", "leads by token, without a reference"),
    "orpo": Named(ORPO, "paired", "imitation and leads in log odds, without a reference"),
    "cpo": Named(CPO, "paired", "leads in log-probability and imitation, without a reference"),
    "exo": Named(
        partial(EXO, smooth=0.001, outputs="two"), "paired", "shares of the policy against those of the votes"
    ),
    "aot": Named(AOT, "paired", "leads whose whole distribution lies above the reference's"),
    "nca": Named(partial(NCA, outputs="two"), "paired", "votes as shares, each output against the reference"),
    "kto": Named(KTO, "called", "outputs called good or bad, against a point of reference"),
    "bco": Named(BCO, "called", "a classifier of good from bad"),
    "process": Named(partial(BCO, shift=False), "called", "the same without a shift: an implicit process reward"),
    "pmpo": Named(PMPO, "called", "good outputs alone, bad ones alone, or both"),
    "addressed": Named(addressed, "called", "steps, characters and outputs called good or bad", addressed=True),
    "addressed-dpo": Named(addressed_dpo, "paired", "leads of the steps or characters compared", addressed=True),
    "unlikelihood": Named(Unlikelihood, "called", "imitate good outputs, and make tokens of bad ones unlikely"),
    "plackett-luce": Named(PlackettLuce, "ordered", "the likelihood of whole orders"),
    "lipo": Named(LiPO, "ordered", "pairs of an order, by what swapping them would change"),
    "reward": Named(reward, "paired", "a reward model, by the likelihood of votes", head=True),
    "raft": Named(partial(Weighted, "best"), "ordered", "imitate the best of each order"),
}


def ppo(clip: float = 0.2, weight: float = 0.5) -> Valued:
    """Proximal policy optimisation with a head of values, whose loss counts by `weight`."""
    return Valued(PolicyGradient("none", (clip, clip), over="step"), weight, clip)


DRAWN: Mapping[str, Made] = {
    "rloo": rloo,
    "grpo": grpo,
    "dr-grpo": dr_grpo,
    "dapo": dapo,
    "pairwise-ppo": pairwise_ppo,
    "ppo": ppo,
    "nft": NFT,
    "tilt": partial(Weighted, "tilt"),
    "raft": partial(Weighted, "best"),
}
"""Objectives of outputs that the policy draws itself, by what evidence says of them."""


def objective_of(name: str, settings: Sequence[str] = (), *, drawn: bool = False) -> TokenObjective:
    """The objective of this name, of `NAMED` or, `drawn`, of `DRAWN`, with settings such as "strength=5".

    Raises UsageError where there is none of the name, or where it has no such setting or does not take its value.
    """
    known_by_name = DRAWN if drawn else {own: told.made for own, told in NAMED.items()}
    if name not in known_by_name:
        other = "learns from feedback as it stands" if drawn else "learns from outputs that the model draws in rounds"
        what = other if name in (NAMED if drawn else DRAWN) else "is no objective"
        raise UsageError(f"{name!r} {what}", where="objective", fix=f"one of {', '.join(known_by_name)}")
    made = known_by_name[name]
    known = {name: own for name, own in inspect.signature(made).parameters.items() if name not in _FIXED}
    given = dict(_setting(own, name, known) for own in settings)
    if len(given) < len(settings):
        raise UsageError(f"{', '.join(settings)}: one is told twice", where="setting", fix="tell each once")
    try:
        return made(**given)
    except TypeError as error:
        raise UsageError(f"{', '.join(settings)}: {error}", where=f"objective {name}") from error


_FIXED = ("outputs", "claim", "needs_reference")


def _setting(written: str, name: str, known: Mapping[str, inspect.Parameter]) -> tuple[str, object]:
    setting, equals, value = written.partition("=")
    if not equals or setting not in known:
        fix = f"NAME=VALUE, of {', '.join(known)}" if known else "it has none"
        raise UsageError(f"{written!r} is no setting of {name}", where="setting", fix=fix)
    kind = type(known[setting].default)
    try:
        read = json.loads(value) if kind is not str else value
    except ValueError as error:
        raise UsageError(f"{value!r} is no value of {setting}", where="setting", fix=f"a {kind.__name__}") from error
    if kind is float and type(read) is int:
        read = float(read)
    if type(read) is not kind or (isinstance(read, float) and not math.isfinite(read)):
        raise UsageError(f"{value!r} is no value of {setting}", where="setting", fix=f"a {kind.__name__}")
    return setting, read
