"""Programs that cheat, destroy, hoard and hide: what a test must not be fooled by, and what must not be left behind."""

from __future__ import annotations

import contextlib
import os
import socket
import threading
import time
from pathlib import Path

import pytest

from heedful.core import Item
from heedful.evidence import Script, UnitTests
from heedful.evidence.sandbox.isolation import why_not
from heedful.evidence.sandbox.running import _status

TEST = "assert area(2, 3) == 6"
pytestmark = pytest.mark.skipif(bool(why_not()), reason=f"programs cannot be isolated here: {why_not()}")


def outcome(program: str, test: str | Script = TEST, **how):
    return UnitTests([test], **how).run([Item.of("", program)])[0][0]


FORGERIES = {
    "says it passed": """print('["passed", ""]', flush=True)""",
    "leaves with status 0": "import os\nos._exit(0)",
    "leaves when called": "import os\ndef area(a, b): os._exit(0)",
    "exits": "raise SystemExit(0)",
    "exits when called": "import sys\ndef area(a, b): sys.exit(0)",
    "equals everything": """
class Any(int):
    def __eq__(self, other): return True
    def __ne__(self, other): return False
    __hash__ = int.__hash__
    def __bool__(self): return True
def area(a, b): return Any(5)
""",
    "is an object that equals everything": """
class Any:
    def __eq__(self, other): return True
    def __req__(self, other): return True
    def __bool__(self): return True
def area(a, b): return Any()
""",
    "redefines what tests use": """
import builtins
class AssertionError(Exception): pass
builtins.AssertionError = KeyError
builtins.exec = builtins.compile = lambda *_, **__: None
def area(a, b): return 5
""",
    "looks for the answer on the stack": """
import sys
def area(a, b):
    frame = sys._getframe()
    while frame:
        for own in [*frame.f_locals.values(), *frame.f_globals.values()]:
            if isinstance(own, (str, bytes)) and '== 6' in str(own):
                return 6
        frame = frame.f_back
    return 5
""",
    "looks for the answer in memory": """
import gc
def area(a, b):
    found = [own for own in gc.get_objects() if isinstance(own, (list, dict, tuple)) and '== 6' in str(own)[:100_000]]
    return 6 if any('assert area' in str(own) for own in found) else 5
area.__doc__ = None
""".replace("'assert area'", "'asse' 'rt area'").replace("'== 6'", "'= ' '6'"),
    "writes answers of its own into every pipe": """
import os
def area(a, b):
    for fd in range(64):
        for told in (b'["passed", ""]\\n', b'{"value": ["tuple", [6, ["tuple", []]]]}\\n'):
            try: os.write(fd, told)
            except OSError: pass
    return 5
""".replace('["tuple", [6, ["tuple", []]]]', '["tuple", [["object", 0], ["tuple", [2, 3]]]]'),
    "answers nonsense": """
import os
def area(a, b):
    for fd in range(64):
        try: os.write(fd, b'[[[[' * 10_000 + b'\\n')
        except OSError: pass
    return 5
""",
    "answers deep nonsense": """
import os
def area(a, b):
    deep = b'["list", [' * 20_000 + b']]' * 20_000
    for fd in range(64):
        try: os.write(fd, b'{"value": ' + deep + b'}\\n')
        except OSError: pass
    return 5
""",
    "answers without end": """
import os
def area(a, b):
    for fd in range(3, 64):
        try:
            while True: os.write(fd, b'x' * 65536)
        except OSError: pass
    return 5
""",
    "raises what tests raise": "def area(a, b): raise AssertionError('passed')",
    "changes its numbers": """
import json
json.dumps = lambda *_, **__: '["passed", ""]'
def area(a, b): return 5
""",
    "stops itself": "import os, signal\ndef area(a, b): os.kill(os.getpid(), signal.SIGSTOP)",
    "kills its parent": "import os, signal\ndef area(a, b): os.kill(os.getppid(), signal.SIGKILL); return 5",
    "crashes": "import ctypes\ndef area(a, b): ctypes.string_at(0)",
    "recurses without end": """
import sys
sys.setrecursionlimit(10**9)
def area(a, b): return area(a, b)
""",
    "swallows signals": """
import signal
for own in range(1, 65):
    try: signal.signal(own, signal.SIG_IGN)
    except (OSError, ValueError): pass
def area(a, b):
    while True: pass
""",
    "sleeps": "import time\ndef area(a, b): time.sleep(1000)",
    "forks without end": "import os\ndef area(a, b):\n    while True: os.fork()",
    "forks without end, and does not mind": """
import os
def area(a, b):
    while True:
        try: os.fork()
        except OSError: pass
""",
    "hoards threads": """
import threading, time
def area(a, b):
    for _ in range(10_000): threading.Thread(target=time.sleep, args=(100,), daemon=True).start()
    return 5
""",
}


