"""Whether every engine is what it declares, and whether bugs planted on purpose are noticed.

    python benchmarks/conformance.py [--quick] [--only REGEX] [--out FILE]

Worlds are languages of at most 216 outputs in each of two contexts, listed whole: "smooth" scores, a hard constraint
("bound"), a reward with one high peak ("peaked"), equal scores ("tied"). Engines are held to what they declare:

    exact, consistent   shares of outputs against the target, by their total variation as a multiple of what exact draws
                        show (`law_test`); consistent engines at growing effort, held to it at the last
    proper              E[Σ w f] = Z · E[f] for seven f at once, and the mean of Ẑ / Z (`proper_test`)
    maximiser           the best of what was met in each of many calls; laws in closed form
    heuristic           beams as wide as all prefixes: the best there is; guided decoding: its own law

A case fails where a right engine would look no better with less than 5 % over all cases together (Bonferroni), or where
a standard error of Ẑ / Z is above the one asked for.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from conforming.bugs import BUGS
from conforming.checks import BUGS as BUG_SIZE
from conforming.checks import FULL, QUICK, Size, Told
from conforming.engines import biases, cases

FALSE_ALARM = 0.05


def level() -> float:
    return FALSE_ALARM / len(cases())


def holds(told: Told, size: Size = QUICK) -> bool:
    return bool(told["p"] >= level() and (size is not FULL or told.get("error", 0.0) <= size.error))


def rows(size: Size, known: Mapping[str, Told]) -> Iterator[Told]:
    """Each case, of few draws the first of each engine, with what it showed or is known to have shown."""
    first = {case.engine: name for name, case in reversed(cases().items())}
    for name, case in cases().items():
        if size is QUICK and first[case.engine] != name:
            continue
        told = known[name] if name in known else case.told(size)
        yield {"case": name, "honesty": case.honesty, **told, "holds": holds(told, size)}


def noticed(size: Size, known: Mapping[str, Told]) -> Iterator[Told]:
    """Each planted bug with the case that must notice it, and what that showed with and without the bug."""
    yield from (known[name] for name in BUGS if name in known)
    fresh = {name: bug for name, bug in BUGS.items() if name not in known}
    sound = {name: cases()[name].told(size) for name in {bug.by: None for bug in fresh.values()}}
    for name, bug in fresh.items():
        with bug.planted():
            wrong = cases()[bug.by].told(size)
        yield {
            "bug": name,
            "kind": bug.kind,
            "case": bug.by,
            "p": wrong["p"],
            "p without": sound[bug.by]["p"],
            "noticed": holds(sound[bug.by]) and not holds(wrong),
        }


def tables(result: dict[str, Any]) -> str:
    """What docs/benchmarks.md shows of the results."""
    by_engine: dict[tuple[str, str], list[Told]] = {}
    for row in result["cases"]:
        engine, *name, world = row["case"].split(", ")
        kind = ", ".join(name) if "ratio" in row else "Ẑ" if "z" in row else "greatest"
        by_engine.setdefault((engine, kind), []).append({**row, "world": world, "name": ", ".join(name)})
    laws = {key: own for key, own in by_engine.items() if "ratio" in own[0]}
    weights = {key: own for key, own in by_engine.items() if "z" in own[0]}
    bugs = [
        (row["bug"], row["case"], f"{row['p']:.1g}" if row["p"] > 0 else "0", f"{row['p without']:.2g}")
        for row in result["bugs"]
    ]
    return "\n\n".join(
        [
            _table(
                ("engine", "what", "declares", "times exact draws' distance, by world", "least p"),
                [
                    (*key, own[0]["honesty"], "; ".join(map(_law, own)), f"{min(row['p'] for row in own):.2g}")
                    for key, own in laws.items()
                ],
            ),
            _table(
                ("engine", "cases", "runs of 4", "Ẑ / Z, least to greatest", "greatest standard error", "least p"),
                [
                    (
                        key[0],
                        str(len(own)),
                        f"{min(row['runs'] for row in own):,} to {max(row['runs'] for row in own):,}",
                        f"{min(row['z'] for row in own):.4f} to {max(row['z'] for row in own):.4f}",
                        f"{max(row['error'] for row in own):.4f}",
                        f"{min(row['p'] for row in own):.2g}",
                    )
                    for key, own in weights.items()
                ],
            ),
            _table(("planted bug", "noticed by", "p with it", "p without"), bugs),
        ]
    )


def _law(row: Told) -> str:
    efforts = row.get("efforts", {"": row["ratio"]})
    return f"{row['world']} " + ", ".join(
        f"{effort}: {ratio:.2f}" if effort else f"{ratio:.2f}" for effort, ratio in efforts.items()
    )


def _table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    return "\n".join("| " + " | ".join(row) + " |" for row in (head, ("---",) * len(head), *rows))


def _shown(row: dict[str, Any]) -> str:
    keys = ("ratio", "z", "error", "missed", "p")
    told = "  ".join(f"{key} {row[key]:.4g}" for key in keys if key in row)
    efforts = "".join(f"  {effort}: {ratio:.2f}" for effort, ratio in row.get("efforts", {}).items())
    return f"{row['case']:62}{row['honesty']:12}{told}{efforts}{'' if row['holds'] else '   FAILS'}"


def _rest(before: dict[str, Any], kind: str, only: str | None) -> dict[str, Told]:
    """Rows of earlier results that are not to be run again, by name."""
    rows = {row[kind]: row for row in before.get(f"{kind}s", ())}
    return {name: row for name, row in rows.items() if not re.search(only or "", name)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="few draws, a case of each engine, no bugs: that it runs")
    parser.add_argument("--only", metavar="REGEX", help="run what is so named; keep what FILE says of the rest")
    parser.add_argument("--out", metavar="FILE", type=Path)
    options = parser.parse_args()
    if options.only and not options.out:
        parser.error("--only needs --out, the results to keep")
    before = json.loads(options.out.read_text("utf-8")) if options.only else {}
    size, begun = (QUICK if options.quick else FULL), time.process_time()
    result: dict[str, Any] = {"level": level(), "seconds": 0.0, "cases": [], "bugs": [], "adaptive": {}}

    def kept(line: str) -> None:
        result["seconds"] = before.get("seconds", 0.0) + time.process_time() - begun
        print(line, flush=True)
        if options.out:
            options.out.write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n", "utf-8")

    for row in rows(size, _rest(before, "case", options.only)):
        result["cases"].append(row)
        kept(_shown(row))
    for row in () if options.quick else noticed(BUG_SIZE, _rest(before, "bug", options.only)):
        result["bugs"].append(row)
        kept(f"{row['bug']:38}{row['case']:62}p {row['p']:.2g}{'' if row['noticed'] else '   NOT NOTICED'}")
    for name, row in ({} if options.quick else before.get("adaptive") or biases(size)).items():
        result["adaptive"][name] = row
        kept(f"adaptive tempering, {name}: {row['z']:.4f} ± {row['error']:.4f}")
    kept(f"{len(result['cases'])} cases, {len(result['bugs'])} bugs, {result['seconds']:.0f} s of the processor")
    if not all(row["holds"] for row in result["cases"]) or not all(row["noticed"] for row in result["bugs"]):
        sys.exit("some case fails, or a bug goes unnoticed")


if __name__ == "__main__":
    main()
