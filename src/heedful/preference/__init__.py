"""From feedback to what people want: likelihoods, utilities, inference and the fitted posterior."""

from heedful.preference.counting import PairCounts, count, count_chunks, scan
from heedful.preference.critiques import style_critiques
from heedful.preference.direct import Direct
from heedful.preference.fitting import fit
from heedful.preference.implicit import fit_implicit
from heedful.preference.marks import Marked, fit_marks
from heedful.preference.normal import Strengths, under_prior
from heedful.preference.observations import FITTED_KINDS
from heedful.preference.persistence import load
from heedful.preference.posterior import FittedPosterior, PosteriorPotential
from heedful.preference.prediction import Prediction
from heedful.preference.raters import fit_raters
from heedful.preference.ratings import Ratings, rate, rate_counts
from heedful.preference.running import RunningLikelihood

__all__ = [
    "FITTED_KINDS",
    "Direct",
    "FittedPosterior",
    "Marked",
    "PairCounts",
    "PosteriorPotential",
    "Prediction",
    "Ratings",
    "RunningLikelihood",
    "Strengths",
    "count",
    "count_chunks",
    "fit",
    "fit_implicit",
    "fit_marks",
    "fit_raters",
    "load",
    "rate",
    "rate_counts",
    "scan",
    "style_critiques",
    "under_prior",
]
