"""The endpoint over real HTTP: what it answers, what it says of every trouble, and what it never tells."""

from __future__ import annotations

import asyncio
import gc
import http.server
import json
import os
import sys
import threading
import time
import traceback
from collections import Counter

import numpy as np
import pytest

from heedful.core import Budget, BudgetExceededError, EndpointError, MissingExtraError, Scores, UsageError, text_parts
from heedful.core.contracts import BaseContract
from heedful.models import END, Endpoint, Journal, Prices, Request, Sampling, SequenceTable
from heedful.sampling import BestOfN
from heedful.target import Target
from heedful.worlds import ChatServer, Trouble, answering, exercises
from heedful.worlds.small_model import small_model

pytest.importorskip("openai", reason="the extra `endpoint` is not installed")
KEY = "sk-never-to-be-seen"
ASKED = [Request.of(f"question {number}") for number in range(12)]
TOKENS = "tokens_in", "tokens_out"
CONTEXT = text_parts("2 + 2?", "world")


def echo(messages, parameters) -> str:
    return f"{messages[-1]['content']} ({parameters.get('seed')})"


@pytest.fixture(scope="module")
def server():
    with ChatServer(echo) as made:
        yield made


def troubled(*script: Trouble | None, latency=0.0) -> ChatServer:
    """A server whose first requests fare as scripted."""
    return ChatServer(echo, trouble=lambda number, _: script[number] if number < len(script) else None, latency=latency)


def endpoint(server, **options) -> Endpoint:
    return Endpoint(server.url, "echo", **{"backoff": 0.01, **options})


# --- Answers ---------------------------------------------------------------------------------------------------------


def test_answers_come_in_the_order_asked(server) -> None:
    with endpoint(server, prices=Prices(1e6, 2e6)) as made:
        answers = made.complete([*ASKED, ASKED[3]])
        assert [answer.text for answer in answers[:12]] == [f"question {number} (0)" for number in range(12)]
        assert answers[12].text == answers[3].text
        assert (answers[0].tokens_in, answers[0].tokens_out, answers[0].cost) == (2, 3, 8.0)
        assert made.complete(ASKED)[0].cached
        spending = made.spending()
        assert spending.outcomes == {"answered": 12}
        assert spending.charged == {"calls": 12, "tokens": 60, "money": 96.0}
        assert spending.recalled == 13
        assert made.complete([]) == ()


def test_all_that_was_set_is_sent(server) -> None:
    other = {"response_format": {"type": "json_object"}, "min_p": 0.1}
    sampling = Sampling(7, 0.5, 0.9, ("x",), other=other)
    with endpoint(server, sampling=Sampling(3)) as made:
        made.complete([Request.of("hello", sample=5, sampling=sampling), Request.of("hello")])
    one, two = sorted(server.calls[-2:], key=lambda call: call.parameters["max_tokens"], reverse=True)
    sent = {"max_tokens": 7, "temperature": 0.5, "top_p": 0.9, "stop": ["x"], "seed": 5, **other}
    assert one.parameters == {"model": "echo", "messages": [{"role": "user", "content": "hello"}], **sent}
    assert two.parameters.keys() == {"model", "messages", "max_tokens", "temperature", "seed"}


def test_an_answer_cut_at_max_tokens_says_so(server) -> None:
    with endpoint(server, sampling=Sampling(max_tokens=2)) as made:
        (answer,) = made.complete([Request.of("one two three")])
        assert (answer.text, answer.finish_reason, answer.whole) == ("one two", "length", False)
        assert made.spending().outcomes == {"cut at max_tokens": 1}


