"""What a writing command says of an interrupt is true, wherever the interrupt comes."""

import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType

import pytest

import compiler
from compiler.cli.invocation import GOES_ON, NOTHING_WRITTEN
from tests.commands import Done
from tests.unit.cli.two_ends import AZURE, KEY, VAULT, Writing, journal, with_few_secrets

_HOME = Path(compiler.__file__).parent
# What stands between the command line and the engine; inside the engine, the proofs interrupt each request.
_WATCHED = {
    str(_HOME / path)
    for path in (
        "cli/main.py",
        "cli/invocation.py",
        "cli/running.py",
        *(f"cli/commands/{name}.py" for name in ("migrate", "put", "restore")),
        "change/apply.py",
        "change/undo.py",
        "live/stores.py",
    )
}
UNWRITTEN, BEGUN = f"interrupted; {NOTHING_WRITTEN}", f"interrupted; {GOES_ON}"
# Once the boundary has caught what there is to catch, the command is over; nor does it begin before signals are heeded.
_OVER = {"_run_reporting_errors", "main", "orderly_termination", "heeded"}


class Interrupting:
    """Sends SIGINT as a function that is watched is left, the one with that number; -1 for none. `left` are all."""

    def __init__(self, turn: int) -> None:
        self._turn = turn
        self.left: list[str] = []
        self.at = ""

    def __call__(self, frame: FrameType, event: str, _argument: object) -> None:
        code = frame.f_code
        if event != "return" or code.co_filename not in _WATCHED or code.co_name in _OVER:
            return
        if code.co_name.startswith("<"):
            # A comprehension is a line of its function.
            return
        place = f"{Path(code.co_filename).name}:{code.co_name}"
        if len(self.left) == self._turn:
            self.at = place
            sys.setprofile(None)
            signal.raise_signal(signal.SIGINT)
        self.left.append(place)


class Told:
    """A command that was interrupted at `place`, and what it said of that."""

    def __init__(self, place: str, done: Done) -> None:
        self.place, self.code, self.shown = place, done.code, done.out + done.err

    @property
    def line(self) -> str | None:
        """None where it came to its end."""
        if self.code == 0:
            return None
        (line,) = [line for line in self.shown.splitlines() if "interrupted" in line]
        return line


def interrupted(prepare: Callable[[], object], act: Callable[[], Done]) -> Iterator[Told]:
    """`act` with an interrupt as each function is left last, in turn; `prepare` comes before each.

    Of one that is left both before and after the plan is shown, the last time before that counts too.
    """
    # The first run of a process and a project does more than those that follow.
    watched(prepare, act, -1)
    left = watched(prepare, act, -1)[0].left
    assert len(set(left)) > 40
    shown = left.index("running.py:shows")
    lasts = {(place, turn > shown): turn for turn, place in enumerate(left)}
    for turn in lasts.values():
        interrupting, done = watched(prepare, act, turn)
        if not interrupting.at:
            return
        yield Told(interrupting.at, done)


def watched(prepare: Callable[[], object], act: Callable[[], Done], turn: int) -> tuple[Interrupting, Done]:
    prepare()
    interrupting = Interrupting(turn)
    # Where the tests run in a shell's background, an interrupt is ignored.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    sys.setprofile(interrupting)
    try:
        return interrupting, act()
    finally:
        sys.setprofile(None)
        signal.signal(signal.SIGINT, before)


def assert_true(writing: Writing, told: Told) -> None:
    """Each interrupted command ends with 130 and one line that is so, or came to its end."""
    assert "Traceback" not in told.shown, told.place
    assert "internal error" not in told.shown, told.place
    assert told.code in {0, 130}, (told.place, told.shown)
    assert told.line in {None, UNWRITTEN, BEGUN}, told.place
    assert told.line != UNWRITTEN or not writing.ends.azure.writes, told.place


@pytest.fixture
def project(project: Path) -> Path:
    return with_few_secrets(project)


@pytest.mark.heavy
@pytest.mark.parametrize("writing", ["migrate"], indirect=True)
def test_of_a_write_it_says_what_is_so(writing: Writing) -> None:
    azure, lines, value = writing.ends.azure, dict[str, str | None](), iter(range(1_000))

    def prepare() -> None:
        writing.has(f"value-{next(value)}")
        azure.writes.clear()

    for told in interrupted(prepare, lambda: writing.over("--apply", "--quiet")):
        assert_true(writing, told)
        lines[told.place] = told.line
        assert writing.over("--apply").code == 0, told.place
        assert azure.shown(AZURE) == writing.ends.vault.shown(VAULT)
    # The run is begun, the last write is done, the outcome told, the stores closed.
    assert lines["running.py:shows"] == UNWRITTEN
    for place in ("apply.py:_apply_locked", "apply.py:carry_out", "running.py:end", "main.py:_run"):
        assert lines[place] == BEGUN, place


@pytest.mark.heavy
@pytest.mark.parametrize("writing", ["put"], indirect=True)
def test_of_an_undo_it_says_what_is_so(writing: Writing) -> None:
    azure, lines = writing.ends.azure, dict[str, str | None]()
    azure.seed(AZURE, **{KEY: "before"})
    assert writing.over("--apply").code == 0
    done, stored = journal(writing.project), tuple(azure.versions[AZURE])
    run, noted = done.stem, done.read_bytes()

    def prepare() -> None:
        done.write_bytes(noted)
        azure.versions[AZURE] = list(stored)
        azure.writes.clear()

    for told in interrupted(prepare, lambda: writing.undo(run, "--apply", "--quiet")):
        assert_true(writing, told)
        lines[told.place] = told.line
        assert writing.undo(run, "--apply").code == 0, told.place
        assert azure.shown(AZURE) == {KEY: "before"}
    assert lines["running.py:shows"] == UNWRITTEN
    for place in ("undo.py:undo_run", "running.py:end", "main.py:_run"):
        assert lines[place] == BEGUN, place
