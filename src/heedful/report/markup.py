"""HTML built from values. Plain strings are escaped wherever they enter; only `Markup` passes as it is."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable
from typing import TypeAlias


class Markup(str):
    """Text that is HTML already."""

    __slots__ = ()


Child: TypeAlias = "str | Iterable[Child] | None"
Attribute: TypeAlias = "str | int | float | bool | None"

_VOID = frozenset({"meta", "br", "hr", "col", "input"})
_SELF_CLOSING = frozenset({"line", "circle", "rect", "path", "polyline", "polygon", "use"})
# Characters that HTML forbids (controls, lone surrogates): shown as their pictures or as the replacement character.
_FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff]")


def _picture(match: re.Match[str]) -> str:
    code = ord(match.group())
    if code < 0x20:
        return chr(0x2400 + code)
    return "\u2421" if code == 0x7F else "\ufffd"


def escape(text: str) -> Markup:
    """`text` as HTML that shows it; `Markup` is returned as it is."""
    if isinstance(text, Markup):
        return text
    return Markup(_FORBIDDEN.sub(_picture, html.escape(text, quote=True)))


def join(*children: Child) -> Markup:
    """The children one after another, None left out."""
    return Markup("".join(_flat(children)))


def _flat(child: Child) -> Iterable[str]:
    if child is None:
        return
    if isinstance(child, str):
        yield escape(child)
    else:
        for inner in child:
            yield from _flat(inner)


def tag(name: str, /, *children: Child, **attributes: Attribute) -> Markup:
    """One element. `class_` stands for class, underscores in names for hyphens; None and False drop an attribute."""
    opening = name + "".join(_attribute(key, value) for key, value in attributes.items())
    if name in _VOID:
        return Markup(f"<{opening}>")
    inner = join(*children)
    if name in _SELF_CLOSING and not inner:
        return Markup(f"<{opening}/>")
    return Markup(f"<{opening}>{inner}</{name}>")


def _attribute(key: str, value: Attribute) -> str:
    if value is None or value is False:
        return ""
    name = key.rstrip("_").replace("_", "-")
    if value is True:
        return f" {name}"
    return f' {name}="{_shown(value)}"'


def _shown(value: str | int | float) -> str:
    """Coordinates need no more than a hundredth of a unit."""
    return f"{value:.2f}".rstrip("0").rstrip(".") if isinstance(value, float) else escape(str(value))


def name_of(text: str, **attributes: Attribute) -> Markup:
    """A name given by the data: isolated, so that its writing direction cannot reorder what stands around it."""
    return tag("bdi", text, **attributes)


def sentence(template: str, **values: Child) -> Markup:
    """`template` with its {fields} replaced by values, each escaped unless it is Markup."""
    return Markup(template.format(**{key: join(value) for key, value in values.items()}))


def separated(separator: str, children: Iterable[Child]) -> Markup:
    """The children with `separator` between them."""
    return Markup(escape(separator).join(join(child) for child in children))


def listed(children: Iterable[Child]) -> Markup:
    """'a', 'a and b', 'a, b and c'."""
    parts = [join(child) for child in children]
    if len(parts) < 2:
        return join(parts)
    return Markup(f"{', '.join(parts[:-1])} and {parts[-1]}")
