"""The entries, in the order of their ids, and the committed results of their full runs."""

from __future__ import annotations

import importlib
import json
from dataclasses import asdict
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from heedful.catalogue.entry import Entry, Run
from heedful.core import UsageError

# The module of each entry, named here so that nothing is imported before it is asked for.
_MODULES = {
    "000-001": "carried",
    "000-007": "exploration",
    "000-009": "concepts",
    "000-012": "few_to_rank",
    "000-013": "optimal_lists",
    "000-014": "teachers",
    "000-015": "active_policy",
    "000-016": "apart",
    "000-018": "contrasting",
    "001-004": "subgoals",
    "001-006": "dispatching",
    "001-018": "balancing",
    "001-028": "self_play_refined",
    "001-042": "corrected",
    "001-048": "curated",
    "001-053": "token_rewards",
    "001-055": "ratings",
    "001-056": "deepened",
    "001-066": "explorer",
    "001-072": "traced",
    "001-075": "experts",
    "001-081": "open_recipe",
    "001-085": "told_search",
    "001-086": "direct_nash",
    "001-087": "sharpened",
    "001-088": "filtering",
    "001-089": "where_to_refine",
    "001-093": "taught",
    "001-098": "transformed",
    "002-001": "staged",
    "002-002": "crediting",
    "002-003": "reversing",
    "002-006": "to_spans",
    "002-011": "checklist",
    "002-014": "verbal",
    "002-015": "mended_drafts",
    "002-019": "critics",
    "002-021": "hypotheses",
    "002-024": "rethinking",
    "002-025": "incorporated",
    "002-032": "harmonised",
    "002-036": "negative",
    "002-042": "reward_ranked",
    "002-047": "refining_critics",
    "002-055": "last_iterate",
    "002-061": "unified",
    "002-063": "interrupted",
    "002-064": "introspecting",
    "002-065": "chained",
    "002-068": "workflow",
    "002-080": "recruiting",
    "003-005": "classified",
    "003-011": "augmented",
    "003-032": "kaleidoscope",
    "003-035": "step_values",
    "003-042": "domain",
    "003-060": "channels",
    "003-061": "on_policy",
    "003-062": "tools",
    "003-064": "critique_first",
    "003-065": "tree_values",
    "003-066": "step_beam",
    "003-069": "planning",
    "003-071": "clarification",
    "003-072": "amortised",
    "003-079": "robust",
    "003-084": "label_noise",
    "003-085": "relevance",
    "003-086": "general",
    "003-088": "sampled_critics",
    "003-089": "principles",
    "003-094": "implicit",
    "003-095": "duality",
    "003-098": "in_context",
    "004-001": "either_sign",
    "004-007": "filtered",
    "004-008": "said",
    "004-011": "lifting",
    "004-012": "cascades",
    "004-014": "deployed",
    "004-017": "navigating",
    "004-019": "energies",
    "004-021": "failing",
    "004-023": "density",
    "004-024": "following_up",
    "004-026": "said_next",
    "004-029": "plural",
    "004-032": "pessimism",
    "004-035": "post_processing",
    "004-036": "beyond_human",
    "004-040": "skewed",
    "004-046": "reformulated",
    "004-047": "mended",
    "004-048": "duelling",
    "004-050": "transitivity",
    "004-051": "walks_asked",
    "004-052": "hindsight",
    "004-056": "few_labels",
    "004-059": "three_learners",
    "004-061": "critic_trained",
    "004-062": "step_labels",
    "004-068": "balpm",
    "004-069": "indifference",
    "004-070": "near_policy",
    "004-071": "dedicated",
    "004-072": "weekly",
    "004-077": "expert_ranking",
    "004-081": "flipped",
    "004-087": "instructed",
    "004-095": "verification",
    "004-096": "filtration",
    "004-097": "super_batches",
    "004-099": "prompt_duels",
    "004-103": "constitution",
    "004-110": "aggregation",
    "004-112": "latent_user",
    "004-113": "ranked_lists",
    "004-114": "gated",
    "004-116": "whole_rankings",
    "004-118": "sure_pairs",
    "004-120": "uncertain",
    "004-123": "late_answers",
    "004-126": "which_way",
    "004-133": "hybrid",
    "004-134": "iterated",
    "004-140": "steering",
    "004-143": "reversal",
    "004-149": "eliminating",
    "004-150": "open_questions",
    "004-151": "paradox",
    "004-164": "steered",
    "004-166": "retrieving",
    "004-168": "judgements",
    "004-169": "relative",
    "004-173": "pilaf",
    "004-174": "own_strength",
    "004-176": "maxmin",
    "004-177": "segments",
    "004-179": "wordings",
    "004-184": "self_play",
    "004-191": "margins",
    "004-192": "quantile",
    "004-198": "network",
    "004-199": "assistant",
    "004-200": "trajectories",
    "004-205": "out_loud",
}


def ids() -> tuple[str, ...]:
    """The id of every entry, rising."""
    return tuple(sorted(_MODULES))


def entry(identity: str) -> Entry:
    """The entry of this id. Raises UsageError where there is none."""
    if identity not in _MODULES:
        raise UsageError(f"no entry {identity!r}", where="catalogue", fix=f"one of {', '.join(ids())}")
    found = importlib.import_module(f"heedful.catalogue.entries.{_MODULES[identity]}").ENTRY
    assert isinstance(found, Entry)
    return found


@cache
def _results() -> dict[str, Any]:
    folder = files("heedful.catalogue") / "results"
    texts = (folder / f"{identity}.json" for identity in ids())
    found = [json.loads(text.read_text("utf-8")) for text in texts if text.is_file()]
    return {result["id"]: result for result in found}


def result(identity: str) -> dict[str, Any] | None:
    """The committed result of a full run, as JSON values; None where there is none yet."""
    return _results().get(identity)


def write_result(run: Run, folder: Path) -> Path:
    """Write a full run as `folder`/ID.json. Raises UsageError for a quick one, which decides nothing."""
    if run.quick:
        raise UsageError("a quick run is no result", where=run.id, fix="run it in full")
    path = folder / f"{run.id}.json"
    folder.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(_rounded(asdict(run)), indent=1, ensure_ascii=False) + "\n", "utf-8")
    return path


def _rounded(value: Any) -> Any:
    """Numbers to six significant digits: a committed figure should not change with the last bit."""
    if isinstance(value, float):
        return float(f"{value:.6g}")
    if isinstance(value, dict):
        return {key: _rounded(own) for key, own in value.items()}
    return [_rounded(own) for own in value] if isinstance(value, list | tuple) else value


def listing() -> list[dict[str, Any]]:
    """Every entry with what its full run gave: verdict, seeds, figures and seconds are null until then."""
    rows = []
    for identity in ids():
        own, known = entry(identity), result(identity) or {}
        facts = {name: known.get(name) for name in ("verdict", "seeds", "figures", "seconds")}
        rows.append({"id": own.id, "title": own.title, "area": own.area, "claim": own.claim, **facts})
    return rows
