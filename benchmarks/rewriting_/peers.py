"""One optimisation step over the same batch by peers, in their own environment: python peers.py NAME URL REPEATS."""

from __future__ import annotations

import io
import json
import os
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable
from contextlib import redirect_stdout

N = 16
QUESTIONS = [f"question {number}: what is {number} plus {number}?" for number in range(N)]
ANSWERS = [str(2 * number) for number in range(N)]
PROMPT = "Answer the question. Reply with the number only."


def textgrad(url: str) -> Callable[[], str]:
    import textgrad as tg
    from openai import OpenAI
    from textgrad.autograd.string_based_ops import StringBasedFunction
    from textgrad.engine.local_model_openai_api import ChatExternalClient

    engine = ChatExternalClient(client=OpenAI(base_url=url + "/v1", api_key="k"), model_string="fake")
    tg.set_backward_engine(engine, override=True)
    prompt = tg.Variable(PROMPT, requires_grad=True, role_description="system prompt of the model")
    model = tg.BlackboxLLM(engine, prompt)
    optimizer = tg.TextualGradientDescent(engine=engine, parameters=[prompt])
    check = StringBasedFunction(lambda prediction, gold: str(int(prediction.value.strip() == gold.value)), "checks")

    def step() -> str:
        optimizer.zero_grad()
        losses = []
        for question, answer in zip(QUESTIONS, ANSWERS, strict=True):
            asked = tg.Variable(question, requires_grad=False, role_description="question")
            gold = tg.Variable(answer, requires_grad=False, role_description="answer")
            losses.append(check({"prediction": model(asked), "gold": gold}))
        tg.sum(losses).backward()
        optimizer.step()
        return str(prompt.value)

    return step


def trace(url: str) -> Callable[[], str]:
    os.environ["TRACE_LITELLM_MODEL"] = "openai/fake"
    from opto import trace as tracing
    from opto.optimizers import OptoPrime
    from opto.trace import operators

    prompt = tracing.node(PROMPT, trainable=True)

    @tracing.bundle()
    def concat(*items: object) -> str:
        """Concatenate the items into a string"""
        return "\n".join(f"ID {number}: {item}" for number, item in enumerate(items))

    optimizer = OptoPrime([prompt])

    def step() -> str:
        outputs = [operators.call_llm(prompt, question) for question in QUESTIONS]
        words = [
            "correct" if own.data.strip() == answer else f"wrong: expected {answer}"
            for own, answer in zip(outputs, ANSWERS, strict=True)
        ]
        optimizer.zero_feedback()
        optimizer.backward(concat(*outputs), "\n".join(f"ID {number}: {own}" for number, own in enumerate(words)))
        optimizer.step()
        return str(prompt.data)

    return step


def client(url: str) -> Callable[[], str]:
    """The bare client: 49 calls in the same four stages."""
    import asyncio

    from openai import AsyncOpenAI

    async def all_stages() -> None:
        own = AsyncOpenAI(base_url=url + "/v1", api_key="k")

        async def one(text: str) -> object:
            return await own.chat.completions.create(model="fake", messages=[{"role": "user", "content": text}])

        for depth in range(3):
            await asyncio.gather(*[one(f"{depth} {question}") for question in QUESTIONS])
        await one("update")

    return lambda: asyncio.run(all_stages()) or "IMPROVED"


def main(name: str, url: str, repeats: int) -> None:
    os.environ.update(OPENAI_API_KEY="k", LITELLM_LOG="ERROR", LITELLM_LOCAL_MODEL_COST_MAP="True")
    os.environ["OPENAI_API_BASE"] = os.environ["OPENAI_BASE_URL"] = url + "/v1"
    home = tempfile.mkdtemp()
    os.chdir(home)
    rows = []
    for number in range(repeats + 1):  # the first warms up
        os.environ["XDG_CACHE_HOME"] = f"{home}/cache{number}"
        with redirect_stdout(io.StringIO()):
            step = {"textgrad": textgrad, "trace": trace, "client": client}[name](url)
            urllib.request.urlopen(url + "/stats").read()
            begun, used = time.perf_counter(), time.process_time()
            changed = "IMPROVED" in step()
        seen = json.loads(urllib.request.urlopen(url + "/stats").read())
        row = {"wall": time.perf_counter() - begun, "processor": time.process_time() - used, "changed": changed}
        rows.append({**row, **{key: seen[key] for key in ("calls", "most", "characters")}})
    print("RESULT " + json.dumps(rows[1:]), flush=True)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
