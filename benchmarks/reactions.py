"""How well rules read reactions in real dialogues: by_rule on 300 turns of HH-RLHF against labels of one reader.

    python benchmarks/reactions.py [--data FOLDER]

Turns are drawn at random from those that follow an answer in the dialogues (harmless-base, test). The rules were
written with the first 150 in view, and the other 150 labelled before the rules met them. Intervals are Clopper and
Pearson's; turns of one dialogue are taken as independent.
"""

from __future__ import annotations

import argparse
import gzip
import json
import random
from collections.abc import Mapping
from pathlib import Path

from heads import DATA
from heedful.feedback import Exchange, by_rule
from heedful.feedback.formats.dialogues import turns_of_dialogue
from heedful.feedback.reactions import Reaction
from heedful.stats import clopper_pearson

HALF = 150
LABELS: Mapping[Reaction, tuple[int, ...]] = {
    "positive": (
        *(27, 31, 39, 62, 73, 88, 98, 117, 122, 125, 140, 143),
        *(157, 167, 173, 218, 230, 238, 253, 282, 286),
    ),
    "rephrase": (1, 9, 14, 22, 38, 60, 75, 109, 116, 151, 153, 171, 194, 198, 204, 206, 229, 232, 239, 268),
    "corrected": (32, 36, 94, 113, 124, 142, 161, 207, 216, 219, 234, 249, 263, 270),
    "unhappy": (110, 118, 126, 165, 183, 205, 252, 266),
    "unclear": (28, 69, 277),
}


def exchanges(folder: Path) -> list[Exchange]:
    """The turns in the order of the draw."""
    found = set()
    with gzip.open(folder / "hh-rlhf" / "harmless-base-test.jsonl.gz", "rt", encoding="utf-8") as lines:
        for line in lines:
            turns = turns_of_dialogue(json.loads(line)["chosen"])
            for first, answer, then in zip(turns, turns[1:], turns[2:], strict=False):
                if (first["by"], answer["by"], then["by"]) == ("world", "system", "world"):
                    found.add((first["text"], answer["text"], then["text"]))
    drawn = sorted(found)
    random.Random(7).shuffle(drawn)
    return [Exchange(*own) for own in drawn[: 2 * HALF]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--quick", action="store_true", help="the same: it takes a second")
    data = parser.parse_args().data
    if not data.exists():
        print(f"skipped: there are no dialogues in {data}")
        return
    read = by_rule(exchanges(data))
    truth = {place: name for name, places in LABELS.items() for place in places}
    print("| turns | reaction | labelled | read | both | precision | recall |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for half, places in (("in view", range(HALF)), ("not in view", range(HALF, 2 * HALF))):
        for kind in ("praise", "any other"):
            meant, said = (
                {place for place in places if (own := names(place)) and (own == "positive") == (kind == "praise")}
                for names in (truth.get, read.__getitem__)
            )
            both = len(meant & said)
            rates = (
                f"{both / n:.2f} [{low:.2f}, {high:.2f}]"
                for n, low, high in (_rate(both, len(own)) for own in (said, meant))
            )
            print(f"| {half} | {kind} | {len(meant)} | {len(said)} | {both} | {' | '.join(rates)} |")


def _rate(both: int, n: int) -> tuple[int, float, float]:
    interval = clopper_pearson(both, n)
    return n, interval.low, interval.high


if __name__ == "__main__":
    main()
