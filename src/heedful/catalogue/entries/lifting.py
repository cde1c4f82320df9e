"""004-011: complaints about single answers, lifted to criteria of the whole system, beside those of each answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from heedful.catalogue.entry import Entry
from heedful.catalogue.verdicts import Check
from heedful.core import Item, Part
from heedful.evidence import Rule
from heedful.models import FunctionWriter
from heedful.models.marked import output_text
from heedful.rewriting import Lifted, lifted
from heedful.sampling import KEEP
from heedful.worlds import RuleCritic, RuleEditor, RuleWorld

_COMPLAINTS, _HELD_OUT, _CRITERIA, _RANDOM = 60, 60, 6, 6
_WORLD, _BARE = RuleWorld(), "You answer questions."
_CRITIC, _EDITOR = RuleCritic(_WORLD), RuleEditor(_WORLD)


def miniature(seed: int, quick: bool) -> dict[str, float]:
    rng = np.random.default_rng([4011, seed])
    count = 20 if quick else _HELD_OUT
    heard = _complaints(20 if quick else _COMPLAINTS, rng)
    found = lifted(heard, FunctionWriter(_instruct), _check, most=_CRITERIA, rng=rng)
    rules = rng.choice(list(_WORLD.rules), min(_RANDOM, len(found.criteria)), replace=False)
    prompt, other = f"{_BARE}\n{found.told()}", "\n".join([_BARE, *rules.tolist()])
    answers = {name: _answers(text, count, rng) for name, text in (("none", _BARE), ("system", prompt))}
    revised = {name: [_revised(item, rng) for item in own] for name, own in answers.items()}
    return {
        "none": 100 * _WORLD.expected(_BARE),
        "instance": _earned(revised["none"]),
        "system": 100 * _WORLD.expected(prompt),
        "random": 100 * _WORLD.expected(other),
        "both": _earned(revised["system"]),
        "checked": _agreement(found, answers["none"]),
    }


def _complaints(count: int, rng: np.random.Generator) -> list[str]:
    """What is said of answers to the bare prompt, of each at most one thing."""
    found: list[str] = []
    while len(found) < count:
        said = _CRITIC(_answers(_BARE, 1, rng)[0], rng)
        found += [said] if said != KEEP else []
    return found


def _answers(prompt: str, count: int, rng: np.random.Generator) -> list[Item]:
    return [_WORLD.sample(prompt, context, 1, rng=rng)[0] for context in _WORLD.contexts(count, rng=rng)]


def _revised(item: Item, rng: np.random.Generator) -> Item:
    """An answer, after one complaint about it was heard where there is one."""
    said = _CRITIC(item, rng)
    return item if said == KEEP else Item(item.context, (Part(_EDITOR.revise(output_text(item), said, rng)),))


def _earned(items: Sequence[Item]) -> float:
    return 100 * float(np.mean([_WORLD.share(item) for item in items]))


def _instruct(messages: Sequence[Mapping[str, Any]], _: Mapping[str, Any]) -> str:
    """The rule that most of the complaints shown ask for."""
    text = str(messages[0]["content"])
    asked = {rule: text.count(_WORLD.aspects[place].complaint(wants)) for rule, (place, wants) in _WORLD.rules.items()}
    mark = text.rsplit("</", 1)[1].split(">")[0]
    return f"<{mark}>\n{max(asked, key=lambda rule: asked[rule])}\n</{mark}>"


def _check(rule: str) -> Rule:
    """Whether an answer shows what a rule wants."""
    place, wants = _WORLD.rules[rule]
    return Rule(lambda item: float(_WORLD.shown(output_text(item))[place] == wants), rule)


def _agreement(found: Lifted, items: Sequence[Item]) -> float:
    """Answers of which the checks break fewer say that more is right: their rank correlation with the share."""
    from scipy.stats import spearmanr

    broken = [len(own) for own in found.failing(items)]
    return float(-spearmanr(broken, [_WORLD.share(item) for item in items]).statistic)


ENTRY = Entry(
    id="004-011",
    title="System-Level Natural Language Feedback",
    area="rewriting/feedback",
    citation="Yuan et al. 2024",
    claim=(
        "60 complaints about single answers, about a tenth of them wrong, are lifted to at most six criteria. Of "
        "answers to 60 new questions the share of what matters that is right is greater with these in the prompt than "
        "with as many random rules, by more than 10 points; and with both these and one complaint heard about each "
        "answer, greater than with either alone. Checks compiled from the criteria agree with the share: rank "
        "correlation above 0.5."
    ),
    configuration=(
        "rewriting.lifted (k-means on models.NgramFeatures, a writer that names the rule most complained of); "
        "worlds.RuleWorld with RuleCritic and RuleEditor.revise."
    ),
    measures={
        "none": "share of what matters that is right, per cent, bare prompt, exactly",
        "instance": "the same after one complaint was heard about each answer",
        "system": "the same with the lifted criteria in the prompt, exactly",
        "random": "the same with as many random rules in the prompt, exactly",
        "both": "the same with the criteria in the prompt, after one complaint about each answer",
        "checked": "rank correlation of the share with how few criteria checks find broken, bare prompt",
    },
    checks=(
        Check("system", "random", above=10.0),
        Check("both", "system", above=0.0),
        Check("both", "instance", above=0.0),
        Check("checked", above=0.5),
    ),
    miniature=miniature,
    beyond=(
        "Complaints are sentences of templates, so that clusters are easy to find; the model that names what a cluster "
        "asks for is played, and makes no mistake. How a checker is compiled is not in the abstract: here it looks for "
        "what the rule wants. Rules that stand together dilute each other beyond six, in this world."
    ),
)
