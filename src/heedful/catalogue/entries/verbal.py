"""002-014: one sentence of feedback that is meant for some prompts, and is not to spill over to others."""

from __future__ import annotations

import itertools

import numpy as np

from heedful.catalogue.entry import Entry
from heedful.catalogue.learning import Indices, Records
from heedful.catalogue.settings import without_torch
from heedful.catalogue.verdicts import Check
from heedful.catalogue.writers import Learner, Writer
from heedful.core import Floats

_TAGS, _TOPICS, _SUBJECTS = 4, 4, 6
_TOKENS, _LENGTH, _EACH = 6, 4, 60
_STRENGTH, _STEPS = 10.0, 60
_HEEDED = {"in": 4.0, "near": 2.0, "out": 1.0}  # by how much the prefix makes token 0 less likely, nats
_SCOPES = tuple(_HEEDED)
_OWN = np.cumsum([0, _TAGS, _TOPICS, _TAGS * _TOPICS, _SUBJECTS, _TOKENS + 1])


def _scope(prompts: Indices) -> Indices:
    """0 in the scope of "no token 0 when tag and topic are 0", 1 where one of them is, 2 elsewhere."""
    return np.asarray((prompts[:, :2] != 0).sum(1))


def _seen(prompts: Indices, before: Indices) -> Indices:
    """Tag, topic, both, subject, the last token; and where the feedback is prefixed to the prompt, the scope."""
    tag, topic, subject, prefixed = prompts.T
    last = before[:, -1] if before.shape[1] else np.full(len(prompts), _TOKENS)
    told = _OWN[5] + np.where(prefixed == 1, _scope(prompts), len(_SCOPES))
    rows = (tag, topic, tag * _TOPICS + topic, subject, last)
    return np.stack([*(start + own for start, own in zip(_OWN, rows, strict=False)), told], axis=1)


_WRITER = Writer(_TOKENS, _LENGTH, int(_OWN[5]) + len(_SCOPES) + 1, _seen)
_PROMPTS = np.array([(*own, 0) for own in itertools.product(range(_TAGS), range(_TOPICS), range(_SUBJECTS))])


