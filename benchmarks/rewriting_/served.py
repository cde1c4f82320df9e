"""The server of the benchmark, in a process of its own: canned answers in whatever form is asked for, after a latency.

python -m rewriting_.served LATENCY      prints its port; GET /stats tells what it saw and forgets it
"""

from __future__ import annotations

import asyncio
import json
import re
import sys
from typing import Any

NEW = "IMPROVED: add the numbers and reply with the sum only, version {number}."


class Seen:
    """Calls so far: how many, at once, of which kind, characters of prompts."""

    def __init__(self) -> None:
        self.calls = self.under_way = self.most = self.characters = 0


def reply(text: str, number: int) -> str:
    """What the step that asked can read: TextGrad's and Trace's forms, and ours between marks."""
    new = NEW.format(number=number)
    if "IMPROVED_VARIABLE" in text:
        return f"<IMPROVED_VARIABLE>{new}</IMPROVED_VARIABLE>"
    if '"suggestion"' in text:
        name = re.search(r"#\s?Variables.*?\((?:str)\) (\w+)\s?=", text, re.S)
        return json.dumps({"reasoning": "r", "answer": "", "suggestion": {name.group(1) if name else "str0": new}})
    if "```" in text and "new instruction" in text.lower():
        return f"```\n{new}\n```"
    if "gradient (feedback) engine" in text or "<OBJECTIVE_FUNCTION>" in text:
        return "The variable should tell the model to add the numbers."
    marks = re.findall(r"</([0-9a-f]{12}(?:-\d)?)>", text)
    if marks:
        part = next((own for own in marks if "-" in own), None)
        said = new if part else "The part should tell the model to add the numbers."
        return f"<{part or marks[-1]}>\n{said}\n</{part or marks[-1]}>"
    asked = re.findall(r"what is (\d+) plus", text)
    number_asked = int(asked[-1]) if asked else 0
    return str(2 * number_asked) if "IMPROVED" in text else f"0 (case {number_asked})"


async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, latency: float, seen: Seen) -> None:
    try:
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            length = re.search(rb"content-length: *(\d+)", head, re.I)
            body = await reader.readexactly(int(length[1])) if length else b""
            out = vars(seen).copy() if head.split(b" ", 2)[1] == b"/stats" else await answer(body, latency, seen)
            if head.split(b" ", 2)[1] == b"/stats":
                seen.__init__()  # type: ignore[misc]
            sent = json.dumps(out).encode()
            head_out = f"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {len(sent)}\r\n\r\n"
            writer.write(head_out.encode() + sent)
            await writer.drain()
    except (asyncio.IncompleteReadError, ConnectionError):
        pass
    finally:
        writer.close()


async def answer(body: bytes, latency: float, seen: Seen) -> dict[str, Any]:
    messages = json.loads(body)["messages"]
    contents = [own.get("content") or "" for own in messages]
    text = "\n".join(
        own if isinstance(own, str) else " ".join(part.get("text", "") for part in own) for own in contents
    )
    seen.calls += 1
    seen.under_way += 1
    seen.most = max(seen.most, seen.under_way)
    seen.characters += len(text)
    written = reply(text, seen.calls)
    await asyncio.sleep(latency)
    seen.under_way -= 1
    message = {"role": "assistant", "content": written}
    return {
        "id": "x",
        "object": "chat.completion",
        "created": 0,
        "model": "fake",
        "choices": [{"index": 0, "finish_reason": "stop", "message": message}],
        "usage": {"prompt_tokens": len(text) // 4, "completion_tokens": len(written) // 4, "total_tokens": 0},
    }


async def main(latency: float) -> None:
    seen = Seen()
    server = await asyncio.start_server(lambda *both: handle(*both, latency, seen), "127.0.0.1", 0, limit=1 << 24)
    print(server.sockets[0].getsockname()[1], flush=True)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(float(sys.argv[1])))
