"""The colours, as data: the style sheet is written from them and their contrast is tested on them."""

from __future__ import annotations

from collections.abc import Mapping

LIGHT: dict[str, str] = {
    "paper": "#fcfbf8",
    "panel": "#f3f1ea",
    "ink": "#1c1d1f",
    "muted": "#55595f",
    "rule": "#dcd8cd",
    "grid": "#e4e0d6",
    "axis": "#85827a",
    "accent": "#1d5a8a",
    "mark": "#1d5a8a",
    "band": "#e3dcc8",
    "problem": "#a32018",
    "warning": "#7a4f00",
    "note": "#2c5c4d",
}
DARK: dict[str, str] = {
    "paper": "#15171a",
    "panel": "#1e2125",
    "ink": "#e9e6e0",
    "muted": "#a9adb4",
    "rule": "#363a41",
    "grid": "#2a2e34",
    "axis": "#7e848d",
    "accent": "#86bbea",
    "mark": "#86bbea",
    "band": "#3a3a33",
    "problem": "#ff9d92",
    "warning": "#e8bd63",
    "note": "#93d0b9",
}
# (foreground, background) pairs in use. Text needs 4.5 to 1, marks of charts and controls 3 to 1 (WCAG 2.2 AA).
TEXT_PAIRS: tuple[tuple[str, str], ...] = tuple(
    (front, back) for front in ("ink", "muted", "accent", "problem", "warning", "note") for back in ("paper", "panel")
)
MARK_PAIRS: tuple[tuple[str, str], ...] = (
    ("mark", "paper"),
    ("mark", "panel"),
    ("mark", "band"),
    ("axis", "paper"),
    ("axis", "panel"),
    ("accent", "paper"),
)


def contrast(front: str, back: str) -> float:
    """The contrast ratio of two #rrggbb colours (WCAG 2.2, relative luminance of sRGB): 1 to 21."""
    bright, dark = sorted((_luminance(front), _luminance(back)), reverse=True)
    return (bright + 0.05) / (dark + 0.05)


def _luminance(colour: str) -> float:
    channels = (int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5))
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def style() -> str:
    """The colours as CSS variables: light; dark where the reader's system or the switch asks for it; light on paper."""
    light = f"color-scheme:light;{_variables(LIGHT)}"
    dark = f"color-scheme:dark;{_variables(DARK)}"
    return "\n".join(
        (
            f":root{{{light}}}",
            f"@media (prefers-color-scheme:dark){{:root:not([data-theme=light]){{{dark}}}}}",
            f":root[data-theme=dark]{{{dark}}}",
            f"@media print{{:root:root:root{{{light}}}}}",
        )
    )


def _variables(colours: Mapping[str, str]) -> str:
    return "".join(f"--{name}:{value};" for name, value in colours.items())
