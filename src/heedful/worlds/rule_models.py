"""The rule world as chat models: who answers, who criticises, who rewrites; and a program of three steps."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping, Sequence

import numpy as np

from heedful.core import Item
from heedful.worlds.played import Asked, Block, check_shares, played, to_rewrite
from heedful.worlds.rule_players import RuleCritic, RuleEditor
from heedful.worlds.rule_world import RuleWorld
from heedful.worlds.served import Answering

PROGRAM_STEPS = "retrieve", "draft", "check"
"""The steps of the program, as `ASPECTS` name them."""
_STEP = re.compile(r"^Step: (\w+)$", re.MULTILINE)
_SO_FAR = "So far:"


def rule_models(
    world: RuleWorld,
    *,
    critic: RuleCritic | None = None,
    editor: RuleEditor | None = None,
    malformed: float = 0.0,
    reads: Callable[[Asked], tuple[Sequence[Block], str]] = to_rewrite,
) -> Answering:
    """Chat models named task, critic and editor, for `ChatServer`, or `as_writer` without a server.

    task    answers by the rules that stand in what it is told; with a line "Step: NAME", the aspects of this step
            alone, behind what stands "So far:"
    critic  criticises the answer whose lines it is shown, to the last question that it is shown. Where it is shown what
            was said already, it passes that on
    editor  rewrites what `reads` finds: one of some prompts, or an answer. What it writes is `malformed`, not in the
            form asked for, with this probability

    In a world that drifts, `lambda *asked: rule_models(drift.at(clock()))(*asked)`.

    >>> with ChatServer(rule_models(RuleWorld())) as server:  # doctest: +SKIP
    ...     Endpoint(server.url, "task").complete([Request.of("Name the year.\\n\\nQuestion 1 about history.")])
    """
    check_shares("rule_models", malformed=malformed)
    says, edits = critic or RuleCritic(world), editor or RuleEditor(world)

    def criticise(asked: Asked, rng: np.random.Generator) -> str:
        told = [said for own in world.aspects for said in (own.lacks, own.has) if said and said in asked.text]
        if told:
            return asked.criticism(_passed_on(world, told, asked.outside))
        return asked.criticism(says(Item.of(asked.text, asked.text), rng))

    def rewrite(asked: Asked, rng: np.random.Generator) -> str:
        parts, said = reads(asked)
        if np.isnan(world.shown(parts[0].text)).all():
            place, new = edits.among([(own.head, own.text) for own in parts], said, rng)
        else:
            place, new = 0, edits.revise(parts[0].text, said, rng)
        return new if rng.random() < malformed else asked.form(new, parts[place].mark)

    def perform(asked: Asked, rng: np.random.Generator) -> str:
        before, _, so_far = asked.text.partition(_SO_FAR)
        step = _STEP.search(before)
        own = world.answer(asked.text, rng=rng, step=step[1] if step else None)
        lines = {line for aspect in world.aspects for line in (aspect.done, aspect.undone)}
        return "\n".join(filter(None, [*(line for line in so_far.splitlines() if line in lines), own]))

    return played({"task": perform, "critic": criticise, "editor": rewrite})


def _passed_on(world: RuleWorld, told: Sequence[str], asked: str) -> str:
    """What is said, of what was said of a call: all of it, of the result of an earlier step; of what went into a step
    that is named, what this step decides."""
    steps = {own.step for own in world.aspects if own.step in asked}
    if steps and "result of an earlier step" not in asked:
        told = [words for own in world.aspects for words in told if own.step in steps and words in (own.lacks, own.has)]
    return "\n".join(told)


def step_text(prompt: object, step: str, question: str, so_far: str = "") -> str:
    """What a step of the program asks the model `task`: by its own prompt, with what steps before it wrote."""
    return f"{prompt}\n\nStep: {step}\n{question}\n{_SO_FAR}\n{so_far}"


def in_steps(ask: Callable[[str, str], str], prompts: Mapping[str, object], question: str) -> str:
    """The program: notes are retrieved, a draft is written behind them, and checked. `ask(model, text)` answers.

    Each step is told its own prompt alone, and decides the aspects of its name: a rule that stands in the prompt of
    another does nothing, and takes of its capacity. The worth is `world.expected(prompts)`.
    """
    so_far = ""
    for step in PROGRAM_STEPS:
        so_far = ask("task", step_text(prompts[step], step, question, so_far))
    return so_far


async def in_steps_async(
    ask: Callable[[str, str], Awaitable[str]], prompts: Mapping[str, object], question: str
) -> str:
    """The same, where asking is awaited."""
    so_far = ""
    for step in PROGRAM_STEPS:
        so_far = await ask("task", step_text(prompts[step], step, question, so_far))
    return so_far
