"""004-198: members who answer, a leader who takes what most of them say, and criticism carried back to each of them."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Mapping
from functools import partial

import numpy as np

from heedful.catalogue.entry import Entry
from heedful.catalogue.rewriters import told
from heedful.catalogue.verdicts import Check
from heedful.core import Floats
from heedful.models import FunctionWriter, Request
from heedful.rewriting import Program, Text, draw, stage, trace
from heedful.worlds import RuleWorld

_MEMBERS, _RULES, _CALLS = 3, 2, 240
_WORLD = RuleWorld()


def miniature(seed: int, quick: bool) -> dict[str, float]:
    rng = np.random.default_rng([4198, seed])
    calls = 80 if quick else _CALLS
    members = {f"member {place}": _prompt(rng) for place in range(1, _MEMBERS + 1)}
    one = dict(list(members.items())[:1])
    network, alone = (_told(own, calls, 0.1, seed) for own in (members, one))
    misled = _told(members, calls, 1.0, seed)
    return {
        "member": _members(members),
        "vote": _led(members),
        "network": _led(network),
        "member, told": _members(network),
        "alone": _led(alone),
        "misled": _led(misled),
    }


def _prompt(rng: np.random.Generator) -> str:
    return "\n".join(["You answer questions.", *rng.choice(list(_WORLD.rules), _RULES, replace=False).tolist()])


def _told(members: Mapping[str, str], calls: int, misled: float, seed: int) -> dict[str, str]:
    """The prompts of members after criticism of what the leader gave, carried back to each."""
    rng = np.random.default_rng([198, seed])
    return {**members, **told(_WORLD, partial(_program, members), calls, rng, misled=misled)}


def _program(members: Mapping[str, str], task: FunctionWriter) -> Program:
    prompts = [Text(own, name) for name, own in members.items()]

    @stage
    def answer(text: str, number: int) -> str:
        return task.complete([Request.of(text, sample=number)])[0].text or ""

    def network(question: str) -> str:
        asked = [f"{own}\n\n{question}" for own in prompts]
        return lead(question, [answer(text, len(asked) * draw() + place) for place, text in enumerate(asked)])

    return trace(network)


@stage
def lead(question: str, answers: list[str]) -> str:
    """Line by line what most say, of what members answered."""
    lines = zip(*(own.splitlines() for own in answers), strict=True)
    return "\n".join(Counter(own).most_common(1)[0][0] for own in lines)


def _led(members: Mapping[str, str]) -> float:
    """The expected share of what matters that the leader gets right, per cent: exact, as members err apart."""
    laws = np.array([_WORLD.law(own) for own in members.values()])
    each = itertools.product((True, False), repeat=len(laws))
    most = [_chance(laws, np.array(says)) for says in each if sum(says) > len(laws) / 2]
    return _worth(np.sum(most, axis=0))


def _chance(laws: Floats, says: Floats) -> Floats:
    return np.asarray(np.where(says[:, None], laws, 1 - laws).prod(axis=0))


def _members(members: Mapping[str, str]) -> float:
    """The same of a member alone, in the mean."""
    return float(np.mean([100 * _WORLD.expected(own) for own in members.values()]))


def _worth(law: Floats) -> float:
    right = np.where(_WORLD.worth > 0, law, 1 - law)
    stakes = abs(_WORLD.worth)
    return 100 * float(((stakes * right).sum(axis=1) / stakes.sum(axis=1)).mean())


_WHAT = "share of what matters that is right, per cent, exactly"
ENTRY = Entry(
    id="004-198",
    title="ChatLLM Network: More brains, More intelligence",
    area="rewriting/sampling",
    citation="Hao et al. 2023",
    claim=(
        f"{_MEMBERS} members whose prompts begin with {_RULES} random rules each, and a leader who says line by line "
        f"what most of them say. With {_CALLS} calls of models in all, criticism of what the leader gave, carried back "
        "to the prompt of each member, brings the network further than the same vote of members as they were, by more "
        "than 20 points, and each member by more than 10; the network is then better than its members alone, and than "
        "one member who was told with as many calls. Criticism of what is right brings the network no 3 points."
    ),
    configuration=(
        "rewriting.Improving on a traced program of members and a leader, with PerCall, ModelCritic and "
        "Rewriter(each=True). Every change that does no worse on its batch of four is kept. worlds.RuleWorld answers, "
        "criticises and rewrites."
    ),
    measures={
        "member": f"{_WHAT}: a member alone at the start, in the mean",
        "vote": f"{_WHAT}: the leader of members as they were",
        "network": f"{_WHAT}: the leader, after criticism carried back to each member",
        "member, told": f"{_WHAT}: a member alone after that, in the mean",
        "alone": f"{_WHAT}: one member, after criticism with as many calls",
        "misled": f"{_WHAT}: the leader, after criticism of what is right carried back to each member",
    },
    checks=(
        Check("network", "vote", above=20.0),
        Check("member, told", "member", above=10.0),
        Check("network", "member, told", above=0.0),
        Check("network", "alone", above=0.0),
        Check("misled", "vote", below=3.0),
    ),
    miniature=miniature,
    seeds=tuple(range(30)),
    beyond=(
        "How criticism goes back is not in the abstract: here as words for each member's prompt, call by call. The "
        "leader votes, and is no model. What members get wrong for want of a rule most of them get wrong alike, so "
        "that a vote of members as they were makes it worse. One member takes a third of the calls for a batch, and so "
        "is told three times as often. Five other seeds were seen, with 300 calls, before the claim was written."
    ),
)
