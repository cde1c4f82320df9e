"""The rule world: worths of prompts against enumeration and simulation, players by their rates, people by theirs."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest
from scipy.special import expit
from scipy.stats import binomtest

import heedful
from heedful.core import InputError, Item
from heedful.feedback import write
from heedful.sampling import KEEP
from heedful.worlds import (
    ASPECTS,
    Aspect,
    Drift,
    RuleCritic,
    RuleEditor,
    RulePeople,
    RuleWorld,
    SimulatedRaters,
    collect,
)

WORLD = RuleWorld()
SMALL = RuleWorld(ASPECTS[:2] + ASPECTS[5:7], topics=("history", "science"), follows=0.8, capacity=2)
PROMPT = "Answer in English.\nName the year. Use no list.\nGreet the reader."
HISTORY, TRAVEL = "Question 3 about history.", "Question 4 about travel."


def consistent(hits: int, n: int, share: float) -> bool:
    return bool(binomtest(hits, n, share).pvalue > 1e-4)


def subsets(options):
    return itertools.chain.from_iterable(itertools.combinations(options, n) for n in range(len(options) + 1))


# The worth of prompts.


def test_a_rule_is_followed_or_left_to_chance():
    law = SMALL.law("Name the year.")
    np.testing.assert_allclose(law, [0.8 + 0.2 * 0.2, 0.2, 0.6, 0.1])
    np.testing.assert_allclose(SMALL.law("Use no list. Tell a joke."), [0.2, 0.2, 0.2 * 0.6, 0.8 + 0.2 * 0.1])


def test_of_contrary_rules_one_is_followed_at_random():
    np.testing.assert_allclose(SMALL.law("Use a list. Use no list.")[2], 0.8 * 0.5 + 0.2 * 0.6)


def test_beyond_its_capacity_the_model_follows_all_less():
    law = SMALL.law("Name the year. Give a source. Tell a joke. Use a list.")
    followed = 0.8 * 2 / 4
    np.testing.assert_allclose(law, [followed + (1 - followed) * own.chance for own in SMALL.aspects])


@pytest.mark.parametrize("prompt", ["", PROMPT, "Use a list. Use no list. Tell a joke.", "Give a source."])
@pytest.mark.parametrize("topic", ["history", "science"])
def test_the_worth_of_a_prompt_is_that_of_all_its_answers(prompt, topic):
    share = good = 0.0
    for done in itertools.product([True, False], repeat=4):
        text = "\n".join(own.line(yes) for own, yes in zip(SMALL.aspects, done, strict=True))
        probability = np.where(done, SMALL.law(prompt), 1 - SMALL.law(prompt)).prod()
        year, source, many, joke = done  # the year matters in history alone
        worth = [(1.5, source), (1.0, not many), (1.0, not joke), *([(1.0, year)] if topic == "history" else [])]
        right = sum(own for own, yes in worth if yes) / sum(own for own, _ in worth)
        assert SMALL.share(Item.of(f"Question 1 about {topic}.", text)) == pytest.approx(right)
        share, good = share + probability * right, good + probability * (right == 1)
    assert SMALL.expected(prompt, topic) == pytest.approx(share)
    assert SMALL.good(prompt, topic) == pytest.approx(good)


def test_answers_have_the_expected_worth():
    rng, n = np.random.default_rng(0), 1500
    items = [item for context in WORLD.contexts(n, rng=rng) for item in WORLD.sample(PROMPT, context, 1, rng=rng)]
    shares = WORLD.reward()(items).mean
    assert abs(shares.mean() - WORLD.expected(PROMPT)) < 4 * shares.std() / np.sqrt(n)
    good = WORLD.best()
    items = [item for context in WORLD.contexts(n, rng=rng) for item in WORLD.sample(good, context, 1, rng=rng)]
    assert consistent(sum(map(WORLD.is_good, items)), n, WORLD.good(good))


@pytest.mark.parametrize("capacity", [1, 2, 3, 9])
@pytest.mark.parametrize("follows", [0.5, 1.0])
def test_no_set_of_rules_is_better_than_the_best(capacity, follows):
    world = replace(SMALL, capacity=capacity, follows=follows)
    worths = [world.expected(" ".join(rules)) for rules in subsets(list(world.rules))]
    assert world.expected(world.best()) == pytest.approx(max(worths), abs=1e-12)


def test_no_prompts_of_steps_are_better_than_the_best_of_each():
    steps = {"retrieve": ("Name the year.", "Name no year.", "Give a source.", "Give no source.")}
    steps["draft"] = tuple(rule for rule in SMALL.rules if rule not in steps["retrieve"])
    tight = replace(SMALL, capacity=1)
    each = [[" ".join(rules) for rules in subsets(own)] for own in steps.values()]
    worths = [tight.expected({"retrieve": one, "draft": two}) for one, two in itertools.product(*each)]
    assert tight.expected({step: tight.best(step) for step in steps}) == pytest.approx(max(worths), abs=1e-12)


def test_an_aspect_left_undone_is_better_forbidden_than_asked():
    assert {"Do not apologise.", "Use no list."} <= {*WORLD.best().split("\n")}
    assert not {"Greet the reader.", "Do not greet."} & {*WORLD.best().split("\n")}
    assert WORLD.expected("Apologise first.") < WORLD.expected("") < WORLD.expected("Do not apologise.")


def test_in_the_null_world_every_share_is_a_fair_coin():
    null, rng = WORLD.without_worth(), np.random.default_rng(1)
    for prompt in ("", PROMPT, WORLD.best()):
        assert null.expected(prompt) == null.good(prompt) == null.expected(prompt, "travel") == 0.5
    items = [item for context in null.contexts(400, rng=rng) for item in null.sample(PROMPT, context, 1, rng=rng)]
    shares = null.reward()(items).mean
    assert {*shares} == {0.0, 1.0}
    assert consistent(int(shares.sum()), 400, 0.5)
    assert null.best() == ""
    said = [RuleCritic(null, sees=1.0, misled=0.3)(item, rng) for item in items]
    assert consistent(sum(text != KEEP for text in said), 400, 0.3)


def test_a_drift_changes_what_matters_at_its_times():
    other = WORLD.valued([-own.worth for own in WORLD.aspects])
    drift = Drift((WORLD, other), (0, 100))
    assert [drift.at(time) is WORLD for time in (0, 99.9, 100, 1e6)] == [True, True, False, False]
    assert other.expected(PROMPT) == pytest.approx(1 - WORLD.expected(PROMPT))
    with pytest.raises(InputError, match="2 worlds that start at"):
        Drift((WORLD, other), (0, 0))


# Texts.


def test_rules_are_found_in_any_text():
    assert WORLD.standing(PROMPT) == ("Name the year.", "Use no list.", "Greet the reader.")
    assert WORLD.standing("name the year") == ()


def test_what_an_answer_does_not_show_is_not_right():
    item = Item.of(HISTORY, "It was in 1969.\n(Source: the city archive.)")
    at_stake = 1 + 1.5 + 1 + 1 + 1 + 0.5 + 1 + 0.5
    assert WORLD.share(item) == pytest.approx(2.5 / at_stake)
    assert WORLD.utility(item) == pytest.approx(2.5 - at_stake / 2)
    assert not WORLD.amiss(item).any()


def test_what_cannot_be_is_refused():
    with pytest.raises(InputError, match="no question of this world"):
        WORLD.share(Item.of("Who was Caesar?", "A Roman."))
    with pytest.raises(InputError, match="nothing matters"):
        RuleWorld(ASPECTS[:1])
    with pytest.raises(InputError, match=r"'Be kind\.' stands in 'Be kind\. Always\.'"):
        RuleWorld((*ASPECTS, Aspect("Be kind.", "Be kind. Always.", "Dear.", "You.", "It is rude.", "It is kind.")))
    with pytest.raises(InputError, match="the step 'check'"):
        WORLD.law({"retrieve": "", "draft": ""})
    with pytest.raises(InputError, match=r"follows 1\.5"):
        RuleWorld(follows=1.5)
    with pytest.raises(InputError, match="'art', which is no topic"):
        RuleWorld((replace(ASPECTS[0], topics=("art",)),))
    with pytest.raises(InputError, match="cannot be shown"):
        replace(ASPECTS[0], undone="")


# Players.


def test_the_critic_sees_and_is_misled_as_often_as_it_says():
    n, critic, rng = 1500, RuleCritic(WORLD, sees=0.6, misled=0.2, scoped=0.3), np.random.default_rng(2)
    undone = Item.of(TRAVEL, "\n".join(own.undone for own in WORLD.aspects))
    true = [place for place, wrong in enumerate(WORLD.amiss(undone)) if wrong]
    assert [WORLD.aspects[place].asks for place in true] == [
        "Give a source.", "Tell the price.", "Give an example.", "Be brief.", "End with a full stop.",
    ]  # fmt: skip
    said = [critic(undone, rng) for _ in range(n)]
    named = [next((k for k, own in enumerate(WORLD.aspects) if own.lacks in text), None) for text in said]
    assert consistent(sum(place in true for place in named), n, 0.8 * 0.6)
    assert consistent(sum(place is not None and place not in true for place in named), n, 0.2)
    assert consistent(said.count(KEEP), n, 0.8 * 0.4)
    assert consistent(sum(place == true[0] for place in named), n, 0.8 * 0.6 / 5)
    assert consistent(sum("In questions about travel: " in text for text in said), n, 0.3 * (1 - 0.8 * 0.4))


def test_the_critic_complains_of_what_was_done_where_it_should_not():
    critic, rng = RuleCritic(WORLD, sees=1.0, misled=0.0), np.random.default_rng(3)
    lines = [own.line(own.worth > 0 or own.asks == "Use a list.") for own in WORLD.aspects]
    assert {critic(Item.of(TRAVEL, "\n".join(lines)), rng) for _ in range(5)} == {"It uses a list."}
    lines = [own.line(own.worth > 0) for own in WORLD.aspects]
    assert critic(Item.of(TRAVEL, "\n".join(lines)), rng) == KEEP


def test_the_editor_does_what_most_critiques_ask_for():
    editor, rng = RuleEditor(WORLD, skill=1.0), np.random.default_rng(4)
    critiques = "It gives no source.\nIn questions about travel: It gives no source.\nIt names a year."
    assert editor(PROMPT, critiques, rng) == f"{PROMPT}\nGive a source."
    assert editor(PROMPT, "It names a year.", rng) == "Answer in English.\nUse no list.\nGreet the reader."
    assert editor(PROMPT, "It greets the reader.", rng) == "Answer in English.\nName the year. Use no list."
    assert editor(PROMPT, "1. (3 times) It gives no source.\n2. It tells a joke.\n3. It tells a joke.", rng) == (
        f"{PROMPT}\nGive a source."
    )
    assert editor("", "It gives no source.", rng) == "Give a source."


def test_the_editor_does_as_often_as_its_skill_says_and_else_anything():
    n, editor, rng = 1500, RuleEditor(WORLD, skill=0.7), np.random.default_rng(5)
    new = [editor(PROMPT, "It gives no source.", rng) for _ in range(n)]
    assert consistent(sum(text == f"{PROMPT}\nGive a source." for text in new), n, 0.7 + 0.3 / 22)
    assert consistent(sum("Name the year." not in text for text in new), n, 0.3 / 22)
    assert all(len({*WORLD.standing(text)} ^ {*WORLD.standing(PROMPT)}) == 1 for text in new)


def test_where_nothing_is_asked_for_the_edit_is_random():
    editor, rng = RuleEditor(WORLD, skill=1.0), np.random.default_rng(5)
    for said in ("It does not name the year.", "Name the year. It was in 1969.", ""):
        new = {editor(PROMPT, said, rng) for _ in range(200)}
        assert len(new) > 15
        assert all(len({*WORLD.standing(text)} ^ {*WORLD.standing(PROMPT)}) == 1 for text in new)


def test_of_several_prompts_the_editor_finds_the_one_to_blame():
    n, editor, rng = 1000, RuleEditor(WORLD, skill=1.0, finds=0.4), np.random.default_rng(6)
    prompts = [("part 1, retrieve", "Name the year."), ("part 2, draft", PROMPT), ("part 3, check", "Be kind.")]
    edits = [editor.among(prompts, "It gives no source.", rng) for _ in range(n)]
    assert {new for place, new in edits if place == 0} == {"Name the year.\nGive a source."}
    assert consistent(sum(place == 0 for place, _ in edits), n, 0.4 + 0.6 / 3)
    assert consistent(sum(place == 2 for place, _ in edits), n, 0.6 / 3)
    both = {replace(editor, finds=1.0).among(prompts, "It gives no source.\nIt tells a joke.", rng) for _ in range(20)}
    assert both == {(0, "Name the year.\nGive a source."), (1, f"{PROMPT}\nTell no joke.")}
    untold = [(head.replace("draft", "other"), text) for head, text in prompts]
    assert consistent(sum(editor.among(untold, "It tells a joke.", rng)[0] == 1 for _ in range(n)), n, 1 / 3)


def test_the_editor_revises_answers():
    editor, rng = RuleEditor(WORLD, skill=1.0), np.random.default_rng(6)
    answer = "It was some time ago.\n* one * two\nThat is all"
    assert editor.revise(answer, "It does not name the year.", rng) == "It was in 1969.\n* one * two\nThat is all"
    assert editor.revise(answer, "It uses a list.", rng) == "It was some time ago.\nOne, and then two.\nThat is all"
    assert editor.revise(answer, "It does not end with a full stop.", rng).endswith("That is all.")
    random = {editor.revise(answer, "It gives no source.", rng) for _ in range(50)}
    assert len(random) == 3
    assert all(len({*own.split("\n")} - {*answer.split("\n")}) == 1 for own in random)
    with pytest.raises(InputError, match="skill is 2"):
        RuleEditor(WORLD, skill=2)


# People.


PEOPLE = RulePeople(WORLD, {"plain": "", "good": "Give a source.\nUse no list."})


def test_thumbs_and_choices_have_their_probabilities():
    raters, rng, n = SimulatedRaters(20, temperature=0.5), np.random.default_rng(7), 1000
    thumbs = collect(RulePeople(WORLD, {"good": PEOPLE.prompts["good"]}), n, raters=raters, rng=rng, kind="label")
    assert consistent(int(thumbs.frame["label"].sum()), n, PEOPLE.thumbs_up("good", temperature=0.5))
    votes = collect(PEOPLE, n, raters=raters, rng=rng).frame
    first = votes["systems"].list.first() == "good"
    assert consistent(
        int(((votes["choice"] == "first") == first).sum()), n, PEOPLE.wins("good", "plain", temperature=0.5)
    )
    assert PEOPLE.wins("good", "plain") + PEOPLE.wins("plain", "good") == pytest.approx(1)


def test_the_law_of_utilities_is_that_of_all_answers():
    people, total = RulePeople(SMALL, {"a": "Give a source."}), 0.0
    for topic, done in itertools.product(SMALL.topics, itertools.product([True, False], repeat=4)):
        text = "\n".join(own.line(yes) for own, yes in zip(SMALL.aspects, done, strict=True))
        law = np.where(done, SMALL.law("Give a source."), 1 - SMALL.law("Give a source.")).prod()
        total += law * expit(SMALL.utility(Item.of(f"Question 1 about {topic}.", text))) / 2
    assert people.thumbs_up("a") == pytest.approx(total)


def test_a_log_of_thumbs_and_comments_is_read_back(tmp_path):
    rng = np.random.default_rng(8)
    plain = RulePeople(WORLD, {"plain": ""})
    thumbs = collect(plain, 40, raters=SimulatedRaters(), rng=rng, kind="label", name="thumb")
    comments = plain.comments(10, RuleCritic(WORLD, misled=0.0, scoped=0.5), rng=rng)
    path = tmp_path / "log.jsonl"
    write(heedful.feedback.Table.concat([thumbs, comments]), path)
    back = heedful.read(path)
    assert (len(back.table), len(back.rejects)) == (50, 0)
    records = [record for record in back.table.records() if record.kind == "critique"]
    assert len(records) == len({record.context for record in records}) == 10
    for record in records:
        (item,) = record.items()
        scoped = record.address.kind == "scope"
        complaint = (record.value.text or "").split(": ")[-1]
        named = [
            own.complaint(done != 1) for own, done in zip(WORLD.aspects, WORLD.shown(item.output[0].text), strict=True)
        ]
        assert WORLD.amiss(item)[named.index(complaint)]
        assert item.system == "plain"
        assert scoped == (record.value.text or "").startswith("In questions about ")
    assert 0 < sum(record.address.kind == "scope" for record in records) < 10


def test_raters_may_disagree_on_what_aspects_are_worth():
    rng = np.random.default_rng(9)
    questions = PEOPLE.draw(50, 2, rng=rng)
    raters = SimulatedRaters(2, disagreement=1.0)
    both = [raters.perceived(questions.shown, np.full(50, own), np.full(50, 0.5)) for own in (0, 1)]
    assert abs(both[0] - both[1]).max() > 0.5
    same = [row for row, outputs in enumerate(zip(*questions.outputs, strict=True)) if outputs[0] == outputs[1]]
    np.testing.assert_allclose(both[0][same, 0], both[0][same, 1])


def test_people_who_have_nothing_to_say_are_told():
    sure = replace(WORLD, follows=1.0, capacity=11)
    perfect = RulePeople(sure, {"best": sure.best()})
    with pytest.raises(InputError, match="0 of 1 comments, on 100 answers"):
        perfect.comments(1, RuleCritic(sure, misled=0.0), rng=np.random.default_rng(0))
    with pytest.raises(InputError, match="2 different systems out of 1"):
        perfect.draw(1, 2, rng=np.random.default_rng(0))
