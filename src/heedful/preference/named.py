"""What a file holds, by name."""

from __future__ import annotations

from typing import Any, Self


class Named(dict[str, Any]):
    """Values by name. Raises ValueError that names the `file` where one is missing."""

    file = ""

    def __missing__(self, name: str) -> Any:
        raise ValueError(f"there is no {name} in {self.file}")

    def under(self, prefix: str) -> Self:
        """The values whose names begin with `prefix`, without it."""
        return type(self)((name.removeprefix(prefix), own) for name, own in self.items() if name.startswith(prefix))
