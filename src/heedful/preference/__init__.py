"""From feedback to what people want: likelihoods, utilities, inference and the fitted posterior."""

from heedful.preference.counting import PairCounts, count, count_chunks, scan
from heedful.preference.covariate_rows import Rows, ScannedRows
from heedful.preference.covariates import CovariateRatings, rate_rows, rate_with_covariates
from heedful.preference.critiques import style_critiques
from heedful.preference.fitting import fit
from heedful.preference.implicit import fit_implicit
from heedful.preference.marks import Marked, fit_marks
from heedful.preference.observations import FITTED_KINDS
from heedful.preference.persistence import load
from heedful.preference.posterior import FittedPosterior
from heedful.preference.potential import PosteriorPotential
from heedful.preference.prediction import Prediction
from heedful.preference.raters import fit_raters
from heedful.preference.ratings import Ratings, rate, rate_counts

__all__ = [
    "FITTED_KINDS",
    "CovariateRatings",
    "FittedPosterior",
    "Marked",
    "PairCounts",
    "PosteriorPotential",
    "Prediction",
    "Ratings",
    "Rows",
    "ScannedRows",
    "count",
    "count_chunks",
    "fit",
    "fit_implicit",
    "fit_marks",
    "fit_raters",
    "load",
    "rate",
    "rate_counts",
    "rate_rows",
    "rate_with_covariates",
    "scan",
    "style_critiques",
]
