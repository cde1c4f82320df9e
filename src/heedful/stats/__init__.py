"""Intervals, tests, calibration, scoring rules, sequential inference and resampling; knows nothing of feedback."""

from heedful.stats.betting import Capital, closed_rejections, coin_capital
from heedful.stats.bounded import Bets, bounded_interval
from heedful.stats.calibration import (
    CalibrationError,
    ReliabilityBin,
    apply_temperature,
    equal_mass_bins,
    expected_calibration_error,
    reliability_curve,
    softmax_temperature,
    temperature,
)
from heedful.stats.clusters import Grouping, MeanVariance, clustered_meat, mean_variance
from heedful.stats.intervals import (
    MIN_CLUSTERS,
    clopper_pearson,
    mean_estimate,
    paired_difference,
    proportion,
    wilson,
)
from heedful.stats.krippendorff import krippendorff_alpha
from heedful.stats.least import least_enough
from heedful.stats.misread import corrected_proportion
from heedful.stats.ranks import rank_intervals
from heedful.stats.resampling import cluster_bootstrap, mcnemar, percentile_interval, permutation_test, sign_flip_test
from heedful.stats.scoring import accuracy, brier, log_loss, overlap
from heedful.stats.sequential import confidence_sequence, difference_sequence, e_process
from heedful.stats.signs import SignTest

__all__ = [
    "MIN_CLUSTERS",
    "Bets",
    "CalibrationError",
    "Capital",
    "Grouping",
    "MeanVariance",
    "ReliabilityBin",
    "SignTest",
    "accuracy",
    "apply_temperature",
    "bounded_interval",
    "brier",
    "clopper_pearson",
    "closed_rejections",
    "cluster_bootstrap",
    "clustered_meat",
    "coin_capital",
    "confidence_sequence",
    "corrected_proportion",
    "difference_sequence",
    "e_process",
    "equal_mass_bins",
    "expected_calibration_error",
    "krippendorff_alpha",
    "least_enough",
    "log_loss",
    "mcnemar",
    "mean_estimate",
    "mean_variance",
    "overlap",
    "paired_difference",
    "percentile_interval",
    "permutation_test",
    "proportion",
    "rank_intervals",
    "reliability_curve",
    "sign_flip_test",
    "softmax_temperature",
    "temperature",
    "wilson",
]
