"""From feedback to what people want: likelihoods, utilities, inference and the fitted posterior."""

from heedful.preference.counting import PairCounts, count, count_chunks, scan
from heedful.preference.covariate_rows import Rows, ScannedRows
from heedful.preference.covariates import CovariateRatings, rate_rows, rate_with_covariates
from heedful.preference.critiques import style_critiques
from heedful.preference.direct import Direct
from heedful.preference.fitting import fit
from heedful.preference.gaussian import Gaussian
from heedful.preference.implicit import fit_implicit
from heedful.preference.marks import Marked, fit_marks
from heedful.preference.normal import Strengths, under_prior
from heedful.preference.observations import FITTED_KINDS
from heedful.preference.persistence import load
from heedful.preference.posterior import FittedPosterior
from heedful.preference.potential import PosteriorPotential
from heedful.preference.prediction import Prediction
from heedful.preference.propensities import asked_win_rate, rate_asked
from heedful.preference.raters import fit_raters
from heedful.preference.ratings import Ratings, rate, rate_counts
from heedful.preference.running import RunningLikelihood
from heedful.preference.sentiments import Lexicon, heard
from heedful.preference.skew import SkewGaussian
from heedful.preference.step_policies import fit_dpo, fit_imitation
from heedful.preference.token_rewards import fit_token_rewards
from heedful.preference.trust import trusted

__all__ = [
    "FITTED_KINDS",
    "CovariateRatings",
    "Direct",
    "FittedPosterior",
    "Gaussian",
    "Lexicon",
    "Marked",
    "PairCounts",
    "PosteriorPotential",
    "Prediction",
    "Ratings",
    "Rows",
    "RunningLikelihood",
    "ScannedRows",
    "SkewGaussian",
    "Strengths",
    "asked_win_rate",
    "count",
    "count_chunks",
    "fit",
    "fit_dpo",
    "fit_imitation",
    "fit_implicit",
    "fit_marks",
    "fit_raters",
    "fit_token_rewards",
    "heard",
    "load",
    "rate",
    "rate_asked",
    "rate_counts",
    "rate_rows",
    "rate_with_covariates",
    "scan",
    "style_critiques",
    "trusted",
    "under_prior",
]
