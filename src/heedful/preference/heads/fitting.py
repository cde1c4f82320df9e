"""A head fitted to the votes of a table on texts."""

from __future__ import annotations

import numpy as np

from heedful.core import Finding
from heedful.feedback import Table
from heedful.models import Encoder, standardised
from heedful.preference import findings as say
from heedful.preference.heads.base import Head
from heedful.preference.heads.posterior import HeadPosterior
from heedful.preference.heads.votes import Votes
from heedful.preference.instruments import distinct
from heedful.preference.observations import judges_beside_people, observe
from heedful.preference.sandwich import Clusters
from heedful.stats import Grouping

BY_JUDGES = "by models or rules beside people, which a head does not read apart"


def fit_head(
    table: Table, head: Head, features: Encoder, *, criterion: str, clusters: str, judges: str, seed: int
) -> HeadPosterior:
    """What `heedful.fit` does where it is given a head.

    Judges beside people are left out, unless "pooled" takes their votes for people's. Votes of one context are held out
    together where contexts recur, unless clusters are "none".
    """
    apart = judges_beside_people(table, criterion) if judges == "apart" else {}
    observations = observe(table, criterion, identity="content", apart=apart)
    if observations.judged:
        observations = observations.without_judges(BY_JUDGES)
    known = Clusters.of(table) if clusters == "auto" else Clusters({})
    recurring, found = known.within(observations.rows), list[Finding]()
    alone = np.full(len(table), -1)
    together = Grouping.of(known.codes["context"] if "context" in recurring else alone)
    votes = Votes.read(observations, together.code, findings=found)
    if not len(votes):
        raise say.nothing_to_fit(observations, criterion)
    items = observations.items()
    encoder = standardised(features).fit(items)
    fitted = head.fit(encoder.encode(items), votes, rng=np.random.default_rng(seed))
    kinds = [{"kind": kind, "n": len(distinct([own.row]))} for kind, own in observations.instruments.items()]
    facts = {
        "criterion": criterion,
        "utility": "features",
        "head": fitted.name,
        "judges": apart,
        "seed": seed,
        "likelihoods": kinds,
        "features": encoder.describe(),
        "prior": f"that of the head ({fitted.name})",
        "promise": "credible",
        **fitted.facts,
    }
    if "rater" in recurring:
        found.append(say.raters_independent())
    return HeadPosterior(encoder, fitted, criterion, tuple(say.read(observations) + found), facts)
