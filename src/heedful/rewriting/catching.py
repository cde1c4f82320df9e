"""What programs raise: which errors are a failed run, and which end the work; and a limit to how long one may take."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future, wait
from contextlib import contextmanager
from contextvars import copy_context
from dataclasses import dataclass
from threading import Thread

from heedful.core import HeedfulError, InputError, RequestRefusedError
from heedful.rewriting.recording import Recorder


@dataclass(slots=True)
class Found:
    """What is found of a run: its `error`, and whether that is a server's refusal, or that it was `late`."""

    recorder: Recorder
    error: str = ""
    refused: bool = False
    late: bool = False

    @contextmanager
    def caught(self) -> Iterator[None]:
        """Within, what a program raises is its error, `sys.exit` too. What heedful raises of settings, endpoints and
        budgets is no fault of a text, and raised again; so are interrupts."""
        try:
            yield
        except (Exception, SystemExit) as raised:
            error = _innermost(raised)
            self.refused = isinstance(error, RequestRefusedError)
            if isinstance(error, HeedfulError) and not isinstance(error, InputError | RequestRefusedError):
                raise error from None
            self.error = told(error)

    def took(self, seconds: float) -> None:
        """It took longer than this."""
        self.error, self.late = f"TimeoutError: it took longer than {seconds:g} seconds", True


def told(raised: BaseException) -> str:
    """An error in a line, with the line of the code that raised it; of a group, its first."""
    error = _innermost(raised)
    at = error.__traceback__
    while at is not None and at.tb_next is not None:
        at = at.tb_next
    where = "" if at is None else f" (line {at.tb_lineno} of {at.tb_frame.f_code.co_name})"
    return f"{type(error).__name__}: {error}{where}"


def in_time(work: Callable[[], None], seconds: float | None) -> bool:
    """Whether work ended in so many seconds. What did not is left to itself, in a thread that holds up no exit."""
    if seconds is None:
        work()
        return True
    done: Future[None] = Future()

    def worker() -> None:
        try:
            work()
        except BaseException as error:
            done.set_exception(error)
        else:
            done.set_result(None)

    Thread(target=copy_context().run, args=(worker,), daemon=True).start()
    if not wait([done], seconds).done:
        return False
    done.result()
    return True


def _innermost(error: BaseException) -> BaseException:
    """Of a group, such as that of `asyncio.TaskGroup`, what heedful raised of settings, else the first."""
    while isinstance(error, BaseExceptionGroup):
        own = [_innermost(each) for each in error.exceptions]
        error = next((each for each in own if isinstance(each, HeedfulError)), own[0])
    return error
