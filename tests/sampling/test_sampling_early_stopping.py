"""Best-of-N with a price: the reservation value, the law and the number of draws in closed form."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import t as student

from heedful.core import Budget, BudgetExceededError, InputError, Item, UsageError
from heedful.core.contracts import SamplingEngineContract
from heedful.evidence import Rule, constraint
from heedful.sampling import BestOfN, EarlyBestOfN, KnownScores, NormalScores, best_of_n_law
from heedful.sampling.score_laws import pooled_variances
from heedful.target import Target, enumerate_exact

from .language import BASE, CONTEXTS, Plain, frequencies, sampled_variation, total_variation, words

TARGET = Target(BASE, 1.0 * Plain())
LISTED = enumerate_exact(TARGET, CONTEXTS[0])
BASE_PROBABILITY = np.exp(LISTED.base_log_prob)
KNOWN = KnownScores.of(LISTED.scores.mean, BASE_PROBABILITY)
PRICE = 0.15
BAR = KNOWN.reservation(PRICE)
PASS = float(BASE_PROBABILITY[LISTED.scores.mean >= BAR].sum())
DRAWS = 1500


class TestEarlyBestOfNKeepsTheContract(SamplingEngineContract):
    def make(self):
        return EarlyBestOfN(8, PRICE)

    def target(self):
        return TARGET

    def contexts(self):
        return [CONTEXTS[0], CONTEXTS[1], CONTEXTS[0]]


def run(engine, target=TARGET, context=CONTEXTS[0], repeats=DRAWS, seed=0, budget=None):
    return engine(target, [context] * repeats, budget=budget or Budget(), rng=np.random.default_rng(seed))


@pytest.mark.parametrize("price", [0.01, 0.1, 0.5, 3.0])
def test_the_reservation_value_is_where_a_draw_is_worth_its_price(price):
    bar = KNOWN.reservation(price)
    assert BASE_PROBABILITY @ np.maximum(LISTED.scores.mean - bar, 0.0) == pytest.approx(price)
    assert KNOWN.improvement(np.array([[bar], [-np.inf]])).tolist() == pytest.approx([price, np.inf])


def test_a_coin_by_hand():
    """A score of 1 with probability 1/4, else 0: worth (1 − r)/4 beyond r in [0, 1]."""
    coin = KnownScores.of([0.0, 1.0], [0.75, 0.25])
    assert coin.reservation(0.1) == pytest.approx(0.6)
    assert coin.reservation(0.5) == pytest.approx(-0.25)
    assert KnownScores.of([0.0, 1.0, -np.inf], [0.5, 0.25, 0.25]).reservation(0.1) == pytest.approx(0.6)


def test_scores_and_price_come_to_the_reservation_value():
    """Without a cap the number of draws is geometric, and the law the base's beyond the bar."""
    found = run(EarlyBestOfN(400, PRICE, KNOWN))
    number = found.cost["samples"] / DRAWS
    assert number == pytest.approx(1 / PASS, abs=4 * math.sqrt((1 - PASS) / DRAWS) / PASS)
    net = found.scores.mean.mean() - PRICE * number
    error = found.scores.mean.std() / math.sqrt(DRAWS) + PRICE * math.sqrt((1 - PASS) / DRAWS) / PASS
    assert net == pytest.approx(BAR, abs=4 * error)
    passed = np.where(LISTED.scores.mean >= BAR, BASE_PROBABILITY / PASS, 0.0)
    true = dict(zip(LISTED.items, passed.tolist(), strict=True))
    assert total_variation(frequencies(found.items), true) < sampled_variation(true, DRAWS)
    # No fixed number of draws does as well.
    fixed = [
        np.exp(one.log_prob) @ LISTED.scores.mean - PRICE * n
        for n in range(1, 12)
        for one in [best_of_n_law(TARGET, CONTEXTS[0], n)]
    ]
    assert max(fixed) < net


CAP, LOW = 5, 0.03
BEYOND = KNOWN.reservation(LOW) <= LISTED.scores.mean
RARE = float(BASE_PROBABILITY[BEYOND].sum())


def capped_law():
    """Beyond the bar by which draw first got there; below it by the best of all, where none did."""
    best = np.exp(best_of_n_law(TARGET, CONTEXTS[0], CAP).log_prob)
    first = BASE_PROBABILITY / RARE * (1 - (1 - RARE) ** CAP)
    return dict(zip(LISTED.items, np.where(BEYOND, first, best).tolist(), strict=True))


