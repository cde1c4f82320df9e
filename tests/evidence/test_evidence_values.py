"""Values of unfinished outputs: exact by listing, and whatever is drawn or learnt against that."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import logsumexp

from heedful.core import Budget, InputError, Item, UsageError
from heedful.core.contracts import PrefixPotentialContract
from heedful.evidence import (
    ImplicitReward,
    LinearValue,
    Lookahead,
    PrefixValue,
    Rule,
    ValueTree,
    exact_values,
    fit_values,
    foresight,
)
from heedful.evidence.linear_values import lstd
from heedful.models import Paths, SequenceTable, TokenRatios
from heedful.sampling import Guided, Particles, TokenGuide, ValueGuide
from heedful.target import Target, enumerate_exact
from heedful.worlds import ChainWorld

A, B = Item.of("q").context, Item.of("a").context
FOLLOWING = {
    (): {"a": 0.4, "b": 0.3, "c": 0.3},
    ("a",): {"a": 0.1, "b": 0.5, "c": 0.2, "": 0.2},
    ("b",): {"a": 0.3, "b": 0.1, "c": 0.4, "": 0.2},
    ("c",): {"a": 0.25, "b": 0.45, "": 0.3},
}
BASE = SequenceTable(FOLLOWING, max_tokens=3)
OTHER = SequenceTable({**FOLLOWING, ("a",): {"a": 0.5, "c": 0.3, "": 0.2}, ("c",): {"a": 0.1, "b": 0.6, "": 0.3}}, 3)
BETA = 0.7


def words(item: Item) -> list[str]:
    return [word for part in item.output for word in part.text.split()]


def liking(item: Item) -> float:
    own = words(item)
    return 1.2 * own.count("b") - 0.8 * len(own) + (own[-1:] == ["a"])


LIKED = Rule(liking, "liked")
GUESS = PrefixValue(Rule(lambda item: 0.5 * words(item).count("b"), "guess"), "twist")
LISTED = BASE.support(A)
PREFIXES = tuple({own for begun in Paths.of(BASE, LISTED).begun for own in begun})


def after(prefix: Item) -> tuple[np.ndarray, np.ndarray]:
    """Probability given the prefix, and score, of all outputs that begin with it."""
    own = [item for item in BASE.support(prefix.context) if words(item)[: len(words(prefix))] == words(prefix)]
    if words(prefix):  # the output that ends here is among them: it begins so too
        assert own
    p = np.exp(BASE.log_prob(own))
    return p / p.sum(), np.array([liking(item) for item in own])


def mean_of(prefix: Item) -> float:
    p, score = after(prefix)
    return float(p @ score)


def soft_of(prefix: Item, beta: float = BETA) -> float:
    p, score = after(prefix)
    return float(beta * logsumexp(score / beta, b=p))


class Onehot:
    """One column for each prefix of the language in one context, or for each place and last word."""

    def __init__(self, *, state: bool = False) -> None:
        self.of = (lambda own: (len(own), *own[-1:])) if state else tuple
        self.cells = sorted({self.of(words(item)) for item in (*PREFIXES, *LISTED)})
        self.names = tuple(map(str, self.cells))

    def fit(self, items):
        return self

    def encode(self, items):
        return np.array([[self.of(words(item)) == cell for cell in self.cells] for item in items], float).reshape(
            -1, len(self.names)
        )

    def describe(self):
        return {}


def drawn(n: int, seed: int = 0) -> Paths:
    return Paths.drawn(BASE, [A], n, rng=np.random.default_rng(seed))


class OfPrefixes(PrefixPotentialContract):
    def items(self):
        return PREFIXES


class TestLookahead(OfPrefixes):
    def make(self):
        return Lookahead(GUESS, BASE, tokens=1, draws=3, beta=0.5)


class TestRollOut(OfPrefixes):
    def make(self):
        return Lookahead(LIKED, BASE, draws=4)


class TestValueTree(OfPrefixes):
    def make(self):
        return ValueTree.of(drawn(20), LIKED, beta=BETA, missing=0.0)


class TestLinearValue(OfPrefixes):
    def make(self):
        paths = drawn(200)
        return LinearValue.fit(paths, LIKED(paths.items).mean, Onehot(), beta=BETA, trace=0.5)


class TestAutoregressiveReward(OfPrefixes):
    def make(self):
        return ImplicitReward(TokenRatios(OTHER, BASE), BETA)

    def items(self):
        return LISTED


def test_paths_are_every_prefix_on_the_way_of_an_output():
    given = Paths.of(BASE, LISTED)
    assert given.items == LISTED
    for item, begun in zip(LISTED, given.begun, strict=True):
        # An output shorter than the language allows has a prefix of all its words, before its end.
        size = min(len(words(item)), BASE.max_tokens - 1)
        assert [words(own) for own in begun] == [words(item)[:place] for place in range(size + 1)]
    paths = Paths.drawn(BASE, [A, B], 5, rng=np.random.default_rng(0))
    assert [item.context for item in paths.items] == [A] * 5 + [B] * 5
    assert Paths.of(BASE, paths.items).begun == paths.begun
    world = ChainWorld(steps=2, problems=2)
    steps = Paths.drawn(world.base(), world.contexts, 1, rng=np.random.default_rng(0))
    assert [[len(own.output) for own in begun] for begun in steps.begun] == [[0, 1]] * 2
    with pytest.raises(UsageError, match="neither tokens nor steps"):
        Paths.of(Target, LISTED)


def test_exact_values_are_those_of_every_output_that_may_follow():
    mean, soft = (exact_values(BASE, [A, B], LIKED, beta=beta) for beta in (None, BETA))
    assert (mean.kind, soft.kind) == ("mean", "soft")
    for context in (A, B):
        own = sorted({item for begun in Paths.of(BASE, BASE.support(context)).begun for item in begun}, key=words)
        np.testing.assert_allclose(mean.prefix(own).mean, [mean_of(item) for item in own], atol=1e-12)
        np.testing.assert_allclose(soft.prefix(own).mean, [soft_of(item) for item in own], atol=1e-12)
    np.testing.assert_allclose(soft(LISTED).mean, [liking(item) for item in LISTED])
    with pytest.raises(InputError, match="no output of the tree"):
        soft.prefix([Item.of("q", "c c")])


def test_exact_values_of_steps_are_those_of_dynamic_programming():
    world = ChainWorld(steps=3, problems=2, words=True, aftermath=1.0)
    right = Rule(lambda item: float(world.value([item])[0]), "right")
    value = exact_values(world.base(), world.contexts, right)
    items = [
        own for item in world.draw(40, rng=np.random.default_rng(0)) for own in Paths.of(world.base(), [item]).begun[0]
    ]
    np.testing.assert_allclose(value.prefix(items).mean, world.value(items), atol=1e-12)


def test_guided_by_exact_soft_values_the_law_is_the_target():
    value = exact_values(BASE, [A], LIKED, beta=BETA)
    term = 1 / BETA * value
    engine, target = Guided((ValueGuide(term),)), Target(BASE, term)
    assert engine.honesty == "exact"
    found = engine(target, [A] * 3000, budget=Budget(), rng=np.random.default_rng(0))
    listed = enumerate_exact(target, A)
    np.testing.assert_allclose(found.log_normalizer, listed.log_normalizer, atol=1e-9)
    np.testing.assert_allclose(value.prefix([Item(A)]).mean / BETA, listed.log_normalizer, atol=1e-12)
    count = np.array([found.items.count(item) for item in listed.items])
    assert np.abs(count / 3000 - listed.probability).max() < 5 * np.sqrt(0.25 / 3000)
    estimated = ValueTree.of(drawn(50), LIKED, beta=BETA, missing=0.0)
    assert Guided((ValueGuide(1 / BETA * estimated),)).honesty == "heuristic"


def test_roll_outs_are_without_bias_and_say_how_far_off_they_may_be():
    """Over many seeds the mean is the exact one, and squared standard errors are the variance, on average."""
    seeds, draws = 400, 6
    made = [Lookahead(LIKED, BASE, draws=draws, seed=seed) for seed in range(seeds)]
    own = sorted(PREFIXES, key=words)[:5]
    assert made[0].kind == "mean"
    told = np.array([value.prefix(own).mean for value in made])
    claimed = np.array([value.standard_error(own) for value in made])
    true = np.array([mean_of(item) for item in own])
    assert (np.abs(told.mean(axis=0) - true) < 4.5 * told.std(axis=0) / np.sqrt(seeds) + 1e-12).all()
    np.testing.assert_allclose((claimed**2).mean(axis=0), told.var(axis=0, ddof=1), rtol=0.3, atol=1e-12)


def test_soft_roll_outs_lie_below_by_what_is_said_and_their_exponential_is_without_bias():
    seeds, draws, beta = 800, 6, 0.7
    made = [Lookahead(LIKED, BASE, draws=draws, beta=beta, seed=seed) for seed in range(seeds)]
    root = [Item(A)]
    assert made[0].kind == "twist"
    told = np.array([value.prefix(root).mean[0] for value in made])
    p, score = after(root[0])
    weight = np.exp(score / beta)
    mean, variance = p @ weight, p @ weight**2 - (p @ weight) ** 2
    grown = np.exp(told / beta)
    assert abs(grown.mean() - mean) < 4 * grown.std() / np.sqrt(seeds)
    bias = -beta * variance / (2 * draws * mean**2)
    off, noise = told.mean() - soft_of(root[0], beta), told.std() / np.sqrt(seeds)
    assert off < -4 * noise
    assert abs(off - bias) < 4 * noise + 0.25 * abs(bias)
    claimed = np.array([value.standard_error(root)[0] for value in made[:300]])
    np.testing.assert_allclose(np.sqrt((claimed**2).mean()), told.std(), rtol=0.15)


def test_lookahead_is_greedy_by_hand_and_nothing_ahead_is_the_potential():
    near, far, none = (Lookahead(GUESS, BASE, tokens=tokens) for tokens in (1, 9, 0))
    b = Item.of("q", "b")
    assert near.prefix([b]).mean.tolist() == [0.5]  # "b c"
    assert near.prefix([Item.of("q", "a")]).mean.tolist() == [0.5]  # "a b"
    whole = Lookahead(LIKED, BASE)
    assert whole.prefix([b]).mean.tolist() == [liking(Item.of("q", "b c b"))]
    assert far.prefix([b]).mean.tolist() == [GUESS([Item.of("q", "b c b")]).mean[0]]
    np.testing.assert_allclose(none.prefix(PREFIXES).mean, GUESS.prefix(PREFIXES).mean)
    np.testing.assert_allclose(whole(LISTED).mean, LIKED(LISTED).mean)
    # The context, "b", and "c": after the third token nothing is read.
    assert whole.looked([b])[1] == 1 + 1 + 1
    assert Lookahead(LIKED, BASE, draws=5).looked([b, b])[1] <= 1 + 1 + 10


def test_looking_ahead_makes_log_z_less_uncertain_and_leaves_z_without_bias():
    """Where the score sees only whole outputs, and every word must be right."""
    base = SequenceTable({(): {"l": 0.6, "r": 0.4}}, max_tokens=6)
    all_l = Rule(lambda item: 5.0 * (words(item) == ["l"] * 6), "all l")
    nothing = PrefixValue(all_l, "twist")
    target, runs = Target(base, 1.0 * all_l), 150
    true = enumerate_exact(target, A).log_normalizer
    twists = {
        "so far": nothing,
        "two ahead": Lookahead(nothing, base, tokens=2),
        "greedy": Lookahead(all_l, base),
        "rolled": Lookahead(all_l, base, draws=6, beta=1.0),
        "exact": exact_values(base, [A], all_l, beta=1.0),
    }
    spread = {}
    for name, twist in twists.items():
        found = Particles(8, twist=twist)(target, [A] * runs, budget=Budget(), rng=np.random.default_rng(1))
        z = np.exp(found.log_normalizer - true)
        assert abs(z.mean() - 1) < 4 * z.std() / np.sqrt(runs), name
        spread[name] = found.log_normalizer.var()
    assert max(spread["two ahead"], spread["greedy"], spread["rolled"]) < 0.8 * spread["so far"]
    assert spread["exact"] < 0.6 * spread["so far"]


@pytest.mark.parametrize("trace", [0.0, 0.4, 1.0])
@pytest.mark.parametrize("beta", [None, BETA])
def test_with_a_column_a_prefix_every_trace_gives_the_averages_of_the_tree(trace, beta):
    paths = drawn(300)
    scores = LIKED(paths.items).mean
    own = [item for item in PREFIXES if ValueTree.of(paths, LIKED, missing=0.0).met([item])[0]]
    tree = ValueTree.of(paths, LIKED, beta=beta)
    value = LinearValue.fit(paths, scores, Onehot(), trace=trace, beta=beta, ridge=0.0, ending=LIKED)
    np.testing.assert_allclose(value.prefix(own).mean, tree.prefix(own).mean, atol=1e-7)
    assert value.kind == ("mean" if beta is None else "twist")
    np.testing.assert_allclose(value(LISTED).mean, LIKED(LISTED).mean)


def test_learnt_values_tend_to_the_exact_ones():
    for beta in (None, BETA):
        true = exact_values(BASE, [A], LIKED, beta=beta).prefix(PREFIXES).mean
        off = []
        for n in (300, 8_000):
            paths = drawn(n, seed=3)
            value = LinearValue.fit(paths, LIKED(paths.items).mean, Onehot(), trace=0.5, beta=beta, ridge=0.0)
            off.append(np.sqrt(np.mean((value.prefix(PREFIXES).mean - true) ** 2)))
        assert off[1] < 0.06
        assert off[1] < off[0] / 3


def test_differences_in_time_share_what_follows_the_same_state():
    """Where the future rests on the last word and place alone, bootstrapping beats least squares on final scores."""
    last = Rule(lambda item: {"a": 1.0, "b": -1.0}.get(words(item)[-1], 0.2), "last")
    long = SequenceTable({**FOLLOWING}, max_tokens=8)
    features = Onehot(state=True)
    features.cells = sorted({(place, *own) for place in range(9) for own in ((), ("a",), ("b",), ("c",))})
    features.names = tuple(map(str, features.cells))
    firsts = [Item.of("q", word) for word in "abc"]
    true = exact_values(long, [A], last).prefix(firsts).mean
    errors = {0.0: [], 1.0: []}
    for seed in range(40):
        paths = Paths.drawn(long, [A], 30, rng=np.random.default_rng(seed))
        for trace, own in errors.items():
            value = LinearValue.fit(paths, last(paths.items).mean, features, trace=trace, ridge=1e-6, ending=last)
            own.append(np.mean((value.prefix(firsts).mean - true) ** 2))
    gain = np.array(errors[1.0]) - np.array(errors[0.0])
    assert gain.mean() > 3 * gain.std() / np.sqrt(40)


def test_the_solver_is_that_of_boyan_and_at_one_least_squares():
    rng = np.random.default_rng(0)
    paths = [np.column_stack([rng.normal(size=(size, 2)), np.ones(size)]) for size in (1, 4, 2, 6, 3)]
    outcome = rng.normal(size=5)
    rows, scores = np.vstack(paths), np.repeat(outcome, [len(own) for own in paths])
    ridge = 0.3 * len(rows) * np.diag([1.0, 1.0, 0.0])
    np.testing.assert_allclose(lstd(paths, outcome, 1.0, 0.3), np.linalg.solve(rows.T @ rows + ridge, rows.T @ scores))
    for trace in (0.0, 0.6):
        left, right = ridge.copy(), np.zeros(3)
        for features, own in zip(paths, outcome, strict=True):
            z = np.zeros(3)
            for place, row in enumerate(features):
                z = trace * z + row
                ahead = features[place + 1] if place + 1 < len(features) else np.zeros(3)
                left += np.outer(z, row - ahead)
            right += z * own
        np.testing.assert_allclose(lstd(paths, outcome, trace, 0.3), np.linalg.solve(left, right))


def test_a_linear_value_stays_within_the_outcomes_and_says_where_it_would_not():
    class Length(Onehot):
        names = ("length",)

        def __init__(self):
            pass

        def encode(self, items):
            return np.array([[len(words(item)) ** 2] for item in items], float)

    paths = drawn(100)
    value = LinearValue.fit(paths, np.array([float(len(words(item)) > 2) for item in paths.items]), Length())
    far = [Item.of("q", "a " * 9)]
    assert value.prefix(far).mean.tolist() == [1.0]
    assert value.clipped(far) == 1.0
    assert value.clipped([Item(A)]) == 0.0


def test_autoregressive_rewards_are_soft_values_and_guide_to_the_policy():
    reward = ImplicitReward(TokenRatios(OTHER, BASE), BETA, "base")
    ratio = BETA * (OTHER.log_prob(LISTED) - BASE.log_prob(LISTED))
    np.testing.assert_allclose(reward(LISTED).mean, ratio, atol=1e-12)
    soft = exact_values(BASE, [A], reward, beta=BETA)
    np.testing.assert_allclose(reward.prefix(PREFIXES).mean, soft.prefix(PREFIXES).mean, atol=1e-12)
    target = enumerate_exact(Target(BASE, 1 / BETA * reward), A)
    np.testing.assert_allclose(target.probability, np.exp(OTHER.log_prob(target.items)), atol=1e-12)
    term = 1 / BETA * reward
    for guide in (ValueGuide(term), TokenGuide(OTHER, 1.0, BASE)):
        engine = Guided((guide,))
        found = engine(Target(BASE, term), [A] * 2000, budget=Budget(), rng=np.random.default_rng(0))
        count = np.array([found.items.count(item) for item in target.items])
        assert np.abs(count / 2000 - target.probability).max() < 5 * np.sqrt(0.25 / 2000)
    with pytest.raises(InputError, match="never writes"):
        ImplicitReward(TokenRatios(BASE, OTHER), 1.0)([Item.of("q", "a b")])
    with pytest.raises(UsageError, match="same tokens"):
        TokenRatios(BASE, SequenceTable({(): {"x": 0.5, "": 0.5}}, 2))


@pytest.mark.parametrize("how", ["outcome", "td", "tree", "roll-out"])
@pytest.mark.parametrize("beta", [None, BETA])
def test_fitted_values_come_close_and_their_foresight_is_measured_on_others(how, beta):
    n = 12 if how == "roll-out" else 800
    value, told = fit_values(
        BASE,
        [A],
        LIKED,
        how=how,
        n=n,
        features=Onehot(),
        beta=beta,
        ridge=0.0,
        rng=np.random.default_rng(0),
        held_out=[A] * 4,
    )
    true = exact_values(BASE, [A], LIKED, beta=beta).prefix(PREFIXES).mean
    assert np.abs(value.prefix(PREFIXES).mean - true).max() < (3.0 if how == "roll-out" else 0.6)
    assert told.place.tolist() == [0, 1, 2]
    assert told.count[0] == 4 * max(1, n // 4)
    assert (np.diff(told.count) <= 0).all()
    if how != "roll-out":
        assert np.isnan(told.correlation[0])
        assert told.error[0] == pytest.approx(1.0, abs=0.02)
        assert told.correlation[2] > 0.3
        assert told.error[2] < 0.9


def test_foresight_by_hand():
    paths = Paths.of(BASE, [Item.of("q", text) for text in ("a b a", "a", "b b b", "b a")])
    value = PrefixValue(Rule(lambda item: 1.0 if words(item)[:1] == ["b"] else 0.0, "b first"), "mean")
    told = foresight(value, paths, np.array([0.0, 0.5, 2.0, 1.0]))
    assert told.trivial == 0.875
    assert told.count.tolist() == [4, 4, 3]
    came = np.array([0.0, 0.5, 2.0, 1.0])
    assert told.correlation[1] == pytest.approx(np.corrcoef([0, 0, 1, 1], came)[0, 1])
    assert told.error[1] == pytest.approx((0.25 + 1.0) / ((came - 0.875) ** 2).sum())
    assert np.isnan(told.correlation[0])
    soft = foresight(value, paths, came, beta=2.0)
    assert soft.trivial == pytest.approx(np.exp((came - 2) / 2).mean())


def test_wrong_use_is_said():
    paths, rng = drawn(5), np.random.default_rng(0)
    for options in ({"trace": 2.0}, {"ridge": -1.0}, {"beta": 0.0}):
        with pytest.raises(UsageError, match="trace"):
            LinearValue.fit(paths, np.zeros(5), Onehot(), **options)
    for scores in (np.full(5, -np.inf), np.zeros(4)):
        with pytest.raises(InputError, match="finite score"):
            LinearValue.fit(paths, scores, Onehot())
    for options in ({"tokens": 1}, {"draws": -1}, {"beta": 0.0}):
        with pytest.raises(UsageError):
            Lookahead(LIKED, BASE, **options)
    with pytest.raises(UsageError, match="no spread"):
        Lookahead(LIKED, BASE, draws=1).standard_error([Item(A)])
    with pytest.raises(UsageError, match="no way"):
        fit_values(BASE, [A], LIKED, how="magic", rng=rng)
    with pytest.raises(UsageError, match="needs features"):
        fit_values(BASE, [A], LIKED, rng=rng)
    with pytest.raises(UsageError, match="token by token"):
        fit_values(ChainWorld(steps=2).base(), [A], LIKED, how="roll-out", rng=rng)