def test_it_serves_threads_and_event_loops_alike(server) -> None:
    with endpoint(server) as made:

        async def main():
            return await asyncio.gather(*(made.acomplete([request]) for request in ASKED))

        texts = [answer.text for (answer,) in asyncio.run(main())]
        texts += [answer.text for (answer,) in asyncio.run(main())]
        threads = [threading.Thread(target=lambda: texts.append(made.complete(ASKED)[5].text)) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert texts[:12] == texts[12:24] == [f"question {number} (0)" for number in range(12)]
        assert texts[24:] == ["question 5 (0)"] * 4
        assert made.spending().outcomes == {"answered": 12}


def test_it_opens_again_after_closing(server) -> None:
    made = endpoint(server)
    made.complete(ASKED[:1])
    made.close()
    made.close()
    assert made.complete([Request.of("once more")])[0].text == "once more (0)"
    made.close()
    assert "heedful endpoint" not in {thread.name for thread in threading.enumerate()}


def test_one_that_is_forgotten_ends_its_thread_and_its_connections(server, caplog) -> None:
    async def main() -> None:
        made = endpoint(server)
        await made.acomplete(ASKED[:2])
        del made
        gc.collect()
        await asyncio.sleep(0.05)

    asyncio.run(main())
    gc.collect()
    assert "heedful endpoint" not in {thread.name for thread in threading.enumerate()}
    assert not caplog.records


def test_a_fork_is_refused_instead_of_waiting_for_ever(server) -> None:
    with endpoint(server) as made:
        made.complete(ASKED[:1])
        child = os.fork()
        if not child:
            refused = 0
            for use in (lambda: made.complete(ASKED), lambda: made.journal.begin(b"", {})):
                try:
                    use()
                except UsageError:
                    refused += 1
            os._exit(refused)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 2


# --- Troubles --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("trouble", "outcome", "charged"),
    [
        (Trouble(429), "status 429", False),
        (Trouble(429, headers={"retry-after": "0.3"}), "status 429", False),
        (Trouble(503), "status 503", False),
        (Trouble(500), "status 500", True),
        (Trouble(502, b"<html>bad gateway</html>"), "status 502", True),
        (Trouble(504), "status 504", True),
        (Trouble(delay=1.0), "timeout", True),
        (Trouble(body=b'{"choices": [{"message": {"content": "fo', cut=True), "connection cut", True),
        (Trouble(body=b'{"choices": [{"message": {"content": "fo'), "wrong JSON", True),
        (Trouble(body=b"four", headers={"content-type": "text/plain"}), "wrong JSON", True),
        (Trouble(body=b'{"choices": []}'), "no choices", True),
        (Trouble(body=b'{"choices": [{"message": {"content": null}}]}'), "no content", True),
    ],
)
def test_what_may_pass_is_counted_and_asked_again(trouble, outcome, charged) -> None:
    with troubled(trouble) as server, endpoint(server, timeout=0.5) as made:
        start = time.monotonic()
        (answer,) = made.complete(ASKED[:1])
        assert (answer.text, answer.fault, server.begun) == ("question 0 (0)", None, 2)
        assert time.monotonic() - start >= float(trouble.headers.get("retry-after", 0))
        spending = made.spending()
        assert spending.outcomes == {outcome: 1, "answered": 1}
        assert spending.charged["calls"] == 1 + charged
        assert spending.reserved["calls"] == charged
        assert (spending.charged["tokens"] > 512) == charged


def test_a_malformed_answer_with_usage_is_charged_by_it() -> None:
    body = {"choices": [], "usage": {"prompt_tokens": 2, "completion_tokens": 1}}
    with troubled(Trouble(body=json.dumps(body).encode())) as server, endpoint(server) as made:
        made.complete(ASKED[:1])
        assert made.spending().charged["tokens"] == 3 + 5
        assert made.spending().reserved["tokens"] == 0


def test_one_that_fails_for_good_costs_no_other_its_answer() -> None:
    def always(number, parameters):
        return Trouble(500) if "question 3" in parameters["messages"][0]["content"] else None

    with ChatServer(echo, trouble=always) as server, endpoint(server, attempts=2) as made:
        answers = made.complete(ASKED)
        assert [answer.fault for answer in answers] == [None] * 3 + ["status 500"] + [None] * 8
        assert answers[3].text is None
        assert made.spending().outcomes == {"answered": 11, "status 500": 2}


