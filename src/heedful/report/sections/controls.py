"""Accuracy of the fitted preferences beside controls that know nothing of quality."""

from __future__ import annotations

from heedful.report.lanes import LaneTable, Row
from heedful.report.markup import Markup, join, sentence, tag
from heedful.report.numerals import PERCENT, POINTS, SIGNED_POINTS, count, p_value, with_interval
from heedful.report.parts import Control, HeldOut
from heedful.report.scales import Scale, fractions_around, signed, spanning
from heedful.report.sections.common import dot, estimate_cell, missing, paragraph, promise_legend, reach
from heedful.report.sections.verdicts import versus
from heedful.report.summary import Summary

_Named = tuple[str, Control]


def accuracy_part(summary: Summary, held_out: HeldOut) -> Markup:
    """Accuracies in one table, paired differences in another, and in words what they amount to."""
    controls = (("Length alone", summary.controls.length_only), ("Guessing at random", summary.controls.random))
    given = [(name, control) for name, control in controls if control is not None]
    absent = dict.fromkeys(_no_control(summary, name) for name, control in controls if control is None)
    intervals = [held_out.accuracy_interval, *(control.accuracy_interval for _, control in given)]
    return join(
        tag("h3", "Accuracy, against controls"),
        (paragraph(_verdict(name, control)) for name, control in given),
        _accuracies(held_out, given),
        _differences(given) if given else None,
        absent,
        promise_legend(intervals),
    )


def _accuracies(held_out: HeldOut, given: list[_Named]) -> Markup:
    own = (held_out.accuracy, held_out.accuracy_interval)
    values = reach([own, *((control.accuracy, control.accuracy_interval) for _, control in given)])
    return LaneTable(
        key="accuracy",
        caption="Share of held-out votes predicted",
        name_head="Predicted by",
        lane_head="Accuracy; the line marks a coin toss",
        cell_heads=("Accuracy", "Votes"),
        scale=fractions_around([*values, 0.5]),
        rows=[
            Row(
                name="The fitted preferences",
                mark=dot(*own),
                cells=(estimate_cell(*own, PERCENT), count(held_out.n_decided)),
            ),
            *(_control_row(name, control) for name, control in given),
        ],
        references=(0.5,),
    ).markup()


def _control_row(name: str, control: Control) -> Row:
    return Row(
        name=name,
        mark=dot(control.accuracy, control.accuracy_interval, hollow=True),
        cells=(estimate_cell(control.accuracy, control.accuracy_interval, PERCENT), count(control.n)),
    )


def _differences(given: list[_Named]) -> Markup:
    values = reach((control.difference, control.difference_interval) for _, control in given)
    return LaneTable(
        key="differences",
        caption="How far the fitted preferences are ahead, vote by vote",
        name_head="Ahead of",
        lane_head="Difference in points; the line marks none",
        cell_heads=("Difference", "Paired test"),
        scale=_point_scale([*values, 0.0]),
        rows=[
            Row(
                name=name,
                mark=dot(control.difference, control.difference_interval),
                cells=(
                    estimate_cell(control.difference, control.difference_interval, SIGNED_POINTS),
                    p_value(control.p_value),
                ),
            )
            for name, control in given
        ],
        references=(0.0,),
    ).markup()


def _point_scale(values: list[float]) -> Scale:
    """A scale of differences marked in points."""
    return signed(spanning([100 * value for value in values], wanted=5, margin=0.04).times(0.01))


def _verdict(name: str, control: Control) -> Markup:
    verdict = versus(control)
    unit = POINTS if verdict == "better" else SIGNED_POINTS
    found = with_interval(control.difference, control.difference_interval, unit)
    words = {
        "better": "The fitted preferences predict better than {name}: they are ahead by {found}, vote by vote.",
        "worse": "The fitted preferences predict worse than {name}: the difference is {found}, vote by vote.",
        "unclear": "The fitted preferences are not shown to predict better than {name}: the difference is {found}.",
    }[verdict]
    return sentence(words, name=_mid_sentence(name), found=found)


def _mid_sentence(name: str) -> str:
    return name[0].lower() + name[1:]


def _no_control(summary: Summary, name: str) -> Markup:
    return missing(
        summary,
        ("controls", "control"),
        f"The control “{_mid_sentence(name)}” is not given: it could not be run on this feedback.",
    )
