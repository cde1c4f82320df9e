"""Errors that say what was wrong, where, and what to do."""


class HeedfulError(Exception):
    """Base of every error that heedful raises on purpose.

    `what` states the fault, `where` the file, line, record or argument, `fix` the way out.
    """

    def __init__(self, what: str, *, where: str | None = None, fix: str | None = None) -> None:
        self.what, self.where, self.fix = what, where, fix
        place = f"{where}: " if where else ""
        remedy = f" Fix: {fix}" if fix else ""
        super().__init__(f"{place}{what}{remedy}")


class UsageError(HeedfulError):
    """An argument, flag or project file is wrong."""


class InputError(HeedfulError):
    """A file or record cannot be read as what it claims to be."""


class FitError(HeedfulError):
    """No likelihood can be fitted to the feedback given."""


class ScaleError(HeedfulError):
    """Potentials were combined in a way their scales do not allow."""


class BudgetExceededError(HeedfulError):
    """A step would spend beyond its budget; nothing was spent on it."""


class EndpointError(HeedfulError):
    """A server cannot be used as asked: it refuses, or what it answers is no answer."""


class RequestRefusedError(EndpointError):
    """A server does not take this one request, which may be too long or filtered; it may take others."""


class MissingExtraError(HeedfulError):
    """An optional dependency is not installed."""

    def __init__(self, package: str, extra: str) -> None:
        super().__init__(f"this needs the package {package!r}", fix=f"pip install 'heedful[{extra}]'")