@pytest.mark.parametrize(
    ("status", "words"),
    [(400, "the server does not take this request"), (401, "check the key"), (404, r"ends in /v1\) and model")],
)
def test_what_will_not_pass_is_an_error_that_names_the_request(status, words) -> None:
    body = json.dumps({"error": {"message": "not like this"}}).encode()
    with troubled(None, Trouble(status, body)) as server, endpoint(server, concurrency=1) as made:
        with pytest.raises(EndpointError, match=rf"request 2 of 12: .*status {status}: not like this Fix: .*{words}"):
            made.complete(ASKED)
        assert len(server.calls) == 2
        assert made.spending().outcomes == {"answered": 1, "refused": 1}
        assert made.complete(ASKED)[0].cached


def test_calls_under_way_at_an_error_are_answered_and_kept() -> None:
    with troubled(Trouble(400), latency=0.2) as server, endpoint(server, concurrency=4) as made:
        with pytest.raises(EndpointError):
            made.complete(ASKED)
        assert made.spending().outcomes == {"refused": 1, "answered": 3}


def test_no_server_at_all() -> None:
    with ChatServer(echo) as server:
        pass
    with endpoint(server, attempts=2) as made, pytest.raises(EndpointError, match="no connection to the server"):
        made.complete(ASKED)


def test_an_interrupt_ends_the_calls_and_leaves_them_charged() -> None:
    with ChatServer(echo, latency=2.0) as server, endpoint(server) as made:

        async def main():
            task = asyncio.create_task(made.acomplete(ASKED))
            while server.under_way < 12:
                await asyncio.sleep(0.01)
            task.cancel()
            await task

        with pytest.raises(asyncio.CancelledError):
            asyncio.run(main())
        while made.journal.under_way:
            time.sleep(0.01)
        assert made.spending().outcomes == {"given up": 12}
        assert made.spending().reserved["calls"] == 12


def test_closing_gives_up_the_calls_of_other_threads() -> None:
    with ChatServer(echo, latency=2.0) as server:
        made, ended = endpoint(server), []

        def ask() -> None:
            try:
                made.complete(ASKED)
            except BaseException as error:
                ended.append(type(error).__name__)

        thread = threading.Thread(target=ask)
        thread.start()
        while server.under_way < 12:
            time.sleep(0.01)
        made.close()
        thread.join(5.0)
        assert ended == ["CancelledError"]
        assert made.spending().outcomes == {"given up": 12}


def test_more_at_once_than_the_server_takes() -> None:
    with ChatServer(echo, latency=0.02, most=3) as server, endpoint(server, concurrency=12, backoff=0.05) as made:
        answers = made.complete([Request.of(f"question {number}") for number in range(90)])
        assert all(answer.whole for answer in answers)
        served = [call.status for call in server.calls]
        assert served.count(200) == 90
        assert served[-40:].count(429) < 15
        assert made.spending().charged["calls"] == 90


# --- Caps and keys ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("caps", [{"calls": 5}, {"tokens": 1000}, {"money": 0.002}])
def test_a_cap_ends_the_run_with_what_it_could_pay_on_record(caps, tmp_path) -> None:
    options = {"prices": Prices(1.0, 2.0), "sampling": Sampling(max_tokens=100)}
    with ChatServer(echo, latency=0.01) as server:
        with Journal(tmp_path / "j", Budget(**caps)) as journal, endpoint(server, journal=journal, **options) as made:
            many = [Request.of(f"question {number} {'word ' * 50}") for number in range(40)]
            with pytest.raises(BudgetExceededError, match=r"request \d+ of 40: .* needed"):
                made.complete(many)
            tokens_in, tokens_out = (sum(getattr(c, name) for c in server.calls) for name in TOKENS)
            money = options["prices"].of(tokens_in, tokens_out)
            spent = {"calls": len(server.calls), "tokens": tokens_in + tokens_out, "money": money}
            ((unit, cap),) = caps.items()
            assert 0 < spent[unit] <= cap
            assert journal.budget.spent[unit] == pytest.approx(spent[unit])
        more = Journal(tmp_path / "j", Budget(**{unit: 40 * cap}))
        with more, endpoint(server, journal=more, **options) as made:
            assert all(answer.whole for answer in made.complete(many))
        assert len(server.calls) == 40


