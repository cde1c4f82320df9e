"""Rewards on features: heads fitted to comparisons and ratings of encoded outputs, behind one interface.

>>> from heedful.preference.heads import Calibrated, Linear
>>> fitted = Calibrated(Linear()).fit(design, votes, rng=rng)  # doctest: +SKIP
>>> fitted.prefer(features_of_first, features_of_second)  # doctest: +SKIP

PyTorch is needed to train `Networks`, `Epinet` and `Aspects` alone, and imported then; no fitted head needs it.
"""

from heedful.preference.heads.aspects import Aspects
from heedful.preference.heads.base import FittedHead, Gap, Head
from heedful.preference.heads.calibration import (
    Calibrated,
    FittedCalibrated,
    Report,
    calibration_report,
    cross_fit,
)
from heedful.preference.heads.composed import Routed, Staged
from heedful.preference.heads.concepts import Concepts
from heedful.preference.heads.criteria import Crossing
from heedful.preference.heads.epinet import Epinet
from heedful.preference.heads.linear import Linear
from heedful.preference.heads.networks import Networks
from heedful.preference.heads.noise import FlipNoise, Voted
from heedful.preference.heads.posterior import HeadPosterior
from heedful.preference.heads.process import GaussianProcess
from heedful.preference.heads.saved import load_head
from heedful.preference.heads.training import Schedule
from heedful.preference.heads.votes import Ratings, Votes

__all__ = [
    "Aspects",
    "Calibrated",
    "Concepts",
    "Crossing",
    "Epinet",
    "FittedCalibrated",
    "FittedHead",
    "FlipNoise",
    "Gap",
    "GaussianProcess",
    "Head",
    "HeadPosterior",
    "Linear",
    "Networks",
    "Ratings",
    "Report",
    "Routed",
    "Schedule",
    "Staged",
    "Voted",
    "Votes",
    "calibration_report",
    "cross_fit",
    "load_head",
]
