"""The formats heedful reads, in the order in which detection tries them."""

from __future__ import annotations

from importlib.metadata import entry_points

from heedful.core import UsageError
from heedful.feedback.formats.alpaca import ALPACA, ALPACA_TABLE
from heedful.feedback.formats.arena import ARENA
from heedful.feedback.formats.argilla import ARGILLA
from heedful.feedback.formats.asked import QUESTIONS
from heedful.feedback.formats.base import Format, Judgement, Problem, Row
from heedful.feedback.formats.chats import CHATS
from heedful.feedback.formats.dialogues import DIALOGUES
from heedful.feedback.formats.label_studio import LABEL_STUDIO
from heedful.feedback.formats.langfuse import LANGFUSE
from heedful.feedback.formats.langsmith import LANGSMITH
from heedful.feedback.formats.mapping import mapped
from heedful.feedback.formats.native import NATIVE, NATIVE_TABLE
from heedful.feedback.formats.pandalm import PANDALM
from heedful.feedback.formats.rankings import RANKINGS
from heedful.feedback.formats.solutions import SOLUTIONS
from heedful.feedback.formats.trl import TRL_COMPLETION, TRL_PREFERENCE, TRL_STEPS, TRL_UNPAIRED
from heedful.feedback.formats.ultrafeedback import ULTRAFEEDBACK

__all__ = ["FORMATS", "Format", "Judgement", "Problem", "Row", "all_formats", "format_named", "mapped"]

ENTRY_POINTS = "heedful.formats"

# The more a format asks of a row, the earlier it stands.
FORMATS: tuple[Format, ...] = (
    QUESTIONS,
    NATIVE,
    NATIVE_TABLE,
    LANGFUSE,
    LANGSMITH,
    ARGILLA,
    LABEL_STUDIO,
    ULTRAFEEDBACK,
    ALPACA,
    ALPACA_TABLE,
    PANDALM,
    SOLUTIONS,
    ARENA,
    DIALOGUES,
    TRL_PREFERENCE,
    TRL_UNPAIRED,
    TRL_STEPS,
    RANKINGS,
    TRL_COMPLETION,
    CHATS,
)


def all_formats() -> tuple[Format, ...]:
    """heedful's formats, then those that installed packages offer under the entry-point group "heedful.formats".

    Raises UsageError where such an entry point does not load or is no Format.
    """
    offered = []
    for point in entry_points(group=ENTRY_POINTS):
        try:
            found = point.load()
        except Exception as error:  # whatever a foreign package raises, the person must know which one it was
            raise UsageError(
                f"the format {point.name!r} does not load ({error})", where=point.value, fix="repair or uninstall it"
            ) from error
        if not isinstance(found, Format):
            raise UsageError(f"the format {point.name!r} is no heedful Format", where=point.value, fix="uninstall it")
        offered.append(found)
    return (*FORMATS, *offered)


def format_named(name: str, formats: tuple[Format, ...]) -> Format:
    """The format of that name. Raises UsageError with the names there are."""
    for one in formats:
        if one.name == name:
            return one
    names = ", ".join(one.name for one in formats)
    raise UsageError(f"there is no format {name!r}", where="format", fix=f"use one of {names}")
