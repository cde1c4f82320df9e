"""003-005: ratings learnt as classes, by cross-entropy to smeared bins, in place of squared error."""

from __future__ import annotations

import numpy as np

from heedful.catalogue.entry import Entry
from heedful.catalogue.settings import small_networks, without_torch
from heedful.catalogue.verdicts import Check
from heedful.core import Floats
from heedful.preference.heads import Ratings, Votes
from heedful.preference.heads.rewards import Kind

_FEATURES = 4
_KINDS: dict[str, Kind] = {"squared error": "point", "bins": "bins"}
_RATERS = {
    "steady": "normal noise",
    "heavy": "noise of Student's t with two degrees of freedom",
    "drifting": "normal noise and a leniency that rises by 3 over time",
}


def miniature(seed: int, quick: bool) -> dict[str, float]:
    rng = np.random.default_rng([3005, seed])
    n = 100 if quick else 250
    line, bend = rng.normal(0, 0.5, (2, _FEATURES))

    def worth(x: Floats) -> Floats:
        return np.asarray(x @ line + 0.5 * (x @ bend) ** 2)

    x, fresh, rows = rng.normal(size=(n, _FEATURES)), rng.normal(size=(1000, _FEATURES)), np.arange(n)
    normal = 0.5 * rng.normal(size=n)
    noise = {
        "steady": normal,
        "heavy": 0.5 * rng.standard_t(2, size=n),
        "drifting": normal + 3 * (rng.permutation(n) / n - 0.5),
    }
    true, figures = worth(fresh), {}
    for raters, error in noise.items():
        value = worth(x) + error
        votes = Votes.rated(stars=Ratings(rows, value, rows))
        for name, kind in _KINDS.items():
            fitted = small_networks(kind, quick=quick).fit(x, votes, rng=rng)
            miss = value.mean() + value.std() * fitted.mean(fresh) - true
            figures[f"miss, {name}, {raters}"] = float(100 * np.sqrt((miss**2).mean()) / true.std())
    return figures


ENTRY = Entry(
    id="003-005",
    title="Stop Regressing: Training Value Functions via Classification for Scalable Deep RL",
    area="preference/control",
    citation="Farebrother et al. 2024",
    claim=(
        "250 ratings of answers whose worth is curved in four features. The mean of a head trained by cross-entropy "
        "to 31 smeared bins misses the worth of fresh answers by less than that of the same network trained by squared "
        "error, where noise has heavy tails and where raters grow more lenient over time; and by at most a tenth more "
        "where noise is normal."
    ),
    configuration="preference.heads.Networks of kind 'bins' (HL-Gauss) and 'point', fitted to ratings.",
    measures={
        f"miss, {name}, {raters}": (
            f"root mean squared miss of fresh answers' worth, per cent of its standard deviation, {name}; {what}"
        )
        for raters, what in _RATERS.items()
        for name in _KINDS
    },
    checks=(
        Check("miss, squared error, heavy", "miss, bins, heavy", above=0.0),
        Check("miss, squared error, drifting", "miss, bins, drifting", above=0.0),
        Check("miss, bins, steady", "miss, squared error, steady", factor=1.1, below=0.0),
    ),
    miniature=miniature,
    seeds=tuple(range(30)),
    beyond=(
        "From the work: 31 bins over three standard deviations to either side and a smear of 0.75 widths of a bin, the "
        "outer bins open. Values are rated once here, not bootstrapped, so that what is not stationary is the raters; "
        "and both heads are ensembles of four small networks, where the work's gains are in large ones."
    ),
    missing=without_torch,
)