def test_the_key_is_sent_and_never_told(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("MY_KEY", KEY)
    path = tmp_path / "j"
    with ChatServer(echo, key=KEY) as server, Journal(path) as journal:
        with endpoint(server, api_key="MY_KEY", journal=journal) as made:
            assert made.complete(ASKED[:1])[0].whole
        assert KEY not in repr(made)
    with ChatServer(echo, key="another") as server, Journal(path) as journal:
        with endpoint(server, api_key="MY_KEY", journal=journal) as made, pytest.raises(EndpointError) as caught:
            made.complete(ASKED[:1])
        told = "".join(traceback.format_exception(caught.value))
        assert "wrong key: Bearer [key]" in told
        assert KEY not in told
        written = b"".join(file.read_bytes() for file in tmp_path.iterdir())
    assert KEY.encode() not in written


KEY_WITH_A_SLASH = "sk/never-to-be-seen"
ESCAPED = "sk\\/never-to-be-seen"
IN_NUMBERS = "".join(f"\\u{ord(letter):04X}" for letter in KEY_WITH_A_SLASH)


def said(text: str) -> bytes:
    """An answer whose text is this as it stands in JSON."""
    return b'{"choices": [{"message": {"content": "%s"}, "finish_reason": "stop"}]}' % text.encode()


@pytest.mark.parametrize(
    "body",
    [
        b'{"error": {"message": "no %s"}}' % ESCAPED.encode(),
        b'{"error": {"message": "no %s"}}' % IN_NUMBERS.encode(),
        b'{"error": "{\\"detail\\": \\"no sk\\\\/never-to-be-seen\\"}"}',
        b'{"error": {"message": "no %s' % ESCAPED.encode(),
        b"<p>no %s</p>" % KEY_WITH_A_SLASH.encode(),
    ],
)
def test_a_key_that_a_server_spells_otherwise_is_not_told(body, monkeypatch) -> None:
    monkeypatch.setenv("MY_KEY", KEY_WITH_A_SLASH)
    with troubled(Trouble(401, body)) as server, endpoint(server, api_key="MY_KEY") as made:
        with pytest.raises(EndpointError, match=r"no \[key\]") as caught:
            made.complete(ASKED[:1])
        assert "never-to-be-seen" not in str(caught.value)


@pytest.mark.parametrize("spelled", [KEY_WITH_A_SLASH, ESCAPED, IN_NUMBERS])
def test_a_key_in_an_answer_is_neither_told_nor_kept(spelled, tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("MY_KEY", KEY_WITH_A_SLASH)
    with troubled(Trouble(200, said(f"it is {spelled} \\ud800"))) as server, Journal(tmp_path / "j") as journal:
        with endpoint(server, api_key="MY_KEY", journal=journal) as made:
            assert made.complete(ASKED[:1])[0].text == "it is [key] \ud800"
        assert not any(b"never-to-be-seen" in file.read_bytes() for file in tmp_path.iterdir())


def test_a_placeholder_for_a_key_is_a_word_like_others(monkeypatch) -> None:
    monkeypatch.setenv("MY_KEY", "EMPTY")
    with troubled(Trouble(200, said("EMPTY or not"))) as server, endpoint(server, api_key="MY_KEY") as made:
        assert made.complete(ASKED[:1])[0].text == "EMPTY or not"


def test_what_the_environment_holds_for_another_server_is_not_sent(monkeypatch) -> None:
    """A server that answers with the headers it was sent."""
    seen: dict[str, str] = {}

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            seen.update({name.lower(): value for name, value in self.headers.items()})
            self.rfile.read(int(self.headers["content-length"]))
            self.send_response(200)
            self.send_header("content-length", str(len(said("hello"))))
            self.end_headers()
            self.wfile.write(said("hello"))

        def log_message(self, *_) -> None:
            pass

    names = {"API_KEY", "ADMIN_KEY", "ORG_ID", "PROJECT_ID", "WEBHOOK_SECRET"}
    for name in names:
        monkeypatch.setenv(f"OPENAI_{name}", "of-another-server")
    monkeypatch.setenv("OPENAI_CUSTOM_HEADERS", "Authorization: Bearer of-another-server\nX-Mine: of-another-server")
    monkeypatch.setenv("MY_KEY", KEY)
    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        url = f"http://127.0.0.1:{server.server_address[1]}/v1"
        for key, sent in ((None, "Bearer none"), ("MY_KEY", f"Bearer {KEY}")):
            with Endpoint(url, "m", api_key=key) as made:
                assert made.complete(ASKED[:1])[0].text == "hello"
            assert seen["authorization"] == sent
            assert seen["content-type"] == "application/json"
            assert not any("another" in value for value in seen.values())
        server.shutdown()


def test_without_the_extra_it_says_what_to_install(server, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "openai", None)
    with endpoint(server) as made, pytest.raises(MissingExtraError, match=r"pip install 'heedful\[endpoint\]'"):
        made.complete(ASKED)


def test_a_key_that_is_not_there_or_is_given_itself(server, monkeypatch) -> None:
    monkeypatch.delenv("MY_KEY", raising=False)
    with endpoint(server, api_key="MY_KEY") as made, pytest.raises(UsageError, match="is not set"):
        made.complete(ASKED)
    with pytest.raises(UsageError, match="the name of an environment variable, not the key") as caught:
        endpoint(server, api_key=KEY)
    assert KEY not in str(caught.value)


@pytest.mark.parametrize(
    "options",
    [
        {"url": "api.openai.com/v1"},
        {"url": "https://me:secret@host/v1"},
        {"url": "https://host/v1?key=secret"},
        {"concurrency": 0},
        {"attempts": 0},
        {"timeout": 0.0},
        {"journal": Journal(budget=Budget(money=1.0))},
    ],
)
def test_settings_that_cannot_work_are_refused(options) -> None:
    with pytest.raises(UsageError) as caught:
        Endpoint(**{"url": "http://host/v1", "model": "m", **options})
    assert "secret" not in str(caught.value)


def test_endpoints_that_share_a_journal_share_caps_and_no_answers() -> None:
    journal = Journal(budget=Budget(calls=3))

    def named(messages, parameters) -> str:
        return parameters["model"]

    with ChatServer(named) as here, ChatServer(lambda messages, parameters: "there") as there:
        asked = [Endpoint(here.url, "a", journal=journal), Endpoint(here.url, "b", journal=journal)]
        asked.append(Endpoint(there.url, "a", journal=journal))
        texts = [one.complete([Request.of("who?")])[0].text for _ in range(2) for one in asked]
        assert texts == ["a", "b", "there"] * 2
        assert (len(here.calls), len(there.calls)) == (2, 1)
        with pytest.raises(BudgetExceededError, match="1 calls needed, 0 of 3 left"):
            asked[0].complete([Request.of("and now?")])
        for one in asked:
            one.close()


# --- As a base -------------------------------------------------------------------------------------------------------

LAW = {"4": 0.6, "5": 0.3, "four": 0.1}


def drawn_from_law(messages, parameters) -> str:
    rng = np.random.default_rng(parameters["seed"])
    return str(rng.choice(list(LAW), p=list(LAW.values())))


@pytest.fixture(scope="module")
def base():
    with ChatServer(drawn_from_law) as server, endpoint(server) as made:
        yield made


class TestEndpointAsBase(BaseContract):
    """The contract, but for log-probabilities, which it says it has not."""

    @pytest.fixture(autouse=True)
    def _base(self, base):
        self.base = base

    def make(self):
        return self.base

    def context(self):
        return CONTEXT

    def test_samples_answer_the_context(self) -> None:
        drawn = self.base.sample(CONTEXT, 5, rng=np.random.default_rng(1))
        assert [(item.context, item.system) for item in drawn] == [(CONTEXT, "echo")] * 5
        with pytest.raises(UsageError, match="does not tell the log-probability"):
            self.base.log_prob(drawn)

    def test_draws_are_independent_and_follow_the_servers_law(self) -> None:
        drawn = self.base.sample(CONTEXT, 250, rng=np.random.default_rng(4))
        for text, probability in LAW.items():
            count = sum(item.output == text_parts(text, "system") for item in drawn)
            assert abs(count - 250 * probability) < 4 * np.sqrt(250 * probability * (1 - probability))

    def test_fewer_draws_are_the_first_of_more_and_bought_once(self) -> None:
        few = self.base.sample(CONTEXT, 3, rng=np.random.default_rng(5))
        before = self.base.spending()
        many = self.base.sample(CONTEXT, 6, rng=np.random.default_rng(5))
        assert many[:3] == few
        after = self.base.spending()
        assert (after.charged["calls"] - before.charged["calls"], after.recalled - before.recalled) == (3, 3)

    def test_an_engine_draws_from_it(self) -> None:
        target, rng = Target(self.base, Longest()), np.random.default_rng(6)
        found = BestOfN(8)(target, [CONTEXT], budget=Budget(samples=8), rng=rng)
        drawn = self.base.sample(CONTEXT, 8, rng=np.random.default_rng(6))
        assert Longest()(found.items).mean[0] == Longest()(drawn).mean.max()


class Longest:
    """A utility: the length of the output."""

    scale, under = "utility", None

    def __call__(self, items):
        return Scores(np.array([float(len(item.output[0].text)) for item in items]))


def test_a_served_table_is_drawn_from_as_the_table_itself() -> None:
    """What the endpoint draws is what the table draws by the seeds sent: all that lies between loses nothing."""
    table = SequenceTable({(): {"a": 0.5, "b": 0.3, END: 0.2}, ("b",): {"a": 0.9, END: 0.1}}, max_tokens=4)
    with ChatServer(answering(table)) as server, endpoint(server) as made:
        drawn = made.sample(CONTEXT, 200, rng=np.random.default_rng(0))
        seeds = [call.parameters["seed"] for call in server.calls]
        direct = Counter(table.sample(CONTEXT, 1, rng=np.random.default_rng(seed))[0].output for seed in seeds)
        assert Counter(item.output for item in drawn) == direct
        assert np.isfinite(table.log_prob(drawn)).all()


def test_the_small_model_is_served() -> None:
    pytest.importorskip("transformers", reason="the extra `lm` is not installed")
    model, exercise = small_model(), exercises(1, seed=0, kinds=("calc",))[0]
    with ChatServer(answering(model)) as server, endpoint(server) as made:
        drawn = made.sample(exercise.context, 2, rng=np.random.default_rng(0))
        seeds = [call.parameters["seed"] for call in server.calls]
    direct = [model.sample(exercise.context, 1, rng=np.random.default_rng(seed))[0].output for seed in seeds]
    assert Counter(item.output for item in drawn) == Counter(direct)


def test_a_draw_without_an_answer_is_an_error_and_the_others_are_kept() -> None:
    with troubled(*[Trouble(500)] * 2) as server, endpoint(server, attempts=1) as made:
        with pytest.raises(EndpointError, match=r"2 of 6 draws got no answer \(status 500\)"):
            made.sample(CONTEXT, 6, rng=np.random.default_rng(0))
        assert len(made.sample(CONTEXT, 6, rng=np.random.default_rng(0))) == 6
        assert len(server.calls) == 8
