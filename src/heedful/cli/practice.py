"""`heedful train --rounds`: a model that has learnt from its own outputs."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

OF_FEEDBACK = ("feedback", "steps", "patience", "criterion", "longest", "cut", "precision", "cache", "mapping",
               "input_format")  # fmt: skip
OF_ROUNDS = ("evidence", "matching", "json_schema", "tests", "unsafe", "gold", "prompts", "outputs", "max_tokens",
             "otherwise", "right", "budget")  # fmt: skip
_DIGITS = 16  # of a hash, enough to tell two files apart


def refuse_flags(given: Mapping[str, Any], others: tuple[str, ...], why: str) -> None:
    """Raises UsageError where flags were given that are none of this way to train."""
    from heedful.core import UsageError

    flags = [_flag(name) for name in others if given[name] is not None and given[name] is not False]
    if flags:
        raise UsageError(why, where=", ".join(flags), fix="leave them out, or see docs/training.md")


def practised(given: Mapping[str, Any]) -> dict[str, Any]:
    """What came of training as the flags of `heedful train` say."""
    from heedful.cli.flags import contexts_of
    from heedful.cli.progress import stepping
    from heedful.core import UsageError
    from heedful.loops import evidence_of
    from heedful.loops.practice import Practice, practise
    from heedful.training.processes import joined

    refuse_flags(given, OF_FEEDBACK, "with --rounds a model learns from its own outputs, and not from feedback")
    if given["passes"] != int(given["passes"]) or given["passes"] < 1:
        raise UsageError("outputs of a round are trained on whole times", where="--passes", fix="give 1 or more")
    gold = evidence_of(given["gold"]) if given["gold"] else None
    how = Practice(
        given["model"],
        given["objective"],
        tuple(given["setting"] or ()),
        prompts=given["batch"],
        outputs=given["outputs"] or 8,
        passes=int(given["passes"]),
        max_tokens=given["max_tokens"] or 256,
        right=given["right"] or 0.0,
        board=given["tensorboard"],
        names=tuple(_names(given)),
        **{name: given[name] for name in _SAME},
    )
    evidence = evidence_of(
        given["evidence"] or (),
        matching=given["matching"] or (),
        schema=given["json_schema"],
        tests=given["tests"],
        unsafe=given["unsafe"],
    )
    contexts = contexts_of([], given["prompts"], "heedful train --rounds")
    with joined(), stepping() as show:
        return practise(contexts, evidence, how, Path(given["out"]), gold=gold, watch=show)


_SAME = ("rounds", "tokens", "learning_rate", "warmup", "decay", "lora", "every", "held", "otherwise", "budget",
         "device", "seed")  # fmt: skip


def _names(given: Mapping[str, Any]) -> Iterator[str]:
    """What the evidence is called, with a hash of what it is."""
    from heedful.models.sentence_folder import digest

    for name in ("evidence", "gold"):
        for own in given[name] or ():
            folder = Path(own) if Path(own).is_dir() else Path(own.rpartition("=")[0])
            yield f"{_flag(name)} {own} {digest(folder)[:_DIGITS]}"
    yield from (f"{_flag('matching')} {own}" for own in given["matching"] or ())
    for name in ("json_schema", "tests"):
        if given[name] is not None:
            said = Path(given[name]).read_bytes()
            yield f"{_flag(name)} {given[name]} {hashlib.sha256(said).hexdigest()[:_DIGITS]}"


def _flag(name: str) -> str:
    return {"feedback": "FEEDBACK", "input_format": "--format"}.get(name, "--" + name.replace("_", "-"))


def told(result: Mapping[str, Any]) -> str:
    """What became of the prompts, how the policy moved and what it earns on prompts not trained on."""
    prompts, first, last = result["prompts"], result["first"], result["last"]
    lines = [
        f"{result['objective']} ({result['claim']}): {result['rounds']:,} rounds in {result['seconds']:,.0f} s, "
        f"{result['written']:,} tokens written",
        f"Prompts: {prompts['trained']:,} trained on, {prompts['held']:,} held out, of {prompts['read']:,} read",
        *(f"  dropped: {n:,} {why}" for why, n in prompts["dropped"].items()),
        *([f"  given more than once: {prompts['again']:,}"] if prompts["again"] else ()),
        f"First round to last: score {first['score']:.3f} to {last['score']:.3f}, KL {last['kl']:.2f} nats, entropy "
        f"{first['entropy']:.2f} to {last['entropy']:.2f} nats a token, length {first['length']:.1f} to "
        f"{last['length']:.1f} tokens",
        *(_changed(name, own) for name, own in result["held_out"].items()),
    ]
    if result["stopped"] is not None:
        lines.append(f"Stopped: {result['stopped']}")
    what = "Model" if Path(result["folder"]).name == "model" else f"Adapter of {result['model']}"
    return "\n".join([*lines, f"{what}: {result['folder']}"])


def _changed(name: str, found: Mapping[str, Any]) -> str:
    change, interval, p = found["change"], found["change"]["interval"], found["p_value"]
    how = change["note"] if interval is None else f"[{interval['low']:+.3f}, {interval['high']:+.3f}], p = {p:.2g}"
    what = {"score": "Score", "gold": "Worth"}[name]
    return (
        f"{what} on prompts held out: {found['before']:.3f} before, {found['after']['value']:.3f} after; change "
        f"{change['value']:+.3f} ({how})"
    )