def test_with_a_cap_it_is_the_best_of_all_draws_where_none_passes():
    true = capped_law()
    assert sum(true.values()) == pytest.approx(1)
    assert 0.2 < sum(p for p, beyond in zip(true.values(), BEYOND, strict=True) if beyond) < 0.8
    found = run(EarlyBestOfN(CAP, LOW, KNOWN))
    assert total_variation(frequencies(found.items), true) < sampled_variation(true, DRAWS)
    number = (1 - (1 - RARE) ** CAP) / RARE
    assert found.cost["samples"] / DRAWS == pytest.approx(number, abs=4 * CAP / 2 / math.sqrt(DRAWS))
    held = [(p, base) for p, base in zip(true.values(), BASE_PROBABILITY.tolist(), strict=True) if p]
    assert found.kl[0].value >= sum(p * math.log(p / base) for p, base in held)


def test_keeping_the_last_draw_is_noticed(monkeypatch):
    """A planted bug: what was drawn before is not recalled."""

    def last(value, rng):
        return (~np.isnan(value)).sum(axis=1) - 1

    monkeypatch.setattr("heedful.sampling.early_stopping.greatest", last)
    true, found = capped_law(), run(EarlyBestOfN(CAP, LOW, KNOWN))
    assert total_variation(frequencies(found.items), true) > 2 * sampled_variation(true, DRAWS)


def test_at_no_price_it_is_best_of_n():
    true = dict(zip(LISTED.items, np.exp(best_of_n_law(TARGET, CONTEXTS[0], 4).log_prob).tolist(), strict=True))
    for law, batch in ((NormalScores(), 3), (KNOWN, 1)):
        found = run(EarlyBestOfN(4, 0.0, law, batch=batch), seed=batch)
        assert total_variation(frequencies(found.items), true) < sampled_variation(true, DRAWS)
    assert run(EarlyBestOfN(600, 0.0, KNOWN), repeats=3).scores.mean == pytest.approx([LISTED.scores.mean.max()] * 3)


def test_the_expected_excess_of_the_next_score_is_its_integral():
    score = np.array([[0.3, -1.0, 2.0, 0.4, 1.1], [5.0, 4.0, 4.5, 4.9, 4.2]])
    for own, found in zip(score, NormalScores().improvement(score), strict=True):
        ahead = student(4, own.mean(), own.std(ddof=1) * math.sqrt(1.2))
        true = quad(lambda x, own=own, ahead=ahead: (x - own.max()) * ahead.pdf(x), own.max(), np.inf)[0]
        assert found == pytest.approx(true, rel=1e-6)
    out = np.concatenate([score, np.full((2, 5), -np.inf)], axis=1)
    np.testing.assert_allclose(NormalScores().improvement(out), NormalScores().improvement(score) / 2)
    assert NormalScores().improvement(score[:, :3]).tolist() == [np.inf, np.inf]
    assert NormalScores().improvement(np.full((1, 4), 2.0)).tolist() == [0.0]


def test_what_a_law_learnt_alone_expects_comes_true_in_units_of_the_width_seen():
    """(next − mean) / width is Student's whatever the greatest, so that over many sets the gain told is that found."""
    rng = np.random.default_rng(0)
    drawn = rng.normal(2.0, 3.0, size=(40_000, 9))
    width = drawn[:, :8].std(axis=1, ddof=1)
    told = NormalScores(pooled=False).improvement(drawn[:, :8]) / width
    came = np.maximum(drawn[:, 8] - drawn[:, :8].max(axis=1), 0.0) / width
    assert told.mean() == pytest.approx(came.mean(), abs=4 * came.std() / 200)


def test_pooled_widths_expect_what_comes_where_contexts_are_alike():
    drawn = np.random.default_rng(5).normal(2.0, 3.0, size=(40_000, 9))
    came = np.maximum(drawn[:, 8] - drawn[:, :8].max(axis=1), 0.0)
    told, alone = (NormalScores(pooled=how).improvement(drawn[:, :8]).mean() for how in (True, False))
    assert told == pytest.approx(came.mean(), rel=0.06)
    assert alone > 1.25 * came.mean()


def test_the_prior_of_variances_is_found():
    """Variances whose inverses are Gamma, of 6 degrees and scale 2.5, seen on 7 degrees of freedom."""
    rng, size = np.random.default_rng(6), 50_000
    true = 6 * 2.5 / rng.chisquare(6, size)
    seen, df = true * rng.chisquare(7, size) / 7, np.full(size, 7.0)
    pooled, degrees = pooled_variances(seen, df)
    assert degrees == pytest.approx(np.full(size, 13.0), rel=0.05)
    np.testing.assert_allclose(pooled, (7 * seen + 6 * 2.5) / 13, rtol=0.05)
    # Given what is seen, 1 / true is on average 1 / pooled.
    order = np.argsort(seen).reshape(10, -1)
    np.testing.assert_allclose((1 / true)[order].mean(axis=1), (1 / pooled)[order].mean(axis=1), rtol=0.06)
    alike, sure = pooled_variances(np.array([0.0, *[2.0] * 20]), np.full(21, 3.0))
    assert alike[0] == 0.0
    assert sure.min() > 1e5
    few = np.array([1.0, 2.0, 3.0])
    assert pooled_variances(few, few)[0] is few


