"""People differ: groups by mixture, personal effects, and outcomes that compare with an absolute standard."""

from heedful.preference.people.choosing import Chosen, Differing, choose_groups, held_out_by_rater, people_differ
from heedful.preference.people.groups import Groups, fit_groups
from heedful.preference.people.outside import Absolute, Answers, disagreement, fit_absolute
from heedful.preference.people.persons import People, Person, fit_people
from heedful.preference.people.values import Values, contrast, fit_values
from heedful.preference.people.votes import PairVotes

__all__ = [
    "Absolute",
    "Answers",
    "Chosen",
    "Differing",
    "Groups",
    "PairVotes",
    "People",
    "Person",
    "Values",
    "choose_groups",
    "contrast",
    "disagreement",
    "fit_absolute",
    "fit_groups",
    "fit_people",
    "fit_values",
    "held_out_by_rater",
    "people_differ",
]
