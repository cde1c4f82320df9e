"""Who can be asked: what an hour of theirs costs, how many questions they take, and what their answers are worth."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from heedful.core import Floats, InputError
from heedful.elicitation.kinds import AnswerLaw

if TYPE_CHECKING:
    from heedful.preference.raters_posterior import RaterPosterior


@dataclass(frozen=True)
class Respondent:
    """Somebody who can be asked.

    id          as in the feedback; None: anyone
    price       cost of a unit of a question's own cost (money per second, where questions cost seconds)
    capacity    the most questions they take; None: no limit
    attention   share of the questions that they attend to; the others they answer blindly, as if all items were alike
    sharpness   multiplies utilities in the answers that they attend to; below 0 they prefer the worse
    deviation   standard deviation, in nats, of how far what they want of an item lies from what people want of it
    """

    id: str | None = None
    price: float = 1.0
    capacity: int | None = None
    attention: float = 1.0
    sharpness: float = 1.0
    deviation: float = 0.0

    def __post_init__(self) -> None:
        allowed = {
            "a price above 0": 0 < self.price < np.inf,
            "an attention in [0, 1]": 0 <= self.attention <= 1,
            "a finite sharpness": np.isfinite(self.sharpness),
            "a finite deviation of 0 or more": 0 <= self.deviation < np.inf,
            "a capacity of 0 or more": self.capacity is None or self.capacity >= 0,
        }
        for rule, kept in allowed.items():
            if not kept:
                raise InputError(f"a respondent has {rule}", where=f"Respondent {self.id}")

    def answering(self, law: AnswerLaw) -> AnswerLaw:
        """How this one answers what people answer by `law`: w p(a u) + (1 − w) p(0), attention w and sharpness a."""

        def own(utilities: Floats) -> Floats:
            attended = law(self.sharpness * utilities)
            if self.attention == 1:
                return attended
            return self.attention * attended + (1 - self.attention) * law(np.zeros_like(utilities))

        return own


def respondents(
    fitted: RaterPosterior, *, price: float | Mapping[str, float] = 1.0, capacity: int | Mapping[str, int] | None = None
) -> tuple[Respondent, ...]:
    """The raters that `fit_raters` knows, with their reliability; prices and capacities are one for all or by id.

    Under the lapse model a signed attention t enters the probability of a decided answer linearly, so that its
    posterior mean is all that counts. Under the sharpness model answers are read at the mean sharpness. Raises
    InputError for a rater without a price.
    """
    lapse = fitted.model["rater_model"] == "lapse"
    found = []
    for rater in fitted.raters:
        value = rater.reliability.value
        if isinstance(price, Mapping) and rater.id not in price:
            raise InputError(f"no price for {rater.id!r}", where="respondents", fix="name one, or give one for all")
        found.append(
            Respondent(
                rater.id,
                price[rater.id] if isinstance(price, Mapping) else price,
                capacity.get(rater.id) if isinstance(capacity, Mapping) else capacity,
                min(abs(value), 1.0) if lapse else 1.0,
                float(np.sign(value)) if lapse else value,
            )
        )
    return tuple(found)