@pytest.mark.parametrize("program", FORGERIES.values(), ids=FORGERIES.keys())
def test_no_program_passes_but_by_being_right(program):
    found = outcome(program, seconds=0.5)
    assert found.kind != "passed"
    assert found.message
    after = outcome("def area(a, b): return a * b")
    assert after.kind == "passed"


def test_a_program_that_ends_is_not_taken_for_one_that_raises():
    lenient = "area\ntry:\n    area(-1, 2)\nexcept Exception:\n    pass\nelse:\n    assert False"
    assert outcome("def area(a, b): raise ValueError", lenient).kind == "passed"
    assert outcome("import os\ndef area(a, b): os._exit(0)", lenient).kind == "failed"


def test_a_program_cannot_put_functions_of_its_own_in_the_place_of_builtins():
    """It finds what answers for it, and slips a name that nobody asked for into the answer."""
    program = """
import gc, json
def yes(*_): return True
asked = next(own for own in gc.get_objects() if type(own).__name__ == 'Program')
real = json.dumps
def forged(reply):
    if isinstance(reply.get('value'), list) and reply['value'][0] == 'dict':
        reply['value'][1].append(['all', ['object', asked.number(yes)]])
    return real(reply)
json.dumps = forged
def area(a, b): return a + b
"""
    assert outcome(program, "assert all([area(a, 3) == 3 * a for a in range(3)])").kind == "failed"
    honest = "def area(a, b): return a * b\ndef all(_): return False"
    assert outcome(honest, "assert all([area(a, 3) == 3 * a for a in range(3)])").kind == "passed"


@pytest.mark.parametrize("said", [b"5", b"[[], 1, 2]", b"[" * 100_000, b'["x", "y", "' + b"z" * 5000 + b'"]'])
def test_what_a_script_says_of_itself_is_read_with_care(said):
    found = outcome(f"import os\nos.write(2, b'\\n' + {said!r})\nos._exit(1)", Script("", "5"))
    assert found.kind == "failed"
    assert len(found.message) < 600


def test_a_signal_without_a_name_is_told_by_its_number():
    assert _status(-40) == "signal 40"
    assert _status(-11) == "signal SIGSEGV"
    assert _status(3) == "exit status 3"


def test_a_script_cannot_print_without_end():
    loud = outcome("while True: print('x' * 1000)", Script("", "y"), seconds=1.0)
    assert loud.kind in ("failed", "timed out")
    assert len(loud.message) < 1000


DEEDS = {
    "open({place!r} + '/secret').read()": "reads",
    "open({place!r} + '/made', 'w')": "makes",
    "open({place!r} + '/secret', 'a').write('x')": "writes",
    "__import__('os').remove({place!r} + '/secret')": "deletes",
    "__import__('os').rename({place!r} + '/secret', {place!r} + '/moved')": "renames",
    "__import__('os').truncate({place!r} + '/secret', 0)": "cuts",
    "__import__('os').chmod({place!r} + '/secret', 0o777)": "opens to all",
    "__import__('os').utime({place!r} + '/secret', (0, 0))": "dates back",
    "__import__('os').symlink({place!r} + '/secret', {place!r} + '/link')": "links",
    "__import__('os').listdir({place!r})": "lists",
    "__import__('os').listdir(__import__('os').path.expanduser('~root'))": "lists a home",
    "open('/etc/passwd').read()": "reads names",
    "open('/proc/self/environ').read()": "reads an environment",
    "open('/proc/self/mem', 'r+b')": "opens its memory",
    "__import__('os').system('true') and 1 / 0": "runs a program",
    "__import__('subprocess').run(['/bin/true'])": "runs a program by another way",
    "__import__('os').execv('/bin/true', ['true'])": "becomes a program",
    "__import__('os').kill({pid}, 0)": "signals",
    "__import__('socket').create_connection(('127.0.0.1', {port}))": "connects",
    "__import__('socket').socket(__import__('socket').AF_UNIX)": "opens a local socket",
    "__import__('resource').setrlimit(0, (10**6, 10**6))": "lifts its limits",
    "__import__('os').sched_setaffinity(0, [0])": "moves to a core",
    "__import__('os').memfd_create('x')": "keeps files in memory",
    "__import__('fcntl').fcntl(0, __import__('fcntl').F_SETOWN, {pid})": "has another process signalled",
    "__import__('fcntl').fcntl(0, __import__('fcntl').F_SETSIG, 9)": "chooses the signal",
    "__import__('mmap').mmap(-1, 10**9)": "maps memory beyond its limit",
}


