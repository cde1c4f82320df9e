"""Whatever was fitted comes back from its folder to the last bit; what does not belong there is named."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from safetensors.numpy import load_file, save_file
from scipy.special import expit

import heedful
from heedful.core import InputError, Item, UsageError
from heedful.feedback import Table
from heedful.models import StyleFeatures
from heedful.preference import fit, fit_raters, load, rate
from heedful.preference.general import fit_general
from heedful.preference.people import Answers, PairVotes, fit_absolute, fit_groups, fit_people
from heedful.preference.people.outside import OUTCOMES

from .votes import comparisons, drawn_comparisons

ITEMS = [Item(system=f"{i:02d}") for i in range(5)]
FIRST, SECOND = ITEMS[:-1], ITEMS[1:]
OLDER = Path(__file__).parent / "data" / "posterior_of_version_2"


@cache
def votes(seed: int = 0, raters: int = 12) -> Table:
    rows = drawn_comparisons(np.linspace(-1, 1, 5), 240, np.random.default_rng(seed), log_tie=-0.5)
    return comparisons(rows, rater=[f"r{row % raters}" for row in range(240)])


def pairs() -> PairVotes:
    return PairVotes.of(votes())


def absolute() -> Any:
    rng = np.random.default_rng(0)
    first = rng.integers(5, size=300)
    second, outcome = (first + rng.integers(1, 5, size=300)) % 5, rng.integers(len(OUTCOMES), size=300)
    return fit_absolute(Answers.from_arrays(first, second, outcome, [item.system or "" for item in ITEMS]), draws=20)


def rated(items: int = 6, **options: Any) -> Any:
    rng = np.random.default_rng(1)
    first = rng.integers(5, size=400)
    second, outcome = (first + rng.integers(1, 5, size=400)) % 5, rng.choice([1, 0, -1], 400)
    head = (first[:300], second[:300], outcome[:300])
    return rate(*head, items, **options).update(first[300:], second[300:], outcome[300:])


FITTED: dict[str, tuple[Callable[[], Any], Callable[[Any], list[Any]]]] = {
    "posterior": (
        lambda: fit(votes(), draws=16),
        lambda own: [own(ITEMS).mean, own(ITEMS).draws, own.prefer(FIRST, SECOND), own.predict(votes()).log_prob],
    ),
    "groups": (
        lambda: fit_groups(pairs(), 2, prior_sd=1.0, draws=20, starts=2),
        lambda own: [
            own(ITEMS).aleatoric,
            own.prefer(FIRST, SECOND),
            own.assign(PairVotes.of(votes(1, 30), like=own.votes)),
            own.shares,
            own.mode.evidence,
        ],
    ),
    "people": (
        lambda: fit_people(pairs(), rank=1, prior_sd=1.0, draws=20),
        lambda own: [
            own(ITEMS).aleatoric,
            own.prefer(FIRST, SECOND),
            own.person(PairVotes.of(votes(1, 1), like=own.votes)).posterior.draws,
        ],
    ),
    "person": (
        lambda: fit_people(pairs(), rank=1, prior_sd=1.0, draws=20).person(),
        lambda own: [own.posterior(ITEMS).draws, own.expected_information(FIRST, SECOND)],
    ),
    "general": (
        lambda: fit_general(pairs(), draws=20, starts=1),
        lambda own: [own.prefer(FIRST, SECOND), own.margin(FIRST, SECOND, draws=True), own.model],
    ),
    "absolute": (absolute, lambda own: [own.acceptable(ITEMS), own.nuisance]),
    "raters": (
        lambda: fit_raters(votes(), draws=20),
        lambda own: [own(ITEMS).draws, own.predict(votes(1)).log_prob, own.raters, own.findings],
    ),
    "ratings": (
        rated,
        lambda own: [own.strengths, own.covariance, own.interval().low, own.promise, own.bootstrap(4, 0).strengths],
    ),
    "Thurstone's ratings": (
        lambda: rated(list("abcdef"), model="thurstone"),
        lambda own: [own.strengths, own.names, own.notes, own.nuisance_sd, own.update([0], [1], [1]).strengths],
    ),
}


def same(one: Any, other: Any) -> None:
    """Equal to the last bit, whether arrays or values."""
    np.testing.assert_equal(one, other, strict=True)


@pytest.mark.parametrize("name", FITTED)
def test_what_was_fitted_comes_back_to_the_last_bit(name: str, tmp_path: Path) -> None:
    made, says = FITTED[name]
    fitted = made()
    fitted.save(tmp_path)
    loaded = heedful.load(tmp_path)
    assert type(loaded) is type(fitted)
    for one, other in zip(says(fitted), says(loaded), strict=True):
        same(one, other)


def test_many_items_come_back_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("heedful.preference.pair_fit.DENSE_LIMIT", 3)
    monkeypatch.setattr("heedful.preference.ratings.DENSE_LIMIT", 3)
    ratings = rated(5, model="davidson")
    ratings.save(tmp_path)
    same(load(tmp_path).variance, ratings.variance)


def test_groups_on_texts_come_back_with_their_encoder(tmp_path: Path) -> None:
    texts = ["Yes. " * (n % 7 + 1) + "- a list\n" * (n % 3) for n in range(20)]
    items = [Item.of("q", text) for text in texts]
    rng = np.random.default_rng(0)
    pair = [rng.choice(20, 2, replace=False) for _ in range(200)]
    frame = pl.DataFrame(
        {
            "id": [str(row) for row in range(200)],
            "kind": ["comparison"] * 200,
            "context": ["q"] * 200,
            "outputs": [[texts[i], texts[j]] for i, j in pair],
            "choice": ["first" if rng.random() < 0.5 else "second" for _ in pair],
            "rater": [f"r{row % 10}" for row in range(200)],
        }
    )
    groups = fit_groups(PairVotes.of(Table.shaped(frame), features=StyleFeatures()), 1, prior_sd=1.0, draws=8)
    groups.save(tmp_path)
    loaded = load(tmp_path)
    same(loaded.prefer(items[:-1], items[1:]), groups.prefer(items[:-1], items[1:]))


def test_the_older_layout_still_loads() -> None:
    arrays, document = load_file(OLDER / "posterior.safetensors"), json.loads((OLDER / "posterior.json").read_text())
    loaded = load(OLDER)
    assert loaded.names == tuple(document["names"])
    same(loaded.draws, arrays["draws"])
    gap = arrays["draws"][:, 0] - arrays["draws"][:, 1]
    assert loaded.prefer([Item(system="a")], [Item(system="b")])[0] == pytest.approx(expit(gap).mean(), abs=1e-15)
    assert loaded.readings[1].kind == "label"
    same(loaded.readings[0].nuisance, arrays["reading.0.nuisance"])


def _document(folder: Path, change: Callable[[Any], None]) -> None:
    path = folder / "posterior.json"
    document = json.loads(path.read_text())
    change(document)
    path.write_text(json.dumps(document))


def _arrays(folder: Path, change: Callable[[Any], None]) -> None:
    arrays = load_file(folder / "posterior.safetensors")
    change(arrays)
    save_file(arrays, folder / "posterior.safetensors")


@pytest.mark.parametrize(
    ("where", "change", "says"),
    [
        (_document, lambda d: d["saved"]["fields"]["mode"]["fields"].pop("x"), r"mode: there is no x in .*\.json"),
        (_document, lambda d: d["saved"].update(kind="os.system"), r"unknown kind 'os\.system'"),
        (_document, lambda d: d["saved"]["fields"]["share_draws"].update(array=[1]), r"share_draws has the shape"),
        (_document, lambda d: d.update(saved=5), r"posterior\.json holds nothing"),
        (_document, lambda d: d.update(saved={"kind": ["groups"]}), r"damaged"),
        (_arrays, lambda a: a["mode.mixture.votes.counts.indices"].fill(10**6), r"indices"),
        (_document, lambda d: d["saved"].pop("fields"), r"no fields in posterior\.json"),
        (_document, lambda d: d.pop("saved"), r"criterion: .*no criterion in posterior\.json"),
        (_arrays, lambda a: a.pop("responsibility"), r"no responsibility in posterior\.safetensors"),
        (_arrays, lambda a: a.pop("mode.mixture.votes.counts.data"), r"counts\.data in posterior\.safetensors"),
        (_arrays, lambda a: a.pop("posteriors.1.mean"), r"posteriors\.1: there is no mean in posterior\.safetensors"),
    ],
)
def test_what_is_damaged_is_named(where: Any, change: Any, says: str, tmp_path: Path) -> None:
    FITTED["groups"][0]().save(tmp_path)
    where(tmp_path, change)
    with pytest.raises(InputError, match=says):
        load(tmp_path)


def test_what_heedful_did_not_make_is_not_saved(tmp_path: Path) -> None:
    class Foreign:
        pass

    people = fit_people(pairs(), rank=0, prior_sd=1.0, draws=4)
    with pytest.raises(UsageError, match=r"votes: Foreign cannot be saved"):
        replace(people, votes=Foreign()).save(tmp_path)  # type: ignore[arg-type]
