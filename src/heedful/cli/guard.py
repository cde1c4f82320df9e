"""Errors of a command as one clear line and an exit code."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import ParamSpec

import typer

from heedful.cli import text
from heedful.core import FitError, HeedfulError

Arguments = ParamSpec("Arguments")


def guarded(function: Callable[Arguments, None]) -> Callable[Arguments, None]:
    """The command with its errors as one clear line on stderr: exit code 1 where nothing could be fitted, 2 for wrong
    use or input, 130 when interrupted."""

    @functools.wraps(function)
    def guard(*args: Arguments.args, **kwargs: Arguments.kwargs) -> None:
        try:
            function(*args, **kwargs)
        except KeyboardInterrupt:
            typer.echo("heedful: interrupted; nothing was left half-written", err=True)
            raise typer.Exit(130) from None
        except HeedfulError as error:
            typer.echo(f"heedful: {text.plain(text.error(error))}", err=True)
            raise typer.Exit(1 if isinstance(error, FitError) else 2) from None
        except BrokenPipeError:
            raise
        except OSError as error:
            typer.echo(f"heedful: {error.filename or 'a file'}: {error.strerror or error}", err=True)
            raise typer.Exit(2) from None

    return guard
