"""What objectives of training are worth, where the truth is known, and how they bear bad feedback.

    python benchmarks/objectives.py [--quick] [--part listed small ...] [--out FILE] [--figure FILE.svg]

    listed         a language whose outputs are all listed, policies that are tables: every objective from feedback on
                   4,800 outputs, and from all feedback there is. One that claims the target must reach it there, to a
                   total variation of 0.005
    faults         the same from 4,800 outputs and bad feedback
    small          the small model of exercises, the scales of its norms trained on feedback on 2,048 of its outputs by
                   raters who want the true reward, beside null controls; answers to exercises never trained on
    small-faults   the same of a few from bad feedback; a wrong reward is the length
    whole          the same with all weights trained, of a few; only where asked for

Each objective has, by one rule, that of three learning rates which did best on seeds of its own: nearest to
the target (KL of policy to target) in worlds 100 to 102; of greatest true reward on exercises that may be trained on.
Intervals are t intervals over seeds: ten worlds (five with faults), three models with exercises of their own.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from heedful.core import HeedfulError
from objectives_.records import CLEAN, FAULTS, Fault
from objectives_.settings import CONTROLS, Setting, settings
from objectives_.tables import tables

REACHED = 0.005
WORLDS, FAULT_WORLDS, LIMIT_WORLDS, RATE_WORLDS = range(10), range(5), range(3), range(100, 103)
MODELS, RATE_MODEL = range(3), 90
WHOLE = ("RAFT", "DPO", "RLOO")
FAULTY = ("DPO", "DPO, robust", "IPO", "KTO", "RLOO")
QUICK, QUICK_SMALL = ("DPO", "RLOO"), ("DPO", "random labels")
Rows = Iterator[tuple[str, dict[str, Any]]]
PARTS = ("listed", "faults", "small", "small-faults", "whole")
NAMED = {
    "clean": {
        "INPO": (7, 4),
        "GRPO": (7, 4),
        "SimPO": (7, 12),
        "RLOO": (-7, -3),
        "NFT": (7, 4),
        "Dr. GRPO": (-7, -5),
    },
    "limit": {
        "INPO": (7, 4),
        "GRPO": (7, 4),
        "AWR": (-7, -3),
        "RAFT": (7, 12),
        "DPO": (-7, -4),
        "KTO": (7, 4),
        "BCO": (7, 4),
        "DPO, margins": (7, 12),
    },
}
"""Where the names of some stand in the figure."""


def listed(names: Sequence[str], quick: bool) -> Rows:
    from objectives_ import listed as world

    worlds, limits, rate_worlds = (own[: 1 if quick else None] for own in (WORLDS, LIMIT_WORLDS, RATE_WORLDS))
    for name in names:
        setting = settings()[name]
        tried = {rate: _told(setting, rate, rate_worlds, quick) for rate in world.RATES[2 if quick else 0 :]}
        rate = min(tried, key=lambda one: np.mean(tried[one]["away"]))
        row = {"claim": setting.claim(world.STRENGTH), "rate": rate, "clean": _told(setting, rate, worlds, quick)}
        yield name, {**row, "limit": _columns(_limit(world, name, setting, seed, quick) for seed in limits)}


def faults(names: Sequence[str], quick: bool, rates: Mapping[str, Any]) -> Rows:
    seeds = FAULT_WORLDS[: 1 if quick else None]
    return _faulty(names, lambda name, own: _told(settings()[name], rates[name]["rate"], seeds, quick, own))


def _faulty(names: Sequence[str], told: Callable[[str, Fault], dict[str, Any]]) -> Rows:
    """At the learning rates of clean feedback; what does not apply, or is refused, says why."""
    for name in names:
        row: dict[str, Any] = {}
        for fault, own in FAULTS.items():
            try:
                row[fault] = told(name, own)
            except HeedfulError as error:
                row[fault] = str(error)
        yield name, row


def _told(setting: Setting, rate: float, seeds: Sequence[int], quick: bool, fault: Fault = CLEAN) -> dict[str, Any]:
    """What the objective comes to in each world."""
    from objectives_ import listed as world

    rows = []
    for seed in seeds:
        own, rng = world.Listed.of(seed), np.random.default_rng((seed, 11))
        law = world.trained(own, setting, rate, rng, fault=fault, steps=40 if quick else world.STEPS)
        rows.append(own.told(law))
    return _columns(iter(rows))


def _limit(world: Any, name: str, setting: Setting, seed: int, quick: bool) -> dict[str, float]:
    """What all feedback gives; raises AssertionError where a claim is broken."""
    own = world.Listed.of(seed)
    law = world.limit(own, setting, steps=200 if quick else world.LIMIT_STEPS)
    told = own.told(law)
    if setting.aim:
        told["from aim"] = world.distance(law, getattr(own, setting.aim))
        assert told["from aim"] < REACHED, f"{name} claims a target and stays {told['from aim']:.3f} away from it"
    return dict(told)


def small(names: Sequence[str], quick: bool, whole: bool = False) -> Rows:
    from objectives_ import small as model

    size = replace(model.QUICK, whole=whole) if quick else model.WHOLE if whole else model.FULL
    chosen, bases = model.Base(model.small_model(), RATE_MODEL, size, separate=True), _bases(size, quick)
    for name in names:
        objective, kind = CONTROLS.get(name, (name, "reward"))
        setting = settings()[objective]
        gains = {rate: 0.0 if quick else model.told(chosen, setting, rate, kind=kind)["gain"] for rate in size.rates}
        rate = max(gains, key=lambda one: gains[one])
        row = _columns(model.told(own, setting, rate, kind=kind) for own in bases)
        yield name, {"rate": rate, **row}


def small_faults(names: Sequence[str], quick: bool, rates: Mapping[str, Any]) -> Rows:
    from objectives_ import small as model

    bases = _bases(model.QUICK if quick else model.FULL, quick)

    def told(name: str, fault: Fault) -> dict[str, Any]:
        setting, rate, kind = settings()[name], rates[name]["rate"], "length" if fault.wrong else "reward"
        return _columns(model.told(own, setting, rate, kind=kind, fault=fault) for own in bases)

    return _faulty(names, told)


def _bases(size: Any, quick: bool) -> list[Any]:
    from objectives_ import small as model

    base = model.small_model()
    return [model.Base(base, seed, size) for seed in (MODELS[:1] if quick else MODELS)]


def _columns(rows: Iterator[Mapping[str, Any]]) -> dict[str, list[Any]]:
    held = list(rows)
    return {key: [row[key] for row in held] for key in held[0]}


def _rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _rounded(own) for key, own in value.items()}
    if isinstance(value, list):
        return [_rounded(own) for own in value]
    return round(value, 5) if isinstance(value, float) else value


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="few objectives, one seed, to see that it runs")
    parser.add_argument("--part", nargs="+", choices=PARTS)
    parser.add_argument("--names", nargs="+", default=(), help="these objectives alone")
    parser.add_argument("--out", type=Path, help="parts that are not run stay as they are in it")
    parser.add_argument("--figure", type=Path, help="draw utility against divergence as SVG")
    options = parser.parse_args()
    import torch

    torch.set_num_threads(1)
    result = json.loads(options.out.read_text("utf-8")) if options.out and options.out.exists() else {}
    for part in options.part or PARTS[:4]:
        begun = time.process_time()
        for name, row in run(part, options.names, options.quick, result):
            result.setdefault(part, {})[name] = _rounded(row)
            result.setdefault("seconds", {})[f"{part}, {name}"] = round(time.process_time() - begun, 1)
            print(part, name, json.dumps(result[part][name]), flush=True)
            if options.out:
                options.out.write_text(json.dumps(result, indent=1) + "\n", "utf-8")
            begun = time.process_time()
    for part, table in tables(result).items():
        print(f"\n{part}\n{table}")
    if options.figure:
        from objectives_.figure import draw

        draw(result["listed"], NAMED, options.figure)


def run(part: str, names: Sequence[str], quick: bool, before: Mapping[str, Any]) -> Rows:
    """Rows of a part, of these names or of all that it has."""
    if part == "listed":
        tables = [name for name, own in settings().items() if own.own != "valued"]
        return listed(names or (QUICK if quick else tables), quick)
    if part == "faults":
        return faults(names or tuple(before["listed"]), quick, before["listed"])
    if part == "small-faults":
        return small_faults(names or (QUICK_SMALL[:1] if quick else FAULTY), quick, before["small"])
    every = QUICK_SMALL if quick else (*(WHOLE if part == "whole" else settings()), *CONTROLS)
    return small(names or every, quick, part == "whole")


if __name__ == "__main__":
    main()
