"""The words this report uses."""

from __future__ import annotations

from heedful.report.markup import Markup, tag
from heedful.report.sections.common import section

_WORDS: tuple[tuple[str, str], ...] = (
    (
        "Judgement",
        "One record of feedback: a comparison, ranking, rating, thumb, or another kind. A vote is a "
        "judgement that can name a winner.",
    ),
    ("Decided vote", "A vote that names a winner: no tie, no “both bad”."),
    (
        "Score",
        "How strongly an item is preferred, on the scale of log-odds. Only differences of scores mean "
        "something; 0 is the average.",
    ),
    (
        "Interval",
        "A range that holds the true value as often as it promises. A 95% confidence interval: if the "
        "same amount of feedback were collected again and again, 95% of the intervals found this way "
        "would hold the true value. A 95% credible interval: given the model and its prior, the true "
        "value lies inside with probability 95%. An interval that promises “at least” holds the true "
        "value that often or more.",
    ),
    ("Rank range", "The ranks that the judgements leave open for an item."),
    (
        "Identified",
        "An item is identified if the feedback determines its score. An item that never lost, or "
        "that was never compared with the rest, is not.",
    ),
    (
        "Held-out judgements",
        "Judgements kept from the model while it was fitted, and used to test it. All "
        "judgements of one context are kept together.",
    ),
    (
        "Control",
        "A predictor that knows nothing about quality, such as “the longer answer wins”. Fitted "
        "preferences that do not beat it have learned nothing more.",
    ),
    (
        "Calibration",
        "Probabilities are calibrated if things said to have a 70% chance come true 70% of the "
        "time. The expected calibration error is the mean distance from that, corrected for the "
        "error that chance alone makes.",
    ),
    (
        "Log loss",
        "The mean of minus the logarithm of the probability given to what happened. It rewards being "
        "right and being honest about doubt.",
    ),
    ("Nat", "The unit of information with natural logarithms. One nat is 1.44 bits."),
    (
        "Krippendorff’s alpha",
        "Agreement between raters beyond chance: 1 is perfect, 0 is what chance gives, below 0 is worse than chance.",
    ),
    (
        "Cluster",
        "Votes that share a context or a rater and so may err together. Intervals that allow for it are "
        "wider, and right.",
    ),
)


def glossary(_summary: object = None) -> Markup:
    """Definitions in plain words."""
    entries = ((tag("dt", word, id=f"word-{word.split()[0].lower()}"), tag("dd", meaning)) for word, meaning in _WORDS)
    return section("glossary", "Words used here", tag("dl", entries, class_="glossary"))
