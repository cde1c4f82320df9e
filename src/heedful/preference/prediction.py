"""What a posterior says about judgements it has not seen."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from scipy import sparse
from scipy.special import xlog1py, xlogy

from heedful.core import Floats
from heedful.feedback import Table
from heedful.preference.choices import ChoiceModel
from heedful.preference.grades import GradeModel
from heedful.preference.instruments import judged_kind, sort_of
from heedful.preference.observations import Comparisons, Grades, Indices, Instrument, Observations, Selections, observe
from heedful.preference.pairs import PairModel
from heedful.preference.reading import Reading

if TYPE_CHECKING:
    from heedful.preference.posterior import FittedPosterior

# Votes handled at once: bounds the memory of draws x votes x outcomes.
_BLOCK = 256
# Draws x pairs averaged over; beyond, draws are left out.
_MOST = 50_000_000
_UNKNOWN_ITEM = "an item the fit has not seen"
_UNKNOWN_OUTCOME = "an outcome the fit has not seen"
_UNKNOWN_INSTRUMENT = "a scale or kind the fit has not seen"


@dataclass(frozen=True)
class Prediction:
    """What was predicted for each row of a table [n].

    `log_prob` is the log-probability (nats) of the recorded outcome, NaN where the row cannot be predicted.
    `probability` is P(first wins | decided) for comparisons, P(yes) for labels, NaN otherwise; `outcome` 1.0 (first,
    yes), 0.0 (second, no), NaN for ties and other kinds. All are averages over the posterior's draws. `unpredicted`
    counts rows without a log-probability, by reason.
    """

    log_prob: Floats
    probability: Floats
    outcome: Floats
    unpredicted: dict[str, int] = field(default_factory=dict)


def predict(posterior: FittedPosterior, table: Table) -> Prediction:
    """Predict every row of a table.

    The log-probability of a vote with a share s for the first is, as in fitting, s log p + (1 − s) log(1 − p)
    with p = P(first wins | decided); its outcome is its choice.
    """
    identity, apart = posterior.utility.identity, posterior.model.get("judges")
    by_pace = posterior.model.get("pace") == "apart"
    seen = observe(table, posterior.criterion, identity=identity, soft_votes=False, apart=apart, by_pace=by_pace)
    result = _Rows(len(table), seen)
    drawn, known = _utilities(posterior, seen, posterior.draws)
    for kind, votes in seen.instruments.items():
        reading = _reading(posterior, kind, votes)
        if reading is None:
            result.fail(votes.row, _UNKNOWN_INSTRUMENT)
            continue
        utilities = reading.discrimination[:, None] * drawn
        if reading.deviation.shape[1]:
            utilities = utilities + _utilities(posterior, seen, reading.deviation)[0]
        if isinstance(votes, Comparisons):
            result.comparisons(
                votes, reading, utilities, known, by_sign=("degree" in kind) != ("degree" in reading.kind)
            )
        elif isinstance(votes, Grades):
            result.grades(votes, reading, utilities, known, seen.raters)
        else:
            result.selections(votes, reading, utilities, known)
    result.shares(table.column("share").cast(float).to_numpy())
    return result.done()


class _Rows:
    """The arrays under construction."""

    def __init__(self, n: int, seen: Observations) -> None:
        self.log_prob, self.probability, self.outcome = (np.full(n, np.nan) for _ in range(3))
        self.unpredicted = dict(seen.excluded)

    def done(self) -> Prediction:
        return Prediction(self.log_prob, self.probability, self.outcome, self.unpredicted)

    def fail(self, rows: Indices, reason: str) -> None:
        number = len(np.unique(rows))
        if number:
            self.unpredicted[reason] = self.unpredicted.get(reason, 0) + number

    def comparisons(
        self, votes: Comparisons, reading: Reading, utilities: Floats, known: np.ndarray, *, by_sign: bool
    ) -> None:
        """`by_sign`: only the votes have degrees, or only the reading, so degrees are ignored."""
        assert isinstance(reading.model, PairModel)
        decided = votes.outcome != 0
        self.outcome[votes.row[decided]] = (votes.outcome[decided] > 0).astype(np.float64)
        usable = known[votes.first] & known[votes.second]
        self.fail(votes.row[~usable], _UNKNOWN_ITEM)
        row, first, second, outcome = (a[usable] for a in (votes.row, votes.first, votes.second, votes.outcome))
        n, z = utilities.shape[1], reading.model.scores
        pairs, cell = np.unique(first * n + second, return_inverse=True)
        p = _pair_probabilities(reading, utilities, pairs // n, pairs % n)
        if by_sign:
            p = np.stack([p[np.sign(z) == sign].sum(axis=0) for sign in np.unique(np.sign(z))])
            z, outcome = np.unique(np.sign(z)), np.sign(outcome)
        won = p[z > 0].sum(axis=0)
        self.probability[row] = (won / (won + p[z < 0].sum(axis=0)))[cell]
        place = np.searchsorted(z, outcome).clip(max=len(z) - 1)
        possible = z[place] == outcome
        self.fail(row[~possible], _UNKNOWN_OUTCOME)
        self.log_prob[row[possible]] = np.log(p[place, cell])[possible]

    def shares(self, share: Floats) -> None:
        soft = np.flatnonzero(~np.isnan(share) & ~np.isnan(self.probability))
        p, s = self.probability[soft], share[soft]
        saved = int(np.isnan(self.log_prob[soft]).sum())
        if saved:  # ties, for which a fit to shares has no outcome of their own
            self.unpredicted[_UNKNOWN_OUTCOME] -= saved
            self.unpredicted = {reason: count for reason, count in self.unpredicted.items() if count}
        self.log_prob[soft] = xlogy(s, p) + xlog1py(1 - s, -p)

    def grades(
        self, votes: Grades, reading: Reading, utilities: Floats, known: np.ndarray, names: tuple[str, ...]
    ) -> None:
        assert isinstance(reading.model, GradeModel)
        usable = known[votes.item]
        self.fail(votes.row[~usable], _UNKNOWN_ITEM)
        row, item, value = votes.row[usable], votes.item[usable], votes.value[usable]
        rater = np.full(len(item), -1) if votes.rater is None or not reading.raters else votes.rater[usable]
        cells, place = np.unique(item * (len(names) + 1) + rater + 1, return_inverse=True)
        parts = [np.zeros((0, len(reading.model.upper)))]
        for block in _blocks(cells):
            items, who = np.divmod(block, len(names) + 1)
            thresholds = reading.thresholds([(None, *names)[code] for code in who])
            parts.append(np.exp(reading.model.log_prob(utilities[:, items], thresholds)).mean(axis=0))
        p = np.concatenate(parts)
        if sort_of(reading.kind)[0] == "label":
            self.outcome[votes.row] = votes.value
            self.probability[row] = p[place, -1]
        level = reading.model.level(value)
        impossible = np.isin(row, row[level < 0])
        self.fail(row[impossible], _UNKNOWN_OUTCOME)
        # A record may hold several grades (steps): its log-probability is their sum.
        rows, of = np.unique(row[~impossible], return_inverse=True)
        self.log_prob[rows] = np.bincount(of, np.log(p[place, level])[~impossible], len(rows))

    def selections(self, votes: Selections, reading: Reading, utilities: Floats, known: np.ndarray) -> None:
        assert isinstance(reading.model, ChoiceModel)
        rows, place = np.unique(votes.row, return_inverse=True)
        present = votes.members >= 0
        sizes, widths = votes.chosen.sum(axis=1), present.sum(axis=1)
        unknown = np.bincount(place, (present & ~known[votes.members]).any(axis=1)) > 0
        # A set too small for any order fitted leaves no choice; every other set could have been chosen from otherwise.
        odd = ~np.isin(sizes, reading.model.orders) & ((sizes < widths) | (widths >= reading.model.orders[0]))
        impossible = (np.bincount(place, odd) > 0) & ~unknown
        self.fail(rows[unknown], _UNKNOWN_ITEM)
        self.fail(rows[impossible], _UNKNOWN_OUTCOME)
        good = (~(unknown | impossible))[place] & np.isin(sizes, reading.model.orders)
        if not good.any():
            return
        nuisance, signs = reading.draws[:, None, :], votes.signs[:, None]
        per_stage = np.concatenate(
            [
                reading.model.log_prob(
                    np.where(present[block], signs[block] * utilities[:, votes.members[block]], -np.inf),
                    np.broadcast_to(votes.chosen[block].astype(np.float64), (len(utilities), *present[block].shape)),
                    np.broadcast_to(nuisance, (len(utilities), len(block), nuisance.shape[2])),
                )
                for block in _blocks(np.flatnonzero(good))
            ],
            axis=1,
        )
        used, group = np.unique(place[good], return_inverse=True)
        gather = sparse.csr_array((np.ones(len(group)), (group, np.arange(len(group)))), shape=(len(used), len(group)))
        per_row = gather @ per_stage.T
        top = per_row.max(axis=1)
        self.log_prob[rows[used]] = top + np.log(np.exp(per_row - top[:, None]).mean(axis=1))


def _utilities(posterior: FittedPosterior, seen: Observations, draws: Floats) -> tuple[Floats, np.ndarray]:
    """Utilities [k, m] of the items in a table by parameters [k, d], and which items are known."""
    from heedful.preference.utilities import FreeItems

    if isinstance(posterior.utility, FreeItems):
        where = posterior.utility.locate(seen.names)
        return draws[:, where], where >= 0
    return posterior.utility.evaluate(seen.items(), draws), np.ones(len(seen.names), bool)


def _pair_probabilities(reading: Reading, utilities: Floats, first: Indices, second: Indices) -> Floats:
    """P of every outcome [o, m], averaged over draws."""
    assert isinstance(reading.model, PairModel)
    kept = _thinned(len(utilities), len(first))
    nuisance = reading.draws[kept].T[:, :, None]
    parts = [np.zeros((len(reading.model.scores), 0))]
    for block in _blocks(np.arange(len(first))):
        difference = utilities[np.ix_(kept, first[block])] - utilities[np.ix_(kept, second[block])]
        parts.append(np.exp(reading.model.log_prob(difference, nuisance)).mean(axis=1))
    return np.concatenate(parts, axis=1)


def _thinned(draws: int, pairs: int) -> Indices:
    """The draws averaged over: all, but fewer (still mirrored about the mean) where there are very many pairs."""
    half = draws // 2
    kept = np.arange(0, half, max(1, draws * pairs // _MOST))
    return np.concatenate([kept, half + kept])


def _blocks(index: Indices) -> list[Indices]:
    return [index[begin : begin + _BLOCK] for begin in range(0, len(index), _BLOCK)]


def _reading(posterior: FittedPosterior, kind: str, votes: Instrument) -> Reading | None:
    """The instrument fitted, else the nearest of its sort without nuisance parameters; None for a scale never seen."""
    fitted = {reading.kind: reading for reading in posterior.readings}
    if kind in fitted:
        return fitted[kind]
    none, draws = np.zeros(0), np.zeros((len(posterior.draws), 0))
    sort, judge = sort_of(kind)
    beside = "comparison with degree" if sort == "comparison" else "comparison"
    other = fitted.get(judged_kind(beside, judge)) or fitted.get(sort) or fitted.get(beside)
    if isinstance(votes, Comparisons):
        return other or Reading(kind, PairModel(np.ones(1), False), none, draws)
    if isinstance(votes, Selections):
        return fitted.get(sort) or Reading(kind, ChoiceModel((1,)), none, draws)
    return fitted.get(sort)
