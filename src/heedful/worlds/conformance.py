"""Whether an engine is what it declares, on worlds that can be listed: laws of outputs, and weights that are proper."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import chdtrc

from heedful.core import Floats, InputError, Item, Parts, Samples
from heedful.target import Enumerated

RANDOM_FUNCTIONS = 5


@dataclass(frozen=True, slots=True)
class LawTest:
    """Outputs against the law they are said to follow.

    `distance` is the total variation between their shares and the law, `ratio` the same as a multiple of what exact
    draws show on average; `p` is the share of sets of exact draws, simulated, that lie as far or farther.
    """

    draws: int
    distance: float
    ratio: float
    p: float


def law_test(
    items: Sequence[Item], law: Mapping[Item, float], *, rng: np.random.Generator, runs: int = 9999
) -> LawTest:
    """Independent outputs against a law over items, by comparison with as many exact draws, simulated `runs` times.

    p = (1 + sets as far) / (1 + runs) is valid whatever the number of draws. Raises InputError where there are none.
    """
    n, place = len(items), {item: row for row, item in enumerate(law)}
    if not n:
        raise InputError("there are no outputs to test", where="law_test")
    known = [place[item] for item in items if item in place]
    p = np.array(list(law.values()))
    share = np.bincount(np.array(known, dtype=np.intp), minlength=len(p)) / n
    distance = float((np.abs(share - p).sum() + 1 - share.sum()) / 2)
    exact = np.abs(rng.multinomial(n, p / p.sum(), size=runs) / n - p).sum(axis=1) / 2
    # Counts that tie but for rounding are as far.
    as_far = int((exact >= distance - 1e-12).sum())
    return LawTest(n, distance, distance / float(exact.mean()), (1 + as_far) / (1 + runs))


@dataclass(frozen=True, slots=True)
class ProperTest:
    """Weighted outputs against E[Σ w f] = Z · E[f].

    `ratio` is the mean of Ẑ / Z over runs, `error` its standard error, and `p` that of all f at once (Hotelling's T²,
    by its limit).
    """

    runs: int
    ratio: float
    error: float
    p: float


def proper_test(deviations: Floats) -> ProperTest:
    """From the rows of `deviations`, which must be so many that their mean is normal."""
    runs, mean = len(deviations), deviations.mean(axis=0)
    spread = np.cov(deviations.T) / runs
    # Functions that never vary, as Ẑ by a perfect twist, must be right to the last digits.
    varied = np.diag(spread) > 1e-20
    off = bool(np.abs(mean[~varied]).max(initial=0.0) > 1e-9)
    inverse = np.linalg.pinv(spread[np.ix_(varied, varied)], rcond=1e-10, hermitian=True)
    squared, rank = mean[varied] @ inverse @ mean[varied], int(np.linalg.matrix_rank(inverse, hermitian=True))
    p = 0.0 if off else float(chdtrc(rank, squared)) if rank else 1.0
    return ProperTest(runs, 1 + float(mean[0]), float(np.sqrt(spread[0, 0])), p)


def deviations(samples: Samples, contexts: Sequence[Parts], listed: Mapping[Parts, Enumerated]) -> Floats:
    """Σ w f / Z − E[f] [contexts, functions] of each run (a context): f is 1, the score, and five functions at random.

    Outputs that are ruled out count as 0 in the score. Raises InputError for an output that the world cannot give.
    """
    tables = {context: _functions(own) for context, own in listed.items()}
    total = np.array([-tables[context][1] for context in contexts])
    with np.errstate(over="ignore"):
        weight = np.exp(samples.log_weights)
    for item, run, own in zip(samples.items, samples.context_index.tolist(), weight.tolist(), strict=True):
        if item not in tables[item.context][0]:
            raise InputError("the world cannot give this output", where=f"item {item.key}")
        total[run] += own * tables[item.context][0][item]
    return total


def _functions(listed: Enumerated) -> tuple[dict[Item, Floats], Floats]:
    """f(item) / Z [functions] of each item, and E[f] under the target."""
    score = np.where(np.isfinite(listed.scores.mean), listed.scores.mean, 0.0)
    drawn = np.random.default_rng(len(score)).normal(size=(len(score), RANDOM_FUNCTIONS))
    values = np.column_stack([np.ones(len(score)), score, drawn])
    scaled = values * np.exp(-listed.log_normalizer)
    return dict(zip(listed.items, scaled, strict=True)), listed.probability @ values
