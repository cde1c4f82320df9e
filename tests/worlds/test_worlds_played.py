"""Worlds behind chat models: what is read from messages, answers that follow from requests, and HTTP."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest
from scipy.stats import binomtest

from heedful.core import Budget, InputError, Item, UsageError
from heedful.models import Endpoint, Request, Sampling
from heedful.models.marked import filled, in_block
from heedful.sampling import KEEP, Chat, Task
from heedful.sampling.refinements import CONTRAST, CRITIQUE, REVISE
from heedful.worlds import (
    PROGRAM_STEPS,
    Asked,
    Block,
    ChatServer,
    Drift,
    RuleCritic,
    RuleEditor,
    RuleWorld,
    as_writer,
    in_steps,
    in_steps_async,
    rule_models,
    step_text,
    to_rewrite,
)

WORLD = RuleWorld()
SURE = rule_models(WORLD, critic=RuleCritic(WORLD, sees=1.0, misled=0.0), editor=RuleEditor(WORLD, skill=1.0))
QUESTION = "Question 3 about history."
UNDONE = "\n".join(own.line(own.worth < 0 or own.asks == "Name the year.") for own in WORLD.aspects)
REWRITE = """\
What stands between <$mark> and </$mark> is material. Rewrite a prompt:
$prompt

What was said of its answers:
$critiques

Write the whole prompt, rewritten, between a line <$mark> and a line </$mark>."""


MARK = "0123456789ab"
PARTS = f"""\
These may be rewritten:
part 1, the text a
<{MARK}-1>
Be kind.
</{MARK}-1>
part 2, b
<{MARK}-2>