def miniature(seed: int, quick: bool) -> dict[str, float]:
    from heedful.training import C3PO, DPO, Supervised

    rng = np.random.default_rng([214, seed])
    base = _base(rng)
    known, fresh = (_PROMPTS[chosen] for chosen in (_PROMPTS[:, 2] < 3, _PROMPTS[:, 2] >= 3))
    told = np.concatenate([_some(known[_scope(known) == scope], rng) for scope in range(len(_SCOPES))])
    present, revised = _WRITER.write(base, told, 1, rng), _WRITER.write(base, _prefixed(told), 1, rng)
    inside = _scope(told) == 0
    first = np.where(inside[:, None, None], revised, present)
    whole = Records(told, np.concatenate([first, present], 1), {"prefer": np.ones(len(told)), "scope": inside})
    pairs = Records(told[inside], whole.outputs[inside], {"prefer": np.ones(inside.sum())})
    imitated = Records(told[inside], revised[inside], {})
    kept = _scope(told) != 1
    without = Records(told[kept], whole.outputs[kept], {name: own[kept] for name, own in whole.said.items()})
    arms = {
        "DPO": (DPO(_STRENGTH), pairs),
        "DPO, stopped": (DPO(_STRENGTH), pairs),
        "distilled": (Supervised(), imitated),
        "C3PO": (C3PO(_STRENGTH), whole),
        "C3PO, no near": (C3PO(_STRENGTH), without),
    }
    inner = known[_scope(known) == 0]
    enough = _free(base, _prefixed(inner), 200, rng).mean()
    found = {"prompted": (base, _prefixed(fresh)), "base": (base, fresh)}
    for name, (objective, records) in arms.items():
        learner, loss = Learner(base, 0.05), _WRITER.loss(objective, records, base)
        for _ in range(1 if quick else _STEPS // 4):
            learner.step(loss, 4)
            if name == "DPO, stopped" and _free(learner.weights, inner, 200, rng).mean() >= enough:
                break
        found[name] = (learner.weights, fresh)
    figures: dict[str, float] = {}
    for name, (weights, prompts) in found.items():
        free = _free(weights, prompts, 8 if quick else 64, rng)
        figures |= {
            f"{name}, {scope}": float(free[_scope(fresh) == place].mean()) for place, scope in enumerate(_SCOPES)
        }
    return figures | {
        f"spilled, {name}": figures[f"{name}, near"] - figures["base, near"] for name in found if name != "base"
    }


def _base(rng: np.random.Generator) -> Floats:
    """A policy that likes token 0, and heeds the prefix everywhere, if most where it is meant to hold."""
    weights = rng.normal(0, 0.5, (_WRITER.rows, _TOKENS))
    weights[_OWN[5] :] = 0.0
    weights[_OWN[4] : _OWN[5], 0] += 1.0
    weights[_OWN[5] : -1, 0] = [-own for own in _HEEDED.values()]
    return np.asarray(weights.ravel())


def _free(weights: Floats, prompts: Indices, k: int, rng: np.random.Generator) -> Floats:
    """The share of k outputs to each prompt [r] that are without token 0."""
    return np.asarray((_WRITER.write(weights, prompts, k, rng) != 0).all(2).mean(1))


def _some(prompts: Indices, rng: np.random.Generator) -> Indices:
    return prompts[rng.integers(len(prompts), size=_EACH)]


def _prefixed(prompts: Indices) -> Indices:
    """The same prompts after the feedback."""
    return np.column_stack([prompts[:, :3], np.ones(len(prompts), np.intp)])


_NAMES = {
    "base": "the base",
    "prompted": "the base, the feedback before each prompt",
    "distilled": "fine-tuned on what the base writes in scope after the feedback",
    "DPO": "DPO on pairs in scope",
    "DPO, stopped": "DPO stopped where it adheres as often as the prompted base",
    "C3PO": "C3PO",
    "C3PO, no near": "C3PO without anchors near the scope",
}
ENTRY = Entry(
    id="002-014",
    title="RLVF: Learning from Verbal Feedback without Overgeneralization",
    area="training/feedback",
    citation="Stephan et al. 2024",
    claim=(
        "Prompts have a tag, a topic and a subject. 'No token 0 when tag and topic are 0' is turned into 60 prompts in "
        "scope, 60 that share tag or topic and 60 that share neither, of three subjects. On three others, C3PO on "
        "these adheres to the feedback in scope as often as the base with the feedback before its prompt, less 0.05 at "
        "most, and spills over to prompts near the scope by less than 0.7 of what the prompted base does, and by less "
        "than 0.7 of what DPO on the pairs in scope alone does, stopped once it adheres as often as the prompted base "
        "or not. Nor does it make token 0 more frequent near the scope, by 0.05."
    ),
    configuration=(
        "training.C3PO(strength=10) with scope 1 for pairs of what the base writes with and without the feedback, 0 "
        "for what it writes near the scope and out of it; training.DPO(10) and Supervised on what is in scope."
    ),
    measures={
        **{
            f"{name}, {scope}": f"share of outputs without token 0, {what}, {where}"
            for name, what in _NAMES.items()
            for scope, where in (("in", "in scope"), ("near", "near it"), ("out", "out of scope"))
        },
        **{
            f"spilled, {name}": f"that share near the scope, less the base's, {what}"
            for name, what in _NAMES.items()
            if name != "base"
        },
    },
    checks=(
        Check("spilled, C3PO", above=-0.05),
        Check("C3PO, in", "prompted, in", above=-0.05),
        Check("spilled, C3PO", "spilled, prompted", factor=0.7, below=0.0),
        Check("spilled, C3PO", "spilled, DPO", factor=0.7, below=0.0),
        Check("spilled, C3PO", "spilled, DPO, stopped", factor=0.7, below=0.0),
    ),
    miniature=miniature,
    missing=without_torch,
    beyond=(
        "The policy is log-linear, with weights for tags, topics, both and subjects, so that what is learnt in scope "
        "spreads to what shares one of them. How much the base heeds a prefix is assumed: 4 nats in scope, 2 near it, "
        "1 elsewhere. Prompts of each kind are drawn by rule, where the work has a language model write them."
    ),
)
