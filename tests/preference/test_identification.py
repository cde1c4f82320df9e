"""What votes can determine, checked against definitions, closed cases and linear programs over all directions."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy.optimize import linprog

from heedful.feedback import Table
from heedful.preference import fit
from heedful.preference.fitting import build
from heedful.preference.identification import ALONE, ISLAND, SEPARATED, UNDEFEATED, UNSETTLED, WINLESS, identify
from heedful.preference.inference import Problem, maximise
from heedful.preference.observations import observe
from heedful.preference.pairs import Pairs

from .votes import comparisons, record


def notes(table: Table, **options: object) -> dict[str, str]:
    posterior = fit(table, **options)  # type: ignore[arg-type]
    return dict(zip(posterior.names, posterior.notes, strict=True))


def codes(table: Table) -> set[str]:
    return {finding.code for finding in fit(table).findings}


def test_one_record_places_nothing() -> None:
    table = comparisons([("a", "b", "first")])
    assert notes(table) == {"a": UNDEFEATED, "b": WINLESS}
    assert "ranking.nothing_identified" in codes(table)
    posterior = fit(table)
    assert posterior.covariance is not None
    assert np.isnan(posterior.covariance).all()


def test_one_label_of_one_item_places_nothing() -> None:
    posterior = fit(Table.of([record("label", ["a"], label=True), record("label", ["a"], label=False)]))
    assert posterior.notes == (ALONE,)


def test_all_ties_place_nothing() -> None:
    table = comparisons([("a", "b", "tie"), ("b", "c", "tie")])
    assert set(notes(table).values()) == {ALONE}
    assert {"fit.all_alike", "ranking.nothing_identified"} <= codes(table)


def test_undefeated_and_winless_items_leave_the_rest_exact() -> None:
    core = [("a", "b", "first"), ("b", "a", "first"), ("a", "b", "first"), ("b", "c", "first"), ("c", "a", "first")]
    table = comparisons([*core, ("top", "a", "first"), ("top", "b", "first"), ("c", "low", "first")])
    assert notes(table) == {"a": "", "b": "", "c": "", "top": UNDEFEATED, "low": WINLESS}
    whole, alone = fit(table), fit(comparisons(core))
    np.testing.assert_allclose(whole.mean[:3], alone.mean, atol=1e-9)
    assert {"ranking.undefeated", "ranking.winless"} <= codes(table)
    # The wide prior puts them where they belong, so that they can be asked about.
    where = dict(zip(whole.names, whole.mean, strict=True))
    assert where["top"] > max(whole.mean[:3])
    assert where["low"] < min(whole.mean[:3])


def test_islands() -> None:
    big = [("a", "b", "first"), ("b", "a", "first"), ("b", "c", "first"), ("c", "b", "first")]
    small = [("x", "y", "first"), ("y", "x", "first")]
    assert notes(comparisons(big + small)) == {"a": "", "b": "", "c": "", "x": ISLAND, "y": ISLAND}


def test_groups_joined_one_way_only_are_separated() -> None:
    group = [("a", "b", "first"), ("b", "a", "first"), ("b", "c", "first"), ("c", "b", "first")]
    below = [("x", "y", "first"), ("y", "x", "first"), ("a", "x", "first")]
    assert notes(comparisons(group + below)) == {"a": "", "b": "", "c": "", "x": SEPARATED, "y": SEPARATED}


def test_a_win_and_a_tie_have_no_davidson_maximum_but_a_half_win_one() -> None:
    table = comparisons([("a", "b", "first"), ("a", "b", "tie")])
    assert notes(table) == {"a": UNSETTLED, "b": UNSETTLED}
    half = fit(table, ties="half")
    assert half.identified.all()
    # 1.5 wins to 0.5: a log-odds of ln 3.
    assert half.mean[0] - half.mean[1] == pytest.approx(np.log(3), abs=1e-12)


def test_ties_can_settle_a_ranking_without_a_cycle_of_wins() -> None:
    """a beat b, b beat c, a tied with c: no direction raises every vote, though no item is beaten in a circle."""
    assert set(notes(comparisons([("a", "b", "first"), ("b", "c", "first"), ("a", "c", "tie")])).values()) == {""}


def test_a_slight_win_bounds_from_both_sides_where_strong_ones_occur() -> None:
    """c never won; but it lost slightly where losing strongly was possible, which it would have done from far below."""
    votes = [("a", "b", "first"), ("b", "a", "first"), ("a", "b", "first"), ("a", "c", "first")]
    assert notes(comparisons(votes, degree=[2.0, 1.0, 1.0, 1.0])) == {"a": "", "b": "", "c": ""}
    assert notes(comparisons(votes, degree=[2.0, 1.0, 1.0, 2.0])) == {"a": "", "b": "", "c": WINLESS}


def test_ratings_connect_items_through_thresholds() -> None:
    def rating(item: str, value: float) -> object:
        return record("rating", [item], rating=value, scale=(1.0, 3.0))

    mixed = [rating("a", 1), rating("a", 3), rating("b", 2), rating("b", 1), rating("b", 3), rating("c", 3)]
    assert notes(Table.of(mixed)) == {"a": "", "b": "", "c": UNDEFEATED}  # type: ignore[arg-type]


def test_labels_all_yes_for_one_and_all_no_for_the_other() -> None:
    votes = [record("label", ["a"], label=True)] * 3 + [record("label", ["b"], label=False)] * 3
    assert notes(Table.of(votes)) == {"a": UNDEFEATED, "b": WINLESS}


def test_kinds_together_identify_what_neither_does_alone() -> None:
    wins = [record("comparison", ["a", "b"], choice="first")] * 2
    ratings = [record("rating", [s], rating=r, scale=(1.0, 5.0)) for s, r in (("b", 4.0), ("a", 2.0))]
    assert set(notes(Table.of(wins)).values()) == {UNDEFEATED, WINLESS}
    assert set(notes(Table.of(wins + ratings)).values()) == {""}


def test_best_of_and_rankings_are_edges_to_every_item_left() -> None:
    best = record("best_of", ["a", "b", "c"], best=0)
    assert notes(Table.of([best])) == {"a": UNDEFEATED, "b": WINLESS, "c": WINLESS}
    circle = [
        record("ranking", order, ranks=[1, 2, 3]) for order in (["a", "b", "c"], ["b", "c", "a"], ["c", "a", "b"])
    ]
    assert set(notes(Table.of(circle)).values()) == {""}


def _exists_by_programs(pairs: Pairs, n: int) -> bool:
    """Whether a maximum exists, by definition: every direction but the gauge loses on some vote."""
    z, levels = pairs.model.scores, pairs.model.levels
    rows = []
    for outcome, cell in zip(*np.nonzero(pairs.counts), strict=True):
        for other in range(len(z)):
            row = np.zeros(n + levels.shape[1])
            row[pairs.first[cell]] += (z[other] - z[outcome]) / 2
            row[pairs.second[cell]] -= (z[other] - z[outcome]) / 2
            row[n:] += levels[other] - levels[outcome]
            rows.append(row)
    constraints = np.array(rows)
    gauge = np.append(np.ones(n), np.zeros(levels.shape[1]))[None]
    for column, sign in itertools.product(range(constraints.shape[1]), (1.0, -1.0)):
        goal = np.zeros(constraints.shape[1])
        goal[column] = -sign
        found = linprog(goal, constraints, np.zeros(len(constraints)), gauge, [0.0], bounds=(-1, 1))
        if -found.fun > 1e-7:
            return False
    return True


@pytest.mark.parametrize("seed", range(60))
def test_identified_wholly_exactly_where_a_maximum_exists(seed: int) -> None:
    rng = np.random.default_rng(seed)
    n, votes = int(rng.integers(2, 5)), int(rng.integers(2, 9))
    choices = rng.choice(["first", "second", "tie"], size=votes, p=[0.35, 0.3, 0.35])
    rows = []
    for choice in choices:
        a, b = rng.choice(n, size=2, replace=False)
        rows.append((str(a), str(b), str(choice)))
    degree = (
        None
        if seed % 2
        else [float(d) if c != "tie" else None for d, c in zip(rng.integers(1, 3, votes), choices, strict=True)]
    )
    table = comparisons(rows, **({} if degree is None else {"degree": degree}))
    observations = observe(table, "overall")
    likelihoods, n = build(observations), len(observations.names)
    if len(likelihoods) != 1:
        return
    assert isinstance(likelihoods[0], Pairs)
    found = identify(likelihoods, n)
    assert (len(found.kept) == n) == _exists_by_programs(likelihoods[0], n)
    if len(found.kept):
        # The set kept has a maximum of its own, which Newton's method reaches.
        optimum = maximise(Problem(found.likelihoods, len(found.kept)))
        assert optimum.converged
        assert np.abs(optimum.point.gradient).max() < 1e-8


def test_no_rater_and_one_rater_only() -> None:
    votes = [("a", "b", "first"), ("b", "a", "first"), ("a", "b", "first")] * 4
    posterior = fit(comparisons(votes, rater=["only"] * len(votes)))
    assert posterior.identified.all()
    assert posterior.model["clusters"] == {"rater": 1}
    assert "speak for this rater alone" in " ".join(finding.message for finding in posterior.findings)
