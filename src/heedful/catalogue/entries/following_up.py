"""004-024: how likely thanks and complaints are to follow, as a reward learnt from dialogues without labels."""

from __future__ import annotations

import numpy as np
from scipy.special import expit

from heedful.catalogue.entry import Entry
from heedful.catalogue.settings import compared, pairs, separation
from heedful.catalogue.verdicts import Check
from heedful.core import Floats, Item
from heedful.evidence import FollowUps
from heedful.models import SequenceTable
from heedful.preference.heads import Linear, Votes

_ANSWERS, _DIALOGUES, _COMPARISONS = 24, 600, (25, 100, 400)
_PLEASED = {"thanks": 0.5, "great": 0.3, "ok": 0.2}
_CROSS = {"no": 0.4, "wrong": 0.3, "ok": 0.3}
_SETS = {
    "one each": (("thanks",), ("no",)),
    "two each": (("thanks", "great"), ("no", "wrong")),
    "good alone": (("thanks", "great"), ()),
}


def miniature(seed: int, quick: bool) -> dict[str, float]:
    rng = np.random.default_rng([4024, seed])
    liking, silence = rng.normal(size=_ANSWERS), rng.uniform(0, 0.8, _ANSWERS)
    good = liking > np.median(liking)
    answers = [f"answer{number}" for number in range(_ANSWERS)]
    given = rng.integers(_ANSWERS, size=100 if quick else _DIALOGUES)
    said = [f"{answers[own]} {_follow(liking[own], silence[own], rng)}" for own in given]
    model = SequenceTable.from_texts(said, order=1, max_tokens=3, smoothing=0.2)
    items = [Item.of("please help", answer) for answer in answers]
    figures = {
        f"follow-ups, {name}": separation(FollowUps(model, *own)(items).mean, good) for name, own in _SETS.items()
    }
    for n in _COMPARISONS:
        figures[f"{n} comparisons"] = separation(_compared(liking, n, rng), good)
    return figures


def _follow(liking: float, silence: float, rng: np.random.Generator) -> str:
    """What the user says next, nothing where the answer invites no reply."""
    if rng.random() < silence:
        return ""
    words = _PLEASED if rng.random() < expit(2 * liking) else _CROSS
    return str(rng.choice(list(words), p=list(words.values())))


def _compared(liking: Floats, n: int, rng: np.random.Generator) -> Floats:
    """Utilities of all answers from n comparisons by people of temperature 1."""
    index = pairs(n, np.arange(_ANSWERS), rng)
    votes = compared(liking[index].ravel(), rng)
    head = Linear().fit(np.eye(_ANSWERS), Votes.of(index[:, 0], index[:, 1], votes), rng=rng)
    return head.mean(np.eye(_ANSWERS))


ENTRY = Entry(
    id="004-024",
    title="Aligning Language Models Using Follow-up Likelihood as Reward Signal",
    area="preference/feedback",
    citation="Zhang et al. 2024",
    claim=(
        "24 answers, liked more or less; users reply with thanks or complaints as they like them, or not at all, which "
        "depends on the answer too. A bigram model of 600 dialogues: mean log-likelihood of two good follow-ups less "
        "that of two bad ones tells the better half of answers from the worse one better than Bradley-Terry "
        "utilities from 100 comparisons do, by more than 2 points; it does so better than the good follow-ups alone, "
        "and than one follow-up of each sort."
    ),
    configuration=(
        "models.SequenceTable.from_texts on dialogues; evidence.FollowUps; preference.heads.Linear on comparisons."
    ),
    measures={
        "follow-ups, one each": "better answers scored above worse ones, per cent, by 'thanks' less 'no'",
        "follow-ups, two each": "the same, by 'thanks' and 'great' less 'no' and 'wrong'",
        "follow-ups, good alone": "the same, by 'thanks' and 'great'",
        **{f"{n} comparisons": f"the same, by utilities from {n} comparisons" for n in _COMPARISONS},
    },
    checks=(
        Check("follow-ups, two each", "100 comparisons", above=2.0),
        Check("follow-ups, two each", "follow-ups, good alone", above=0.0),
        Check("follow-ups, two each", "follow-ups, one each", above=0.0),
    ),
    miniature=miniature,
    beyond=(
        "The model is one of bigrams, so that a follow-up depends on the answer alone; the work's language models were "
        "not trained on replies to the answers they judge. The contrast is from the list of works, beyond the "
        "abstract. Preference pairs mined from the reward, and the fine-tuning of the scorer, are left out."
    ),
)
