"""Refinement against its Markov chain on strings to be repaired, and its published forms over chat models."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from heedful.core import Budget, BudgetExceededError, InputError, Item, Part, UsageError
from heedful.core.contracts import SamplingEngineContract
from heedful.evidence import Rule
from heedful.models import Endpoint, FunctionWriter, StepModel, TableModel
from heedful.sampling import (
    KEEP,
    BestOfN,
    Chat,
    Played,
    Refining,
    Task,
    Then,
    contrastive_refinement,
    critique_and_revise,
    feedback_and_edit,
    introspection,
    reverse_check,
)
from heedful.target import Target
from heedful.worlds import ChatServer, RepairWorld

WORLD = RepairWorld()


def played(world: RepairWorld = WORLD, **sizes) -> Refining:
    return Refining(Played(world.critic), Played(world.editor), **sizes)


def refined(how: Refining, n: int, world: RepairWorld = WORLD, seed: int = 0):
    rng = np.random.default_rng(seed)
    contexts = world.contexts(n, rng=rng)
    return how(Target(world.base(contexts), world.reward()), contexts, budget=Budget(), rng=rng)


def right(found, world: RepairWorld = WORLD) -> float:
    return float(np.mean([world.errors(item) == 0 for item in found.items]))


class TestRefining(SamplingEngineContract):
    CONTEXTS = WORLD.contexts(3, rng=np.random.default_rng(0))

    def make(self):
        return played(drafts=2, critiques=2, revisions=2, rounds=2)

    def target(self):
        return Target(WORLD.base(self.CONTEXTS), WORLD.reward())

    def contexts(self):
        return self.CONTEXTS


class TestContrasting(TestRefining):
    def make(self):
        return played(drafts=3, revisions=3, rounds=2, subject="best")


class TestAlways(TestRefining):
    def make(self):
        return played(rounds=3, take="always")


# --- The truth: a Markov chain ---------------------------------------------------------------------------------------

SETTINGS = (
    played(),
    played(rounds=4),
    played(rounds=4, take="always"),
    played(drafts=3, critiques=2, revisions=2, rounds=2),
    played(drafts=2, rounds=3, take="always"),
)
WORLDS = (WORLD, RepairWorld(length=5, wrong=0.3, sees=0.9, follows=0.5), RepairWorld(sees=None))


@pytest.mark.parametrize("world", WORLDS, ids=["usual", "weak editor", "blind critic"])
@pytest.mark.parametrize("how", SETTINGS, ids=lambda how: f"{how.drafts}x{how.critiques}x{how.revisions}x{how.rounds}")
def test_success_is_that_of_the_chain(how: Refining, world: RepairWorld) -> None:
    own = replace(how, critic=Played(world.critic), editor=Played(world.editor))
    n = 600
    expected = world.success(own)
    assert abs(right(refined(own, n, world), world) - expected) < 4 * np.sqrt(expected * (1 - expected) / n)


def test_the_chain_by_hand() -> None:
    """Two letters: a draft is right with 0.36, one wrong 0.48, two wrong 0.16; a round mends one with 0.56."""
    world = RepairWorld(length=2)
    once = played(world)
    assert world.success(once) == pytest.approx(0.36 + 0.48 * 0.56)
    assert world.success(played(world, rounds=2)) == pytest.approx(
        0.36 + 0.48 * (1 - 0.44**2) + 0.16 * 0.8 * 0.56  # of two wrong, any position named is wrong
    )
    loose = played(world, take="always")
    assert world.success(loose) == pytest.approx(0.36 * (0.7 + 0.3 * 0.2) + 0.48 * 0.56)
    assert world.transitions(loose).sum(axis=1) == pytest.approx(np.ones(4))


def test_it_is_compared_with_best_of_n_at_the_same_cost() -> None:
    """A good critic is worth its calls, a blind one is not: then drafts are."""
    gains = {}
    for sees in (0.9, None):
        world = RepairWorld(length=8, wrong=0.35, sees=sees)
        how = played(world, drafts=2, rounds=7)
        calls = how.plan(world.base(world.contexts(1, rng=np.random.default_rng(0))), [()])
        same = int(calls["samples"] + calls["calls"])
        gains[sees] = world.success(how) - world.best_of(same)
    assert gains[0.9] > 0.3
    assert gains[None] < 0
    best = refined(BestOfN(16), 400, RepairWorld())
    expected = RepairWorld().best_of(16)
    assert abs(right(best) - expected) < 4 * np.sqrt(expected * (1 - expected) / 400)


def test_a_blind_critic_does_not_help_without_the_score() -> None:
    world = RepairWorld(length=4, wrong=0.3, sees=None, follows=1.0)
    assert world.success(played(world, rounds=5, take="always")) < world.best_of(1) - 0.1
    # With the score it climbs by chance: that gain is the score's, and as good as without any critic.
    assert world.success(played(world, rounds=5)) > world.best_of(1) + 0.2


# --- What it keeps, counts and costs ---------------------------------------------------------------------------------


def test_better_never_loses_and_gives_the_best_of_all_met() -> None:
    found = refined(played(drafts=3, critiques=2, revisions=2, rounds=3), 40)
    best = np.full(40, -np.inf)
    np.maximum.at(best, [own.context for own in found.met], found.met_scores)
    assert found.scores.mean.tolist() == best.tolist()
    drafts = [own for own in found.met if own.round == 0]
    assert len(drafts) == 120
    for own in found.met:
        if own.parent is not None:
            parent = found.met[own.parent]
            assert (parent.context, parent.round < own.round, own.critique != KEEP) == (own.context, True, True)
            assert parent.item.context == own.item.context
            changed = [a != b for a, b in zip(parent.item.output[0].text, own.item.output[0].text, strict=True)]
            assert sum(changed) <= 1
            assert not any(changed) or changed[int(own.critique)]


def test_costs_are_planned_reserved_and_told() -> None:
    how, rng = played(drafts=2, critiques=2, revisions=3, rounds=2), np.random.default_rng(1)
    contexts = WORLD.contexts(5, rng=rng)
    target = Target(WORLD.base(contexts), WORLD.reward())
    plan = how.plan(target.base, contexts)
    assert plan == {"samples": 10, "calls": 5 * 2 * 2 * 2 * (1 + 3), "scores": 10 + 120}
    budget = Budget(**plan)
    found = how(target, contexts, budget=budget, rng=rng)
    assert all(found.cost[unit] <= most for unit, most in plan.items())
    assert budget.spent == {unit: found.cost[unit] for unit in plan}
    different = {own.item for own in found.met}
    assert found.cost["scores"] == len(different)
    edits = sum(own.round > 0 for own in found.met)
    assert found.cost["calls"] == edits + edits / 3 + found.kept
    for unit in plan:
        tight = Budget(**(plan | {unit: plan[unit] - 1}))
        with pytest.raises(BudgetExceededError, match=unit):
            how(target, contexts, budget=tight, rng=rng)
        assert set(tight.spent.values()) == {0.0}
    best = played(drafts=4, revisions=3, rounds=2, subject="best")
    assert best.plan(target.base, contexts) == {"samples": 20, "calls": 5 * 2 * (1 + 3), "scores": 20 + 30}


def test_what_cannot_be_read_leaves_the_draft_and_is_counted() -> None:
    def torn(task, rng):
        return None if rng.random() < 0.5 else WORLD.critic(task, rng)

    def lazy(task, rng):
        return None if rng.random() < 0.25 else WORLD.editor(task, rng)

    found = refined(Refining(Played(torn), Played(WORLD.editor)), 400)
    read = 400 - found.unread_critiques
    assert abs(found.unread_critiques - 200) < 4 * 10
    assert len(found.met) == 400 + read - found.kept
    # A torn critique is one that is never followed.
    expected = RepairWorld(sees=0.7, follows=0.8)
    half = (expected.success(played()) + expected.best_of(1)) / 2
    assert abs(right(found) - half) < 4 * np.sqrt(half * (1 - half) / 400)
    lost = refined(Refining(Played(WORLD.critic), Played(lazy)), 400)
    assert lost.unread_revisions > 50
    weaker = RepairWorld(follows=0.6).success(played())  # 0.75 of 0.8
    assert abs(right(lost) - weaker) < 4 * np.sqrt(weaker * (1 - weaker) / 400)


def test_an_answer_with_nothing_to_change_is_done() -> None:
    asked: list[Item] = []

    def content(task, rng):
        asked.append(task.item)
        return KEEP

    found = refined(Refining(Played(content), Played(WORLD.editor), rounds=5), 7)
    assert (len(asked), found.kept, found.cost["calls"]) == (7, 7, 7)


def test_contrast_shows_best_and_worst_of_all_met() -> None:
    base = TableModel.of({"q": {"a": 0.5, "b": 0.3, "c": 0.2}})
    seen: list[tuple[str, str]] = []

    def critic(task, rng):
        seen.append((task.item.output[0].text, task.other.output[0].text))
        return "d" if len(seen) == 1 else "0"

    how = Refining(Played(critic), Played(lambda task, rng: task.critique), drafts=20, rounds=2, subject="best")
    worth = {"a": 0.0, "b": 1.0, "c": 2.0, "d": 3.0, "0": -1.0}
    target = Target(base, Rule(lambda item: worth[item.output[0].text], "worth"))
    found = how(target, [Item.of("q").context], budget=Budget(), rng=np.random.default_rng(0))
    assert seen == [("c", "a"), ("d", "a")]
    assert found.items[0].output[0].text == "d"


def test_outputs_in_steps_stay_in_steps() -> None:
    def following(context, steps):
        return (() if len(steps) == 2 else (Part("x"), Part("y"))), (0.5, 0.5)

    def lines(text):
        return tuple(Part(line) for line in text.split("\n"))

    base, context = StepModel(following), Item.of("q").context
    editor = Played(lambda task, rng: "\n".join(["z", *(part.text for part in task.item.output[1:])]))
    how = Refining(Played(lambda task, rng: "begin with z"), editor, parts=lines)
    worth = Rule(lambda item: float(item.output[0].text == "z") + len(item.output), "worth")
    found = how(Target(base, worth), [context], budget=Budget(), rng=np.random.default_rng(0))
    assert found.items[0].output == (Part("z"), found.met[0].item.output[1])
    assert found.scores.mean.tolist() == [3.0]


def test_settings_that_cannot_be_are_refused() -> None:
    for wrong in ({"rounds": 0}, {"subject": "worst"}, {"take": "never"}, {"subject": "best", "take": "always"}):
        with pytest.raises(UsageError):
            played(**wrong)
    for share in ({"wrong": 0.0}, {"sees": 1.5}, {"follows": -0.1}, {"length": 0}):
        with pytest.raises(InputError, match="RepairWorld"):
            RepairWorld(**share)
    with pytest.raises(UsageError, match="fields are"):
        Chat(FunctionWriter(lambda messages, parameters: ""), "$answer and $question")
    with pytest.raises(UsageError, match="not to see it"):
        reverse_check(FunctionWriter(lambda messages, parameters: ""), reconstruct="$context $answer $mark")


# --- Chat models -----------------------------------------------------------------------------------------------------


def blocks(asked: str) -> tuple[str, list[str]]:
    mark = re.findall(r"<([0-9a-f]{12})>\n", asked)[0]
    return mark, [text.partition(f"\n</{mark}>")[0] for text in asked.split(f"<{mark}>\n")[1:]]


def perfect(messages, parameters) -> str:
    """Plays every role in the world of strings without fault."""
    asked = messages[0]["content"]
    mark, texts = blocks(asked)
    if asked.startswith("Revise"):
        context, answer, place = texts
        letters = list(answer)
        letters[int(place)] = context[int(place)]
        return f"Here it is:\n<{mark}>\n{''.join(letters)}\n</{mark}>\n"
    if asked.startswith("One answer"):
        return "the first has fewer wrong letters"
    if asked.startswith("Somebody solved"):
        return f"<{mark}>\n{texts[0]}\n</{mark}>"
    if asked.startswith("An answer to a request was compared"):
        return str(next((row for row, (a, b) in enumerate(zip(*texts[:2], strict=True)) if a != b), 0))
    wrong = [row for row, (a, b) in enumerate(zip(*texts[:2], strict=True)) if a != b]
    return f"{wrong[0]}\nverdict {mark}: CHANGE" if wrong else f"All is well.\nverdict {mark}: KEEP"


FORMS = {
    "feedback and edit": lambda writer: feedback_and_edit(writer, writer, drafts=2, critiques=1, revisions=1),
    "critique and revise": lambda writer: critique_and_revise(writer, rounds=6),
    "contrastive": lambda writer: contrastive_refinement(writer, width=3, depth=3),
    "reverse": lambda writer: reverse_check(writer, rounds=6),
    "introspection": lambda writer: introspection(writer, turns=6),
}


@pytest.mark.parametrize("name", FORMS)
def test_published_forms_mend_what_a_perfect_model_sees(name: str) -> None:
    how, rng = FORMS[name](FunctionWriter(perfect)), np.random.default_rng(2)
    contexts = WORLD.contexts(6, rng=rng)
    target = Target(WORLD.base(contexts), WORLD.reward())
    found = how(target, contexts, budget=Budget(**how.plan(target.base, contexts)), rng=rng)
    errors = {own.context: [] for own in found.met}  # type: ignore[var-annotated]
    for own in found.met:
        errors[own.context].append(WORLD.errors(own.item))
    drafts = [min(listed[: how.drafts]) for listed in errors.values()]
    mended = {"feedback and edit": 1, "contrastive": 3}.get(name, 6)
    assert [-score for score in found.scores.mean] == [max(0, first - mended) for first in drafts]
    assert (found.unread_critiques, found.unread_revisions, found.repaired) == (0, 0, 0)


def test_over_http_with_slips_of_form_and_repairs() -> None:
    pytest.importorskip("openai")
    calls = Counter[bool]()

    def slips(messages, parameters) -> str:
        """Forgets its form at first, and mends it when asked."""
        calls[len(messages) > 1] += 1
        return perfect(messages, parameters) if len(messages) > 1 else "I would rather talk."

    rng = np.random.default_rng(3)
    contexts = WORLD.contexts(4, rng=rng)
    target = Target(WORLD.base(contexts), WORLD.reward())
    with ChatServer(slips) as server, Endpoint(server.url, "m") as model:
        how = critique_and_revise(model, rounds=2)
        plan = how.plan(target.base, contexts)
        found = how(target, contexts, budget=Budget(calls=plan["calls"]), rng=rng)
        assert found.cost["calls"] == len(server.calls) == sum(calls.values()) <= plan["calls"]
    assert found.repaired == calls[True] == calls[False]
    assert found.cost["tokens"] > 0
    mute = FunctionWriter(lambda messages, parameters: "I would rather talk.")
    lost = critique_and_revise(mute, rounds=2)(target, contexts, budget=Budget(), rng=rng)
    assert (lost.unread_critiques, len(lost.met), lost.cost["calls"]) == (8, 4, 16)


def test_a_model_that_is_asked_again_is_asked_for_another_sample() -> None:
    numbers: list[int] = []

    def stubborn(messages, parameters) -> str:
        asked = messages[0]["content"]
        mark, texts = blocks(asked)
        if asked.startswith("Revise"):
            return f"<{mark}>\n{texts[1]}\n</{mark}>"
        numbers.append(parameters["seed"])
        return f"0\nverdict {mark}: CHANGE"

    base = TableModel.of({"ab": {"aa": 1.0}})
    how = feedback_and_edit(FunctionWriter(stubborn), FunctionWriter(stubborn), drafts=2, critiques=2, revisions=1)
    how(
        Target(base, RepairWorld(length=2).reward()),
        [Item.of("ab").context] * 2,
        budget=Budget(),
        rng=np.random.default_rng(0),
    )
    assert sorted(numbers) == list(range(8))


def test_roles_in_a_row_stop_where_nothing_is_to_change() -> None:
    first = Played(lambda task, rng: {"aa": KEEP, "ab": None}.get(task.item.output[0].text, "seen"))
    second = Played(lambda task, rng: f"{task.critique} and weighed")
    tasks = [Task(Item.of("q", text)) for text in ("aa", "ab", "bb")]
    both = Then(first, second)
    found = both(tasks, budget=Budget(), rng=np.random.default_rng(0))
    assert found.values == (KEEP, None, "seen and weighed")
    assert (found.cost, both.most_calls) == ({"calls": 4}, 2)
