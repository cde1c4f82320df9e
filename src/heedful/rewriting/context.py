"""What code that runs can know of the run it is part of: values in the place of parameters, its stage, its draw."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import ContextVar, copy_context
from dataclasses import dataclass, field, replace
from functools import wraps
from typing import TYPE_CHECKING, Any

from heedful.rewriting.places import Place, Strand

if TYPE_CHECKING:
    from heedful.rewriting.recording import Recorder


@dataclass(frozen=True, slots=True)
class Scope:
    """Where in a run the code is: in the call of this number (None: not yet in the program), with these values in the
    place of those of the parameters named; at this place of the program, in a strand of its own."""

    recorder: Recorder
    stage: int | None
    values: Mapping[str, Any]
    draw: int
    place: Place = ()
    strand: Strand = field(default_factory=Strand)

    def within(self, number: int, place: Place) -> Scope:
        """That of a call."""
        return replace(self, stage=number, place=place, strand=Strand())

    def beside(self, coroutine: Any = None) -> Scope:
        """That of a task, or of what a thread is given to do."""
        return replace(self, place=(*self.place, self.strand.beside(coroutine)), strand=Strand())


# Context-local: each task and each thread sees its own run, and code outside of any sees none.
SCOPE: ContextVar[Scope | None] = ContextVar("heedful run", default=None)


def draw() -> int:
    """The number of the run under way, 0 outside of any: the `sample` of what a program asks models that sample.

    Runs of one number ask the same again, whatever else is run beside them.
    """
    scope = SCOPE.get()
    return 0 if scope is None else scope.draw


class Threads(ThreadPoolExecutor):
    """A pool whose threads know the run that gave them work. Those of the standard pool know none: what a stage does
    there is not recorded, and parameters have their initial values."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        scope, context = SCOPE.get(), copy_context()
        if scope is None:
            return super().submit(context.run, fn, *args, **kwargs)
        context.run(SCOPE.set, scope.beside())
        future = super().submit(context.run, fn, *args, **kwargs)
        future.result = _joining(future.result, scope.strand)  # type: ignore[method-assign]
        return future


def _joining(result: Callable[..., Any], strand: Strand) -> Callable[..., Any]:
    """A future's `result` after which the strand goes on knowing it."""

    @wraps(result)
    def joined(timeout: float | None = None) -> Any:
        try:
            return result(timeout)
        finally:
            strand.joined()

    return joined
