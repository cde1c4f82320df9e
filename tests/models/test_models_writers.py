"""Writers and what is read of their answers: by hand-made functions, an enumerable language and a server."""

from __future__ import annotations

import numpy as np
import pytest

from heedful.core import Budget, BudgetExceededError, Item, UsageError
from heedful.models import (
    Answer,
    BaseWriter,
    Endpoint,
    FunctionWriter,
    Prompt,
    Remembering,
    Request,
    Sampling,
    SequenceTable,
    TableModel,
    Writer,
    asked,
)
from heedful.models.marked import (
    block,
    checked_template,
    context_text,
    filled,
    in_block,
    mark_of,
    output_text,
    verdict_in,
)
from heedful.models.messages import chat_messages, message_parts
from heedful.worlds import ChatServer

LANGUAGE = SequenceTable({(): {"a": 0.6, "b": 0.3, "": 0.1}, ("a",): {"b": 0.5, "": 0.5}}, max_tokens=2)


class Counting:
    """Answers by a script of texts, one a request, and counts what it was asked."""

    def __init__(self, *script: str | None, tokens: int | None = None) -> None:
        self.script, self.asked, self.tokens = iter(script), [], tokens  # type: ignore[var-annotated]

    def complete(self, requests):
        self.asked += requests
        return [Answer(next(self.script), self.tokens, self.tokens, finish_reason="stop") for _ in requests]

    def most_tokens(self, request):
        return 100


def number(text: str) -> int | None:
    return int(text) if text.isdigit() else None


def prompts(n: int) -> list[Prompt[int]]:
    return [Prompt(Request.of(f"question {row}"), number, "digits alone!") for row in range(n)]


def test_a_function_sees_messages_and_the_number_of_the_sample() -> None:
    writer = FunctionWriter(lambda messages, parameters: f"{messages[0]['content']} {parameters['seed']}")
    assert isinstance(writer, Writer)
    answers = writer.complete([Request.of("one"), Request.of("two", sample=3)])
    assert [own.text for own in answers] == ["one 0", "two 3"]
    assert all(own.whole for own in answers)


def test_a_base_writes_its_own_law_whatever_else_is_asked() -> None:
    writer, n = BaseWriter(LANGUAGE), 1200
    requests = [Request.of("say", sample=row) for row in range(n)]
    texts = [own.text for own in writer.complete(requests)]
    support = LANGUAGE.support(Item.of("say").context)
    for item, expected in zip(support, np.exp(LANGUAGE.log_prob(support)), strict=True):
        share = np.mean([text == "".join(part.text for part in item.output) for text in texts])
        assert abs(share - expected) < 4 * np.sqrt(expected * (1 - expected) / n)
    assert writer.complete(requests[7:9]) == writer.complete(requests)[7:9]
    assert BaseWriter(LANGUAGE, seed=1).complete(requests) != writer.complete(requests)
    reasons = {own.text: own.finish_reason for own in writer.complete(requests)}
    assert reasons == {"a": "stop", "a b": "length", "": "stop", "b a": "length", "b b": "length", "b": "stop"}
    table = BaseWriter(TableModel.of({"say": {"x": 0.5, "y": 0.5}}))
    assert {own.text for own in table.complete(requests[:20])} == {"x", "y"}
    with pytest.raises(UsageError, match="own law"):
        writer.complete([Request.of("say", sampling=Sampling(max_tokens=3))])


def test_messages_and_parts_are_inverses() -> None:
    messages = (
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Hello"},
        {"role": "assistant", "content": "Hi"},
    )
    assert chat_messages(message_parts(messages)) == messages


def test_what_is_remembered_is_not_asked_again() -> None:
    inner = Counting("1", None, "3", "4")
    writer = Remembering(inner)
    one, two = Request.of("one"), Request.of("two")
    first = writer.complete([one, two, one])
    assert [own.text for own in first] == ["1", None, "1"]
    assert [own.cached for own in first] == [False, False, True]
    assert [own.text for own in writer.complete([two, one])] == ["3", "1"]
    assert len(inner.asked) == 3


def test_an_answer_that_cannot_be_read_is_asked_for_once_more_and_then_missing() -> None:
    writer = Counting("1", "one", None, "three", "2", "still words")
    replies = asked(writer, prompts(4))
    assert replies.values == (1, 2, None, None)
    assert replies.texts == ("1", "2", "", "")
    assert (replies.repaired, replies.missing) == (1, 2)
    assert replies.cost["calls"] == 6
    again = writer.asked[4]
    assert [own["content"] for own in again.messages] == ["question 1", "one", "digits alone!"]


