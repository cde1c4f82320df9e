"""From feedback to what people want: likelihoods, utilities, inference and the fitted posterior."""

from heedful.preference.critiques import style_critiques
from heedful.preference.fitting import fit
from heedful.preference.observations import FITTED_KINDS
from heedful.preference.persistence import load
from heedful.preference.posterior import FittedPosterior, PosteriorPotential
from heedful.preference.prediction import Prediction

__all__ = ["FITTED_KINDS", "FittedPosterior", "PosteriorPotential", "Prediction", "fit", "load", "style_critiques"]