@pytest.mark.parametrize("deed", DEEDS, ids=DEEDS.values())
def test_what_a_program_must_not_do_fails_and_leaves_no_trace(deed, tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("hidden")
    before = secret.stat()
    with socket.create_server(("127.0.0.1", 0)) as server:
        told = deed.format(place=str(tmp_path), pid=os.getpid(), port=server.getsockname()[1])
        found = outcome(f"def area(a, b):\n    {told}\n    return 6")
    assert found.kind in ("failed", "refused", "out of memory"), found
    assert "line 2 of the program" in found.message
    assert (secret.stat(), secret.read_text()) == (before, "hidden")
    assert list(tmp_path.iterdir()) == [secret]


def test_the_same_deeds_are_done_where_nothing_is_sealed(tmp_path):
    """That the seal, and nothing else, refuses them."""
    (tmp_path / "secret").write_text("hidden")
    for deed in list(DEEDS)[:3]:
        assert (
            outcome(f"def area(a, b):\n    {deed.format(place=str(tmp_path))}\n    return 6", unsafe=True).kind
            == "passed"
        )
    assert (tmp_path / "made").exists()


def test_the_environment_is_empty_and_the_folder_is_none_of_ours():
    program = "import os\nseen = sorted(os.environ)\nwhere = os.getcwd()"
    assert outcome(program, "assert seen in (['LC_CTYPE', 'PYTHONHASHSEED'], ['PYTHONHASHSEED'])").kind == "passed"
    assert outcome(program, "assert where == '/'").kind == "passed"


def test_system_calls_of_other_conventions_and_of_later_kernels_are_refused():
    program = """
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
def area(a, b): return [libc.syscall(ctypes.c_long(n), 0, 0, 0, 0) for n in (425, 434, 435, 463, 1000, 0x40000000 + 41)]
shmat = 30 if os.uname().machine == "x86_64" else 196
def attach(): return libc.syscall(ctypes.c_long(shmat), 0, 0, 0), ctypes.get_errno()
"""
    assert outcome(program, "assert attach() == (-1, 1)").kind == "passed"
    assert outcome(program, "assert area(1, 2) == [-1] * 6").kind == "passed"


def test_threads_may_run():
    program = """
from concurrent.futures import ThreadPoolExecutor
def area(a, b):
    with ThreadPoolExecutor(2) as pool: return sum(pool.map(lambda _: a, range(b)))
"""
    assert outcome(program).kind == "passed"


def test_nothing_outlives_its_test():
    """Not even what ignores every signal it may."""
    mark = f"heedful-{os.getpid()}-{time.time_ns()}"
    program = FORGERIES["swallows signals"] + f"\nNAME = {mark!r}"
    before = set(_children())
    assert outcome(program, seconds=0.3).kind == "timed out"
    deadline = time.time() + 5
    while set(_children()) - before and time.time() < deadline:
        time.sleep(0.01)
    assert not set(_children()) - before


def test_many_threads_may_run_tests_at_once():
    found: list[str] = []

    def run(good: bool) -> None:
        body = "a * b" if good else "a + b"
        found.append(f"{good} {outcome(f'def area(a, b): return {body}').kind}")

    threads = [threading.Thread(target=run, args=(place % 2 == 0,)) for place in range(8)]
    for own in threads:
        own.start()
    for own in threads:
        own.join()
    assert sorted(found) == ["False failed"] * 4 + ["True passed"] * 4


def _children() -> list[str]:
    found: list[str] = []
    for task in Path(f"/proc/{os.getpid()}/task").iterdir():
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # a thread that ended meanwhile
            found += (task / "children").read_text().split()
    return found
