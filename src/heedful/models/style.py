"""Style covariates: how an output is written, whatever it says."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

from heedful.core import Floats, Item, UsageError
from heedful.models.texts import last_turns, output_texts

if TYPE_CHECKING:
    import polars as pl

Measure = Callable[["pl.Expr"], "pl.Expr"]

# Word edges are taken as ASCII: Unicode ones make the regular-expression engine leave its fast path on other text.
_EDGE = r"(?-u:\b)"
_HEDGES = (
    "maybe|perhaps|possibly|probably|presumably|apparently|might|may|could|seems?|appears?|likely|unlikely|sometimes|"
    "somewhat|generally|usually|typically|often|i think|i believe|i guess|i suppose|not sure|unsure|kind of|sort of|"
    "depends?|in my opinion|it is possible|it's possible"
)
_REFUSALS = (
    "i can(?:no|')t|i can not|i (?:won't|will not)|"
    "i(?:'m| am) (?:not able|unable|not allowed|not comfortable|not going)|"
    "i(?:'d| would) rather not|i (?:don't|do not) (?:want|feel|think i (?:can|should))|i (?:shouldn't|should not)|"
    "i must decline|i refuse|not something i|against my|as an ai|i(?:'m| am) (?:just |only )?an ai"
)
_FIRST_PERSON = "i|me|my|mine|myself|i'm|i'd|i'll|i've"
_SECOND_PERSON = "you|your|yours|yourself|yourselves|you're|you'd|you'll|you've"
_NEGATIONS = (
    "no|not|never|none|nothing|neither|nor|don't|doesn't|didn't|isn't|aren't|wasn't|weren't|won't|wouldn't|can't|"
    "cannot|couldn't|shouldn't|haven't|hasn't|hadn't"
)
_THANKS = "please|thanks?|thank you|welcome|glad|happy to|appreciate"


@dataclass(frozen=True, slots=True)
class _Covariate:
    """`measure` maps the column "text" (lower-case where `lower`) to numbers, null or NaN where there is no text."""

    meaning: str
    measure: Measure
    lower: bool = False


def _log_count(pattern: str) -> Measure:
    return lambda text: text.str.count_matches(pattern).cast(float).log1p()


def _phrases(alternatives: str) -> _Covariate:
    """log(1 + number of times one of the phrases stands in the text), letter case aside."""
    shown = alternatives.replace("(?:", "(")
    measure = _log_count(f"{_EDGE}(?:{alternatives}){_EDGE}")
    return _Covariate(f"log(1 + occurrences of: {shown})", measure, lower=True)


def _per_character(pattern: str) -> Measure:
    return lambda text: text.str.count_matches(pattern) / text.str.len_chars()


def _words(text: pl.Expr) -> pl.Expr:
    return text.str.extract_all(r"[\w']+")


def _echo(text: pl.Expr) -> pl.Expr:
    import polars as pl

    own, asked = _words(text).list.unique(), _words(pl.col("turn")).list.unique()
    return own.list.set_intersection(asked).list.len() / own.list.len()


def _whether(pattern: str) -> Measure:
    return lambda text: text.str.contains(pattern).cast(float)


_COVARIATES: dict[str, _Covariate] = {
    "log_characters": _Covariate("log(1 + characters)", lambda text: text.str.len_chars().cast(float).log1p()),
    "log_words": _Covariate("log(1 + words between white space)", _log_count(r"\S+")),
    "log_sentences": _Covariate(
        "log(1 + sentence ends: . ! ? before white space or the end)", _log_count(r"[.!?]+(?:\s|$)")
    ),
    "log_paragraphs": _Covariate("log(1 + blank lines)", _log_count(r"\n\s*\n")),
    "log_list_items": _Covariate(
        "log(1 + lines that begin with -, *, • or a number and a dot or bracket)",
        _log_count(r"(?m)^[ \t]*(?:[-*•]|\d{1,3}[.)])[ \t]"),
    ),
    "log_headers": _Covariate("log(1 + Markdown headers)", _log_count(r"(?m)^#{1,6}[ \t]")),
    "log_bold": _Covariate("log(1 + bold spans)", _log_count(r"\*\*[^*\n]+\*\*")),
    "log_code": _Covariate("log(1 + code fences and inline code spans)", _log_count(r"```|`[^`\n]+`")),
    "log_links": _Covariate("log(1 + web addresses)", _log_count(r"https?://")),
    "log_questions": _Covariate("log(1 + question marks)", _log_count(r"\?")),
    "log_exclamations": _Covariate("log(1 + exclamation marks)", _log_count(r"!")),
    "log_quotes": _Covariate("log(1 + double quotation marks)", _log_count(r"[\"“”]")),
    "hedges": _phrases(_HEDGES),
    "refusals": _phrases(_REFUSALS),
    "apologies": _phrases("sorry|apologi[sz]e|apologies|my apologies|forgive me|regret"),
    "first_person": _phrases(_FIRST_PERSON),
    "second_person": _phrases(_SECOND_PERSON),
    "negations": _phrases(_NEGATIONS),
    "courtesies": _phrases(_THANKS),
    "digit_share": _Covariate("digits per character", _per_character(r"\d")),
    "capital_share": _Covariate("upper-case letters per character", _per_character(r"\p{Lu}")),
    "comma_share": _Covariate("commas per character", _per_character(",")),
    "newline_share": _Covariate("line breaks per character", _per_character("\n")),
    "word_length": _Covariate(
        "mean characters per word between white space",
        lambda text: (text.str.len_chars() - text.str.count_matches(r"\s")) / text.str.count_matches(r"\S+"),
    ),
    "distinct_words": _Covariate(
        "distinct words per word (type-token ratio), letter case aside",
        lambda text: _words(text).list.n_unique() / _words(text).list.len(),
        lower=True,
    ),
    "starts_with_i": _Covariate("1 where the first word is I, I'm, I'd, ...", _whether(r"^\s*I(?:'|\s)")),
    "starts_with_no": _Covariate("1 where the first word is no or not", _whether(r"^\s*not?(?-u:\b)"), lower=True),
    "ends_with_question": _Covariate("1 where the last character is a question mark", _whether(r"\?\s*$")),
    "ends_unfinished": _Covariate(
        "1 where the text does not end in a mark of punctuation", _whether(r"[^\s.!?:;\"'”)\]*`>…。！？]\s*$")
    ),
    "echo": _Covariate(
        "share of the output's distinct words that the context's last turn by the world holds too (crossed)",
        _echo,
        lower=True,
    ),
}


@dataclass(frozen=True, slots=True)
class StyleFeatures:
    """Style covariates of an output, chosen by name (all by default); `meaning()` says what each measures.

    Texts are taken as written but for curly apostrophes, read as straight ones. Shares and ratios of an empty output
    are 0. Nothing is learnt, so `fit` returns the same encoder.
    """

    names: tuple[str, ...] = tuple(_COVARIATES)

    def __post_init__(self) -> None:
        unknown = [name for name in self.names if name not in _COVARIATES]
        if unknown or not self.names or len(set(self.names)) < len(self.names):
            raise UsageError(
                f"unknown style covariates: {unknown}" if unknown else "style covariates are to be named once each",
                where="StyleFeatures(names=...)",
                fix=f"choose among {', '.join(_COVARIATES)}",
            )

    def meaning(self) -> dict[str, str]:
        """What each column measures, in words."""
        return {name: _COVARIATES[name].meaning for name in self.names}

    def fit(self, items: Sequence[Item]) -> StyleFeatures:
        return self

    def encode(self, items: Sequence[Item]) -> Floats:
        if not items:
            return np.zeros((0, len(self.names)))
        import polars as pl

        columns = {"text": output_texts(items), "turn": last_turns(items)}
        texts = pl.DataFrame(columns, schema=dict.fromkeys(columns, pl.String))
        straight = pl.all().str.replace_all("[’ʼ]", "'")
        frame = texts.select(straight).with_columns(
            lower=pl.col("text").str.to_lowercase(), turn=pl.col("turn").str.to_lowercase()
        )
        chosen = [(name, _COVARIATES[name]) for name in self.names]
        measured = frame.select(c.measure(pl.col("lower" if c.lower else "text")).alias(name) for name, c in chosen)
        finite = measured.select(pl.col(name).cast(pl.Float64).fill_nan(0.0).fill_null(0.0) for name in self.names)
        return np.ascontiguousarray(finite.to_numpy(), dtype=np.float64)

    def describe(self) -> dict[str, Any]:
        return {"encoder": "style", "columns": self.meaning()}

    def state(self) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
        return {}, {"encoder": "style", "names": list(self.names)}

    @classmethod
    def from_state(cls, arrays: Mapping[str, NDArray[Any]], state: Mapping[str, Any]) -> Self:
        return cls(tuple(state["names"]))