def test_a_cut_answer_is_not_read() -> None:
    class Cut(Counting):
        def complete(self, requests):
            return [Answer("1", finish_reason="length") for _ in requests]

    assert asked(Cut(), prompts(1)).values == (None,)


def test_calls_and_tokens_are_reserved_before_and_settled_after() -> None:
    budget = Budget(calls=3, tokens=250)
    replies = asked(Counting("1", "2", tokens=4), prompts(2), budget)
    assert replies.cost == {"calls": 2, "tokens": 16}
    assert budget.spent == {"calls": 2, "tokens": 16}
    with pytest.raises(BudgetExceededError, match="calls"):
        asked(Counting("1", "2"), prompts(2), budget)
    uncounted = Budget(tokens=250)
    asked(Counting("1"), prompts(1), uncounted)
    assert uncounted.spent["tokens"] == 100
    with pytest.raises(BudgetExceededError, match="tokens"):
        asked(Counting("1", "2"), prompts(2), uncounted)
    assert uncounted.spent["tokens"] == 100


def test_an_endpoint_says_beforehand_what_a_request_can_take() -> None:
    pytest.importorskip("openai")
    with (
        ChatServer(lambda messages, parameters: "1 2") as server,
        Endpoint(server.url, "m", sampling=Sampling(max_tokens=9)) as model,
    ):
        most = model.most_tokens(Request.of("how many?"))
        assert most == 9 + 256 + 16 + len("{}") + len('[{"content":"how many?","role":"user"}]')
        budget = Budget(calls=2, tokens=2 * most)
        assert asked(model, [Prompt(Request.of("how many?"), str, "")], budget).values == ("1 2",)
        assert budget.spent == {"calls": 1, "tokens": 4}  # words of question and answer
        asked(model, [Prompt(Request.of("how many?"), str, "")], budget)
        assert budget.spent == {"calls": 1, "tokens": 4}  # from the journal


# --- Marks -----------------------------------------------------------------------------------------------------------


def test_a_mark_stands_in_none_of_the_texts_and_follows_from_them() -> None:
    first = mark_of(["one", "two"])
    assert first == mark_of(["one", "two"]) != mark_of(["two", "one"]) != mark_of(["one", "two"], "secret")
    lucky = [f"{number:x}" for number in range(16)]  # every single digit: only the whole mark must be absent
    assert mark_of(lucky) not in "".join(lucky)
    # A text that holds the mark it would lead to without this rule gets another.
    assert all(mark_of([text]) not in text for text in (f"verdict {mark_of(['x'])}: A", mark_of([""])))


def test_only_the_last_line_with_the_mark_is_a_verdict() -> None:
    mark = "0123456789ab"
    for text in (
        f"verdict {mark}: A",
        f"Well.\n\n**Verdict {mark}: A.**\n",
        f"```\nverdict {mark} : `A`\n```",
        f"verdict {mark}: B\nOn reflection\nVERDICT {mark}: A",
    ):
        assert verdict_in(text, mark) == "A", text
    for text in ("", "A", "verdict: A", "verdict ba9876543210: A", f"verdict {mark}: A\nbut who knows?"):
        assert verdict_in(text, mark) is None, text


def test_what_stands_between_marks_comes_back() -> None:
    mark = "0123456789ab"
    text = "two\n lines </0123> $x {y}"
    assert in_block(f"Draft: {block('old', mark)}\nNew:\n{block(text, mark)}\nDone.", mark) == text
    assert in_block(block("", mark), mark) == ""
    assert in_block("nothing", mark) is None
    assert in_block(f"</{mark}> <{mark}>", mark) is None


def test_templates_take_all_their_fields_and_texts_stay_as_they_are() -> None:
    template = "$rule, $$5: $answer, end with $mark"
    assert checked_template(template, ("rule", "answer", "mark"), "here") == template
    prompt, mark = filled(template, {"answer": "$rule ${mark}"}, {"rule": "be kind"})
    assert prompt == f"be kind, $5: <{mark}>\n$rule ${{mark}}\n</{mark}>, end with {mark}"
    with pytest.raises(UsageError, match="fields"):
        checked_template(template, ("rule", "answer"), "here")
    with pytest.raises(UsageError, match="lone"):
        checked_template("costs $ 5", (), "here")


def test_contexts_and_outputs_as_texts() -> None:
    dialogue = message_parts([{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Yes?"}])
    assert context_text(dialogue) == "user: Hi\n\nassistant: Yes?"
    assert context_text(dialogue[:1]) == "Hi"
    with pytest.raises(UsageError, match="no text"):
        output_text(Item(system="gpt"))