class Widths:
    """Scores as outputs: normal, of a width of their own in each context."""

    def __init__(self, widths):
        self.widths = {Item.of(str(number)).context: width for number, width in enumerate(widths)}

    def sample(self, context, n, *, rng):
        return tuple(
            Item(context, Item.of("", repr(float(x))).output) for x in self.widths[context] * rng.normal(size=n)
        )

    def log_prob(self, items):
        raise NotImplementedError


def test_learning_the_law_beats_the_best_fixed_number_where_contexts_differ():
    rng, size, price = np.random.default_rng(4), 1200, 0.05
    base = Widths(np.exp(rng.normal(size=size)))
    found = EarlyBestOfN(40, price)(
        Target(base, Rule(lambda item: float(item.output[0].text), "read")), list(base.widths), budget=Budget(), rng=rng
    )
    net = found.scores.mean.mean() - price * found.cost["samples"] / size
    best = np.maximum.accumulate(np.array(list(base.widths.values()))[:, None] * rng.normal(size=(size, 40)), axis=1)
    assert net > (best.mean(axis=0) - price * np.arange(1, 41)).max() + 0.1


@pytest.mark.parametrize(("price", "more"), [(0.05, 0.03), (0.1, 0.07)])
def test_pooling_widths_pays_where_contexts_are_alike(price, more):
    base, net = Widths(np.ones(1500)), []
    for pooled in (True, False):
        found = EarlyBestOfN(40, price, NormalScores(pooled=pooled))(
            Target(base, Rule(lambda item: float(item.output[0].text), "read")),
            [next(iter(base.widths))] * 1500,
            budget=Budget(),
            rng=np.random.default_rng(7),
        )
        net.append(found.scores.mean.mean() - price * found.cost["samples"] / 1500)
    assert net[0] > net[1] + more


def test_learning_the_law_of_one_context_costs_more_than_knowing_it():
    """On scores of seven levels that are not normal, with little to learn from."""
    net = {}
    for name, law in (("known", KNOWN), ("learnt", NormalScores())):
        found = run(EarlyBestOfN(32, 0.05, law), repeats=400, seed=3)
        net[name] = found.scores.mean.mean() - 0.05 * found.cost["samples"] / 400
    assert net["known"] - 0.3 < net["learnt"] < net["known"] - 0.1


def test_what_is_ruled_out_is_drawn_past():
    rare = Target(BASE, 1.0 * Plain() + constraint(lambda item: words(item)[:1] == ["b"], "b first"))
    found = run(EarlyBestOfN(40, 1.0), rare, repeats=50)
    assert all(words(item)[0] == "b" for item in found.items)
    none = run(EarlyBestOfN(3, 1.0), Target(BASE, constraint(lambda item: False, "nothing")), repeats=2)
    assert (none.scores.mean == -np.inf).all()


def test_all_draws_are_reserved_and_the_rest_given_back():
    with pytest.raises(BudgetExceededError, match="samples"):
        run(EarlyBestOfN(8, PRICE), repeats=2, budget=Budget(samples=15))
    budget = Budget(samples=16, scores=16)
    found = run(EarlyBestOfN(8, 0.5, KNOWN), repeats=2, budget=budget)
    assert found.cost["samples"] == budget.spent["samples"] < 16
    assert found.cost["scores"] == budget.spent["scores"] <= found.cost["samples"]
    assert run(EarlyBestOfN(5, 10.0, KNOWN), repeats=1).items == run(BestOfN(1), repeats=1).items


def test_wrong_use_is_said():
    for wrong in ({"n": 0}, {"batch": 0}, {"price": -1.0}, {"price": math.inf}, {"pessimism": math.nan}):
        with pytest.raises(UsageError, match="EarlyBestOfN"):
            EarlyBestOfN(**{"n": 4, "price": 0.1, **wrong})
    with pytest.raises(UsageError, match="3 draws or more"):
        NormalScores(2)
    with pytest.raises(InputError, match="add up to"):
        KnownScores.of([1.0, 2.0], [0.5, 0.6])
    for value in ([np.nan], [np.inf], [[1.0]]):
        with pytest.raises(InputError, match="KnownScores"):
            KnownScores.of(value)
