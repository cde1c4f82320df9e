"""The command: what `heedful` and `python -m heedful` start."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command; an interruption while it is still being imported ends it as quietly as later ones."""
    try:
        from heedful.cli.app import main as command

        command()
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
