"""Feedback put before outputs, or in their place, so that likelihood learns from it: examples made of examples.

They are trained by `Supervised`, whose loss is of outputs alone: prompts, and what is put into them, are only read.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from heedful.core import UsageError
from heedful.models import Tokens
from heedful.training.examples import Example


def asked(example: Example, words: Tokens) -> Example:
    """The same outputs, and what was said of them, after a prompt that ends with these words: a criterion by which they
    were judged, so that one reward learns from many."""
    return replace(example, prompt=_joined(example.prompt, words))


def conditioned(example: Example, words: Sequence[Tokens], *, first: bool = False) -> list[Example]:
    """Each output by itself, after the words said of it: quality tokens (Lu et al. 2022, "Quark"), attributes (Dong et
    al. 2023, "SteerLM").

    first  whether words come before the prompt and not after it

    Like those that follow, it keeps the example's weight alone. Raises UsageError where words are not as many
    as outputs.
    """
    _refuse_unequal(words, example)
    prompts = [_joined(*((own, example.prompt) if first else (example.prompt, own))) for own in words]
    return [_made(example, *both) for both in zip(prompts, example.outputs, strict=True)]


def hindsight(example: Example, words: Sequence[Tokens]) -> list[Example]:
    """Chain of hindsight: each output after the prompt, the earlier outputs with their words, and its own words (Liu,
    Sferrazza and Abbeel 2023, "Chain of hindsight aligns language models with feedback").

    Outputs are taken in their order, the worst first as published. Their log-probabilities add up to that of the
    chain's outputs given all that is said between them.
    """
    _refuse_unequal(words, example)
    made, before = [], example.prompt
    for said, output in zip(words, example.outputs, strict=True):
        before = _joined(before, said)
        made.append(_made(example, before, output))
        before = _joined(before, output)
    return made


def refined(example: Example, feedback: Tokens, refinement: Tokens) -> tuple[Example, Example]:
    """Imitation learning from language feedback, of an example of one output: the prompt with its refinement, to train
    the policy; and prompt, output and feedback with the refinement, to train what refines (Scheurer et al. 2023,
    "Training language models with language feedback at scale")."""
    if len(example.outputs) != 1:
        raise UsageError(f"one output is refined, not {len(example.outputs)}", where="refined")
    told = _joined(example.prompt, example.outputs[0], feedback)
    return _made(example, example.prompt, refinement), _made(example, told, refinement)


def tried(example: Example, verdicts: Sequence[Tokens], feedback: Sequence[Tokens]) -> list[Example]:
    """LETI: a verdict before the prompt, the output after it, and behind that what was said of it in words, learnt as
    part of the output (Wang et al. 2024, "LETI: learning to generate from textual interactions"). Nothing
    is said of a right one: its feedback is empty."""
    _refuse_unequal(feedback, example)
    told = [np.concatenate(own) for own in zip(example.outputs, feedback, strict=True)]
    return conditioned(replace(example, outputs=tuple(told)), verdicts, first=True)


def judged(example: Example, ask: Tokens, critiques: Sequence[Tokens], verdicts: Sequence[Tokens]) -> list[Example]:
    """A generative judge that writes a critique and then its verdict: prompt, output and what is asked, with critique
    and verdict to be written (Ankner et al. 2024, "Critique-out-loud reward models"). Without critiques it is a judge
    whose verdict is a token (Zhang et al. 2024, "Generative verifiers")."""
    for own in (critiques, verdicts):
        _refuse_unequal(own, example)
    return [
        _made(example, _joined(example.prompt, output, ask), np.concatenate([critique, verdict]))
        for output, critique, verdict in zip(example.outputs, critiques, verdicts, strict=True)
    ]


def _joined(*parts: Sequence[int] | Tokens) -> tuple[int, ...]:
    return tuple(int(token) for part in parts for token in part)


def _made(example: Example, prompt: tuple[int, ...], output: Tokens) -> Example:
    return Example(prompt, (output,), {"weight": example.said.get("weight", 1.0)})


def _refuse_unequal(words: Sequence[Tokens], example: Example) -> None:
    if len(words) != len(example.outputs):
        what = f"{len(words)} are given words for {len(example.outputs)} outputs"
        raise UsageError(what, where="words", fix="give tokens for each output, none where nothing was said")
