"""What people say of outputs, as sentiment about features: a belief about the weights of the features from it.

An utterance is read as aspects, each a feature with the sentiment that is voiced about it ("the red ones are great, but
the tower was a bad idea"). A sentiment is an observation of the part that the feature has in the utility; what an
utterance passes over in silence says that its part was hardly worth a word (after Sumers et al. 2021, "Learning rewards
from linguistic feedback": the literal and the pragmatic learner).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from heedful.core import Floats, InputError, UsageError
from heedful.preference.gaussian import Gaussian

WHOLE = ""
"""The aspect that is the output as a whole ("well done")."""

Aspects = Mapping[str, float]
"""The sentiment about each feature that an utterance speaks of, `WHOLE` among them where it speaks of the whole."""

Reader = Callable[[str], Aspects]

# Sentiment never reaches beyond the first, and beyond the second where either side voices some of its own.
_SENTENCE = re.compile(r"[.;!?\n]+|\b(?:but|although|though|while|whereas|however|yet)\b", re.IGNORECASE)
_PIECE = re.compile(r"[,:]+|\band\b", re.IGNORECASE)
_NOT = r"\b(?:not|never|no|hardly|[a-z]+n['’]?t)\s+(?:(?:at|all|so|very|really|a|an|that|too|as|the)\s+)*?"


@dataclass(frozen=True)
class Lexicon:
    """Aspects of an utterance by its words: in each clause, the mean sentiment of its words about the features named.

    features    of each feature, words that name it, as a regular expression
    sentiments  what words say, in any unit (that of utilities where beliefs are to be in nats); behind "not" the
                opposite

    Clauses end at stops, at "but" and its like, and between what voices sentiments at commas, colons and "and". One
    that names no feature is about the whole; one without sentiment says nothing. A feature, or the whole, of several
    clauses gets their mean. Words are whole, and case does not count. Irony and comparisons are beyond it: where these
    are, take a language model as the reader.
    """

    features: Mapping[str, str]
    sentiments: Mapping[str, float]

    def __post_init__(self) -> None:
        if WHOLE in self.features or not self.features or not self.sentiments:
            what = "a lexicon has named features and words of sentiment"
            raise UsageError(what, where="Lexicon", fix='such as {"length": "long|length"} and {"good": 1.0}')
        for name, words in self.features.items():
            try:
                re.compile(words)
            except re.error as error:
                raise UsageError(f"{words!r} is no regular expression ({error})", where=f"Lexicon, {name!r}") from error

    def __call__(self, utterance: str) -> dict[str, float]:
        voiced: dict[str, list[float]] = {}
        for clause, sentiment in self._clauses(utterance):
            for name in [name for name, words in self.features.items() if _said(words, clause)] or [WHOLE]:
                voiced.setdefault(name, []).append(sentiment)
        return {name: float(np.mean(own)) for name, own in voiced.items()}

    def _clauses(self, utterance: str) -> Iterator[tuple[str, float]]:
        """Clauses with their sentiments: a piece that voices none is read with the next, the last with that before."""
        for sentence in _SENTENCE.split(utterance):
            clauses, pending = list[tuple[str, float]](), ""
            for piece in _PIECE.split(sentence):
                pending = f"{pending} {piece}"
                if (sentiment := self._sentiment(pending)) is not None:
                    clauses.append((pending, sentiment))
                    pending = ""
            if clauses:
                clauses[-1] = (clauses[-1][0] + pending, clauses[-1][1])
            yield from clauses

    def _sentiment(self, clause: str) -> float | None:
        found = self._pattern.finditer(clause)
        values = [(-1 if own["no"] else 1) * self._by_word[own["word"].lower()] for own in found]
        return float(np.mean(values)) if values else None

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        words = "|".join(map(re.escape, sorted(self.sentiments, key=len, reverse=True)))
        return re.compile(rf"(?P<no>{_NOT})?\b(?P<word>{words})\b", re.IGNORECASE)

    @cached_property
    def _by_word(self) -> dict[str, float]:
        return {word.lower(): value for word, value in self.sentiments.items()}


def _said(words: str, clause: str) -> bool:
    return re.search(rf"\b(?:{words})\b", clause, re.IGNORECASE) is not None


def heard(
    belief: Gaussian,
    said: Aspects,
    features: Floats,
    names: Sequence[str],
    *,
    noise: float,
    silence: float | None = None,
) -> Gaussian:
    """The belief about weights w [d] after an utterance about an output with these `features` x [d], called `names`.

    A sentiment y about feature f is x_f w_f + N(0, `noise`²), one about the whole x · w + N(0, `noise`²): Bayesian
    linear regression, exact. Features with ones in place of x read an utterance as about features at large.

    silence: None for a literal reading. Else who spoke is taken to mention f with probability
    1 − exp(−(x_f w_f)² / 2 `silence`²): parts in the utility well below `silence` are passed over. That f was not
    mentioned is then exactly an observation of x_f w_f = 0 with noise `silence`. That f was, is no Gaussian evidence:
    it gives the Gaussian of the same mean and covariance. Where no feature was spoken of, silence says nothing.

    Raises UsageError for an aspect that is no feature and widths that are not above 0, InputError for features that are
    not finite, not of the belief's size or of one name, and for a mention of what is known to have no part.
    """
    x = np.asarray(features, dtype=np.float64)
    _check(belief, said, x, names, noise, silence)
    for name, sentiment in said.items():
        along = x if name == WHOLE else _part(x, names.index(name))
        belief = belief.given(along, sentiment, noise)
    if silence is None or said.keys() <= {WHOLE}:
        return belief
    # What is Gaussian comes first, so that what is not meets a belief as narrow as can be.
    for f in [f for f, name in enumerate(names) if name not in said]:
        belief = belief.given(_part(x, f), 0.0, silence)
    for f in [f for f, name in enumerate(names) if name in said and x[f] != 0]:
        belief = _worth_a_word(belief, _part(x, f), silence)
    return belief


def _part(x: Floats, f: int) -> Floats:
    """What takes weights to the part of one feature in the utility."""
    along = np.zeros(len(x))
    along[f] = x[f]
    return along


def _worth_a_word(belief: Gaussian, along: Floats, silence: float) -> Gaussian:
    """The mean and covariance of N(m, C) times 1 − exp(−(a·w)² / 2 s²), as a Gaussian: assumed-density filtering.

    The product is N less Z times the belief after a·w = 0 was seen with noise s, Z = E exp(−(a·w)² / 2 s²).
    """
    quiet = belief.given(along, 0.0, silence)
    variance = float(along @ belief.covariance @ along) + silence**2
    log_share = np.log(silence) - 0.5 * (np.log(variance) + float(along @ belief.mean) ** 2 / variance)
    spoken = -np.expm1(log_share)
    if not spoken > 0:
        what = "something was mentioned whose part is known to be nothing"
        raise InputError(what, where="heard", fix="leave it some doubt, or read literally (silence=None)")
    ratio = np.exp(log_share) / spoken
    # Both moments move along C a alone; written as changes, they keep their digits where the change is small.
    step = belief.mean - quiet.mean
    narrowing = belief.covariance - quiet.covariance
    covariance = belief.covariance + ratio * narrowing - ratio / spoken * np.outer(step, step)
    return Gaussian(belief.mean + ratio * step, covariance)


def _check(
    belief: Gaussian, said: Aspects, x: Floats, names: Sequence[str], noise: float, silence: float | None
) -> None:
    if unknown := sorted(set(said) - {*names, WHOLE}):
        what = f"there is no feature {unknown[0]!r} to be spoken of"
        raise UsageError(what, where="said", fix=f"one of {', '.join(names)}, or '' for the whole")
    if x.shape != belief.mean.shape or not len(set(names)) == len(names) == len(x) or not np.isfinite(x).all():
        what = f"finite features and different names of {len(belief.mean)} weights are needed"
        raise InputError(what, where="features")
    if not all(np.isfinite(own) for own in said.values()):
        raise InputError(f"sentiments are finite numbers, not {dict(said)}", where="said")
    for name, width in (("noise", noise), ("silence", silence)):
        if width is not None and not 0 < width < np.inf:
            raise UsageError(f"a width is above 0 and finite, not {width}", where=name)