</{MARK}-2>
This was said:
<{MARK}>
1. It gives no source.
</{MARK}>
Write each between its own marks, <{MARK}-1> and </{MARK}-1> for part 1 and so on."""
PER_CALL = """\
Here is one call of a step of it, named $stage. What was said of what it gave:
$words
One part of what it was given is $what:
$value
Say how that part should change. Write it on lines of its own between <$mark> and </$mark>."""


def ask(answer, model: str, *texts: str, seed: int = 0) -> str:
    roles = ("user", "assistant") * len(texts)
    messages = [{"role": role, "content": text} for role, text in zip(roles, texts, strict=False)]
    return answer(messages, {"model": model, "seed": seed})


def consistent(hits: int, n: int, share: float) -> bool:
    return bool(binomtest(hits, n, share).pvalue > 1e-4)


def test_blocks_are_read_by_the_mark_of_the_request():
    inner = "<0123456789ab>\nold\n</0123456789ab>\nverdict 0123456789ab: CHANGE"
    text, mark = filled(REVISE, {"context": QUESTION, "answer": inner, "critique": "Bad.\n\nIt is."}, {})
    read = Asked.read([{"role": "user", "content": text}])
    heads = "Request:", "Answer:", "Criticism:"
    texts = QUESTION, inner, "Bad.\n\nIt is."
    assert read.blocks == tuple(Block(*own) for own in zip(heads, (mark,) * 3, texts, strict=True))
    assert not any(own in read.outside for own in texts)
    assert read.form("new", mark) == f"<{mark}>\nnew\n</{mark}>"
    (part,), said = to_rewrite(read)
    assert part.text == QUESTION
    assert inner in said


def test_numbered_blocks_are_what_may_be_rewritten():
    read = Asked.read([{"role": "user", "content": PARTS}])
    parts, said = to_rewrite(read)
    assert parts == [Block("part 1, the text a", f"{MARK}-1", "Be kind."), Block("part 2, b", f"{MARK}-2", "")]
    assert "It gives no source." in said
    assert "Be kind." not in said
    assert read.form("new", f"{MARK}-2") == f"<{MARK}-2>\nnew\n</{MARK}-2>"
    (whole,), said = to_rewrite(Asked.read([{"role": "user", "content": "Be kind."}]))
    assert (whole.text, said) == ("Be kind.", "Be kind.")


def test_the_form_of_an_answer_is_the_one_asked_for():
    material = {"context": QUESTION, "answer": "This.", "other": "That."}
    critique, mark = filled(CRITIQUE, {"context": QUESTION, "answer": "This."}, {})
    asked = Asked.read([{"role": "user", "content": critique}])
    assert asked.criticism("It is long.") == f"It is long.\nverdict {mark}: CHANGE"
    assert asked.criticism(KEEP).endswith(f"verdict {mark}: KEEP")
    contrast, _ = filled(CONTRAST, material, {})
    assert Asked.read([{"role": "user", "content": contrast}]).criticism("It is long.") == "It is long."
    assert Asked.read([{"role": "user", "content": "Anything."}]).criticism("It is long.") == "It is long."


def test_what_the_assistant_said_is_not_read():
    told = [{"role": "system", "content": "a"}, {"role": "assistant", "content": "b"}, {"role": "user", "content": "c"}]
    assert Asked.read(told).text == "a\n\nc"


def test_the_same_request_has_the_same_answer_and_another_seed_another():
    text = f"Name the year. Use no list.\n\n{QUESTION}"
    answers = [ask(SURE, "task", text, seed=seed) for seed in (0, 0, *range(1, 200))]
    assert answers[0] == answers[1] == ask(rule_models(WORLD), "task", text)
    named = sum("It was in 1969." in own for own in answers[1:])
    assert consistent(named, 200, 0.9 + 0.1 * 0.2)
    with pytest.raises(UsageError, match="no model 'judge'"):
        ask(SURE, "judge", text)


def test_chat_roles_are_played_over_http():
    item, rng = Item.of(QUESTION, UNDONE), np.random.default_rng(0)
    assert np.flatnonzero(WORLD.amiss(item)).tolist() == [1, 4, 5, 6, 7, 8, 10]
    players = {"critic": RuleCritic(WORLD, sees=1.0, misled=0.0), "editor": RuleEditor(WORLD, skill=1.0)}
    with ChatServer(rule_models(WORLD, **players, reads=lambda own: (own.blocks[1:2], own.blocks[2].text))) as server:
        critic = Chat(Endpoint(server.url, "critic"), CRITIQUE, "critique")
        editor = Chat(Endpoint(server.url, "editor"), REVISE)
        (said,) = critic([Task(item)], budget=Budget(), rng=rng).values
        (new,) = editor([Task(item, said)], budget=Budget(), rng=rng).values
    assert said in {own.complaint(own.worth > 0) for own in WORLD.aspects}
    revised = Item.of(QUESTION, new)
    assert WORLD.right(revised).sum() == WORLD.right(item).sum() + 1
    best = Item.of(QUESTION, "\n".join(own.line(own.worth > 0) for own in WORLD.aspects))
    assert Chat(as_writer(SURE, "critic"), CRITIQUE, "critique")([Task(best)], budget=Budget(), rng=rng).values == (
        KEEP,
    )


def test_a_prompt_is_rewritten_by_what_most_critiques_say():
    critiques = "It gives no source.\nIt uses a list.\nIt gives no source.\nThe prompt was: Give an example."
    text, mark = filled(REWRITE, {"prompt": "Be kind.\nName the year.", "critiques": critiques}, {})
    assert ask(SURE, "editor", text) == f"<{mark}>\nBe kind.\nName the year.\nGive a source.\n</{mark}>"
    other = rule_models(WORLD, editor=RuleEditor(WORLD, 1.0), reads=lambda own: (own.blocks[1:], "It tells a joke."))
    assert ask(other, "editor", text) == f"<{mark}>\n{critiques}\nTell no joke.\n</{mark}>"


def test_what_was_said_of_a_call_is_passed_on_to_what_it_bears_on():
    words = "It gives no source.\nIt tells a joke."

    def told(stage: str, what: str) -> str:
        text, mark = filled(PER_CALL, {"words": words, "value": "Be kind."}, {"stage": stage, "what": what})
        return in_block(ask(SURE, "critic", text), mark) or ""

    assert told("draft", "the text 'draft'") == "It tells a joke."
    assert told("retrieve", "the text 'retrieve'") == "It gives no source."
    assert told("check", "the text 'check'") == "It is well."
    assert told("check", "the result of an earlier step, draft") == words
    assert told("answer", "the text 'prompt'") == words


def test_one_of_several_prompts_is_rewritten():
    new = {ask(SURE, "editor", PARTS, seed=seed) for seed in range(20)}
    texts = "Be kind.\nGive a source.", "Give a source."
    assert new == {f"<{MARK}-{place}>\n{text}\n</{MARK}-{place}>" for place, text in enumerate(texts, 1)}


def test_a_malformed_answer_is_mended_by_asking_again():
    n, models = 300, rule_models(WORLD, editor=RuleEditor(WORLD, skill=1.0), malformed=0.4)
    text, mark = filled(REWRITE, {"prompt": "Be kind.", "critiques": "It gives no source."}, {})
    answers = [ask(models, "editor", text, seed=seed) for seed in range(n)]
    bad = [own for own in answers if f"<{mark}>" not in own]
    assert {*bad} == {"Be kind.\nGive a source."}
    assert consistent(len(bad), n, 0.4)
    again = [ask(models, "editor", text, own, "Once more, in the form asked for.", seed=k) for k, own in enumerate(bad)]
    assert consistent(sum(own.startswith(f"<{mark}>") for own in again), len(bad), 0.6)
    with pytest.raises(InputError, match="malformed is -1"):
        rule_models(WORLD, malformed=-1)


def test_what_is_criticised_drifts_with_the_clock():
    time, turned = [0], WORLD.valued([-own.worth for own in WORLD.aspects])
    drift = Drift((WORLD, turned), (0, 10))

    def models(world: RuleWorld):
        return rule_models(world, critic=RuleCritic(world, sees=1.0, misled=0.0))

    lines = "\n".join(own.line(own.worth > 0) for own in WORLD.aspects)
    with ChatServer(lambda *asked: models(drift.at(time[0]))(*asked)) as server:
        endpoint = Endpoint(server.url, "critic")
        before = endpoint.complete([Request.of(f"{QUESTION}\n{lines}")])[0].text
        time[0] = 10
        after = endpoint.complete([Request.of(f"{QUESTION}\n{lines}", sample=1)])[0].text
    assert before == "It is well."
    assert after in {own.complaint(own.worth < 0) for own in WORLD.aspects if own.worth}


# A program of three steps.


PROMPTS = {
    "retrieve": "Name the year.\nTell no joke.",
    "draft": "Use no list.",
    "check": "Give a source.\nDo not apologise.",
}


def test_each_step_decides_its_aspects_by_its_own_prompt():
    law = WORLD.law(PROMPTS)
    each = {own.asks: float(probability) for own, probability in zip(WORLD.aspects, law, strict=True)}
    assert each["Name the year."] == pytest.approx(0.9 + 0.1 * 0.2)
    assert each["Give a source."] == pytest.approx(0.2)  # what stands in the prompt of another step does nothing
    assert each["Tell a joke."] == pytest.approx(0.1)
    assert each["Apologise first."] == pytest.approx(0.1 * 0.3)
    best = {step: WORLD.best(step) for step in PROGRAM_STEPS}
    assert WORLD.expected(best) > max(WORLD.expected(PROMPTS), WORLD.expected(WORLD.best()))


def test_the_program_has_the_worth_of_its_prompts():
    n, rng = 400, np.random.default_rng(0)
    contexts = WORLD.contexts(n, rng=rng)
    items = [
        Item.of(context[0].text, in_steps(lambda model, text: ask(SURE, model, text), PROMPTS, context[0].text))
        for context in contexts
    ]
    assert all(not np.isnan(WORLD.shown(item.output[0].text)).any() for item in items)
    shares = WORLD.reward()(items).mean
    assert abs(shares.mean() - WORLD.expected(PROMPTS)) < 4 * shares.std() / np.sqrt(n)


def test_a_step_writes_behind_what_stands_so_far():
    text = ask(SURE, "task", step_text("Do not greet.", "check", QUESTION, "It was in 1969.\nThis is serious."))
    assert text.startswith("It was in 1969.\nThis is serious.\n")
    assert len(text.split("\n")) == 2 + sum(own.step == "check" for own in WORLD.aspects)


def test_the_program_runs_async_and_over_http():
    async def answered(model: str, text: str) -> str:
        return await asyncio.to_thread(ask, SURE, model, text)

    with ChatServer(SURE) as server:

        def asked(model: str, text: str) -> str:
            (answer,) = Endpoint(server.url, model, sampling=Sampling(max_tokens=500)).complete([Request.of(text)])
            return answer.text

        served = in_steps(asked, PROMPTS, QUESTION)
        assert [call.parameters["model"] for call in server.calls] == ["task"] * 3
    assert served == asyncio.run(in_steps_async(answered, PROMPTS, QUESTION))
