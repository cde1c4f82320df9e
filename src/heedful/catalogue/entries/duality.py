"""003-095: a network trained to fit probabilities, read as an order of outputs, and turned back into probabilities."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
from scipy.special import expit, log_softmax

from heedful.catalogue.entry import Entry
from heedful.catalogue.settings import misordered
from heedful.catalogue.verdicts import Check
from heedful.core import Floats
from heedful.sampling import expected_costs, minimum_bayes_risk
from heedful.stats import expected_calibration_error, softmax_temperature

_INPUTS, _HIDDEN, _BITS = 5, 400, 4
_RATE, _STEPS = 4.0, (30, 300, 3000)
# Outputs are sequences of bits; to say 1 where it is 0 costs four times as much as to say 0 where it is 1.
_OUTPUTS = np.array(list(itertools.product((0, 1), repeat=_BITS)))
_COST = (4 * _OUTPUTS[:, None] * (1 - _OUTPUTS) + (1 - _OUTPUTS[:, None]) * _OUTPUTS).sum(axis=2).astype(np.float64)


@dataclass(frozen=True)
class Contexts:
    """n contexts as the network sees them [n, h], the true log-probabilities of the outputs [n, s], and one of them
    drawn for each [n]."""

    hidden: Floats
    log_prob: Floats
    drawn: np.ndarray

    @classmethod
    def of(cls, count: int, bits: Floats, pairs: Floats, layer: Floats, rng: np.random.Generator) -> Contexts:
        """Each bit depends on the context by `bits` [inputs, bits], and on the bits beside it by `pairs` [bits, bits].

        `layer` [inputs + 1, h] are the random first weights of the network.
        """
        seen = rng.normal(size=(count, _INPUTS))
        joint = np.einsum("sj,jk,sk->s", _OUTPUTS, pairs, _OUTPUTS)
        log_prob = log_softmax(seen @ bits @ _OUTPUTS.T + joint, axis=1)
        hidden = np.maximum(np.column_stack([seen, np.ones(count)]) @ layer, 0) / np.sqrt(layer.shape[1])
        return cls(hidden, log_prob, (log_prob + rng.gumbel(size=log_prob.shape)).argmax(axis=1))


def miniature(seed: int, quick: bool) -> dict[str, float]:
    rng = np.random.default_rng([395, seed])
    bits, pairs = rng.normal(0, 0.7, (_INPUTS, _BITS)), np.triu(rng.normal(0, 0.7, (_BITS, _BITS)))
    layer = rng.normal(0, 1, (_INPUTS + 1, _HIDDEN))
    train, held, fresh = (Contexts.of(n, bits, pairs, layer, rng) for n in (150, 150, 1000))
    one, gap = rng.integers(len(_OUTPUTS), size=1000), rng.integers(1, len(_OUTPUTS), size=1000)
    sides = np.stack([one, (one + gap) % len(_OUTPUTS)])
    steps = tuple(step // 10 for step in _STEPS) if quick else _STEPS
    figures: dict[str, float] = {}
    for name, weights in zip(_STEPS, _trained(train, steps), strict=True):
        logits = fresh.hidden @ weights
        temperature = softmax_temperature(held.hidden @ weights, held.drawn).value
        raw, mended = (log_softmax(logits / t, axis=1) for t in (1.0, temperature))
        true, predicted = (
            expit(np.diff(own[np.arange(1000), sides[::-1]], axis=0)[0]) for own in (fresh.log_prob, raw)
        )
        figures[f"misordered, {name}"] = misordered(true, predicted)
        for arm, log_prob in (("raw", raw), ("mended", mended)):
            figures[f"calibration, {arm}, {name}"] = _miscalibrated(log_prob, fresh, rng)
            figures[f"cost, {arm}, {name}"] = _cost(minimum_bayes_risk(log_prob, _COST), fresh)
        figures[f"cost, likeliest, {name}"] = _cost(logits.argmax(axis=1), fresh)
    return figures | {"cost, truth": _cost(minimum_bayes_risk(fresh.log_prob, _COST), fresh)}


def _trained(train: Contexts, steps: tuple[int, ...]) -> list[Floats]:
    """The last weights [h, s] after these numbers of steps of gradient descent on the log loss, from zero."""
    shown, kernel = np.eye(len(_OUTPUTS))[train.drawn], train.hidden @ train.hidden.T
    dual, found = np.zeros(shown.shape), []  # the weights are a mix of the contexts trained on
    for step in range(1, steps[-1] + 1):
        dual -= _RATE / len(shown) * (np.exp(log_softmax(kernel @ dual, axis=1)) - shown)
        if step in steps:
            found.append(train.hidden.T @ dual)
    return found


def _miscalibrated(log_prob: Floats, fresh: Contexts, rng: np.random.Generator) -> float:
    """Expected calibration error of P(the likeliest output), per cent."""
    top = log_prob.argmax(axis=1)
    probability = np.exp(log_prob.max(axis=1)).clip(max=1.0)
    return 100 * expected_calibration_error(probability, (fresh.drawn == top).astype(np.float64), rng=rng)["ece"]


def _cost(chosen: np.ndarray, fresh: Contexts) -> float:
    """Mean expected cost of the outputs chosen [n], by the true probabilities."""
    return float(expected_costs(fresh.log_prob, _COST)[np.arange(len(chosen)), chosen].mean())


ENTRY = Entry(
    id="003-095",
    title="Utility-Probability Duality of Neural Networks",
    area="preference/context",
    citation="",
    claim=(
        "A network of 400 fixed hidden units learns from 150 contexts, each with one of 16 outputs drawn, by gradient "
        "descent on the log loss. On 1,000 fresh contexts, from 30 to 3,000 steps fewer pairs of outputs are in the "
        "wrong order, while the calibration error of the likeliest output grows by more than 5 points. At 3,000 steps, "
        "outputs of least expected cost (a wrong 1 costs 4, a wrong 0 costs 1) by probabilities mended on 150 held-out "
        "contexts cost at least 10 per cent less than those by the network's own."
    ),
    configuration=(
        "stats.softmax_temperature fitted on held-out contexts; sampling.minimum_bayes_risk over all outputs; "
        "stats.expected_calibration_error of the likeliest output."
    ),
    measures={
        **{f"misordered, {k}": f"pairs of outputs in the wrong order, per cent, after {k:,} steps" for k in _STEPS},
        **{
            f"{measure}, {arm}, {k}": f"{what}, {name}, after {k:,} steps"
            for k in _STEPS
            for arm, name in {"raw": "the network's probabilities", "mended": "with a held-out temperature"}.items()
            for measure, what in {
                "calibration": "calibration error of the likeliest output, per cent",
                "cost": "expected cost of the choice of least expected cost",
            }.items()
        },
        **{f"cost, likeliest, {k}": f"expected cost of the likeliest output, after {k:,} steps" for k in _STEPS},
        "cost, truth": "expected cost of the choice of least expected cost by the true probabilities",
    },
    checks=(
        Check("misordered, 30", "misordered, 3000", above=0.0),
        Check("calibration, raw, 3000", "calibration, raw, 30", above=5.0),
        Check("cost, mended, 3000", "cost, raw, 3000", factor=0.9, below=0.0),
    ),
    miniature=miniature,
    beyond=(
        "The abstract does not give its equation from utilities to probabilities; here it is one temperature, which "
        "keeps the order of outputs and is fitted on held-out contexts. Outputs are few enough to list, so that no "
        "search errs, and only the last layer is trained. What fails is that the order improves with "
        "training: with one output a context it is best early and then gets worse too, though far less than the "
        "probabilities do."
    ),
)
