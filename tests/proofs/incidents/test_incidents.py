"""Plays each incident from its symptom: the first command names the cause, and the lines that it prints mend it."""

import re
import time
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest

from compiler.demo.local_openbao import LocalOpenBao
from compiler.operations import rotate_live, status_wait
from compiler.stores.pacing import Clock
from tests.commands import Done
from tests.faulty_key_vault import FaultyKeyVault, Limits, VaultOptions
from tests.openbao_servers import await_kv
from tests.proofs.incidents.others import carry_out
from tests.proofs.incidents.scene import FastClock, PlayedCluster, Scene
from tests.proofs.incidents.table import INCIDENTS, STATUS, Incident

# As many lines as people paste before they ask somebody.
MOST = 7
# What `--rbac` calls optional, as verbs and plurals.
OPTIONAL = (
    *("list secrets", "list pods", "list events", "list deployments", "get clustersecretstores", "get secretstores"),
    *("get namespaces", "get deployments", "get pods", "get events"),
)
# What stands before the lines that commands print for people to go on with.
LEADS = "next|to take it over|to continue|then close it"
_OWN = "platform-secrets "
_PROGRAMS = ("platform-secrets", "argocd", "az", "bao", "helm", "kubectl", "vault")
_MOUNTS = count()


class SkippedWaits:
    """The clock by which commands wait for a store: what they would sleep has passed at once."""

    def __init__(self) -> None:
        self._skipped = 0.0

    def now(self) -> float:
        return time.monotonic() + self._skipped

    def sleep(self, seconds: float) -> None:
        self._skipped += max(0.0, seconds)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalOpenBao]:
    """A server that is sealed and unsealed."""
    with LocalOpenBao.start_dev(tmp_path_factory.mktemp("openbao")) as made:
        made.call("POST", "sys/auth/approle", {"type": "approle"})
        yield made


@pytest.fixture
def scene(
    server: LocalOpenBao, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Scene]:
    mount = f"incidents-{next(_MOUNTS)}"
    server.call("POST", f"sys/mounts/{mount}", {"type": "kv", "options": {"version": "2"}})
    await_kv(server, mount)
    monkeypatch.setattr(status_wait, "_PAUSE", 0.01)
    monkeypatch.setattr(rotate_live, "_PAUSE", 0.01)
    waiting = SkippedWaits()
    monkeypatch.setattr(Clock, "now", lambda _: waiting.now())
    monkeypatch.setattr(Clock, "sleep", lambda _, seconds: waiting.sleep(seconds))
    clock = FastClock()
    options = VaultOptions(limits=Limits(None, None), clock=clock)
    with FaultyKeyVault(options) as azure, PlayedCluster() as cluster:
        made = Scene(tmp_path / "project", server, mount, azure, clock, cluster, monkeypatch, capsys)
        made.prepare()
        yield made
        made.close()


EVERY = pytest.mark.parametrize("incident", INCIDENTS, ids=[each.id for each in INCIDENTS])


def test_every_incident_is_played() -> None:
    assert {each.number for each in INCIDENTS} == set(range(1, 26)) - {15}


def test_a_platform_that_is_well_is_said_to_be(scene: Scene) -> None:
    assert scene.defects() == []
    done = scene.run(*STATUS)
    assert (done.code, done.out.count("in effect")) == (0, 3), done
    assert _codes(scene, STATUS) == []
    scene.refuse(*OPTIONAL)
    done = scene.run(*STATUS)
    assert (done.code, "not asked: " in done.out) == (0, True), done


@EVERY
def test_the_first_command_names_the_cause_and_its_lines_mend_it(scene: Scene, incident: Incident) -> None:
    incident.happens(scene)
    done = scene.run(*incident.command, *scene.options)
    _check_claims(scene, incident, done)
    text = done.out + done.err
    assert [each for each in incident.says if not re.search(each, text)] == [], text
    assert done.code == incident.exit_code, text
    codes = _codes(scene, incident.command)
    assert codes[:1] == ([incident.code] if incident.code is not None else []), text
    assert set(codes) <= {incident.code, *incident.beside}, text
    offline = scene.run("status", "prod", "--offline", "--cluster")
    assert "s3ntinel" not in offline.out + offline.err
    pasted = _paste(scene, incident, done)
    assert len(pasted) <= MOST, "\n".join(pasted)
    assert scene.defects() == [], "\n".join(pasted)


@EVERY
def test_without_the_optional_rights_nothing_is_claimed_that_was_not_asked(scene: Scene, incident: Incident) -> None:
    incident.happens(scene)
    scene.refuse(*OPTIONAL)
    done = scene.run(*incident.command, *scene.options)
    _check_claims(scene, incident, done)
    assert "not asked: " in done.out or done.code not in (0, 1), done
    assert "all are in effect" not in done.out
    assert set(_codes(scene, incident.command)) <= {incident.code, *incident.beside, *incident.coarser}, done


def _codes(scene: Scene, command: tuple[str, ...]) -> list[str]:
    (environment,) = scene.run(*command, *scene.options, "--format", "json").report["environments"]
    return [each["code"] for each in environment["causes"]]


def _check_claims(scene: Scene, incident: Incident, done: Done) -> None:
    """Nothing is said that is not true of this platform, and no value."""
    text = done.out + done.err
    assert "Traceback" not in text
    assert "s3ntinel" not in text
    false = [each for each in incident.never if re.search(each, text)]
    if scene.is_operator_whole:
        false += re.findall(r"operator (?:seems not to run|does not run|is down)", text)
    if not scene.is_sealed:
        false += re.findall(r"is sealed", text)
    assert false == [], text


def _paste(scene: Scene, incident: Incident, done: Done) -> list[str]:
    """Paste what the newest screen says first, then what is left of the one before, until the platform is well."""
    pasted: list[str] = []
    waiting = list(_lines(done, incident.before))
    while True:
        if not waiting:
            done = scene.run(*incident.command, *scene.options)
            if not scene.defects() and done.code == 0:
                return pasted
            leads = [each for each in _lines(done, incident.before) if each not in pasted]
            waiting = leads or [*_lines(done, LEADS)]
        fresh = [each for each in waiting if each not in pasted]
        assert fresh, "\n".join(("no line is left", *pasted, done.out, done.err))
        assert len(pasted) < MOST, "\n".join((*pasted, done.out, done.err))
        line, *waiting = fresh
        pasted.append(line)
        if (screen := _carry_out(scene, incident, line)) is not None:
            # What a line leads to comes before what stood behind it.
            agreed = [f"{line} --apply"] if "; add --apply to write this" in screen.out + screen.err else []
            done, waiting = screen, [*agreed, *_lines(screen, f"{LEADS}|{incident.before}"), *waiting]
        if not scene.defects():
            waiting = []


def _lines(done: Done, before: str) -> Iterator[str]:
    """The lines to paste of a screen, or the words in the place of one."""
    for each in done.out.splitlines() + done.err.splitlines():
        if (found := re.search(rf"(?:^\s*|; |, |wrote here )(?:{before}): (.*)", each)) is not None:
            yield found[1].split("`")[1] if found[1].startswith("`") else found[1]


def _carry_out(scene: Scene, incident: Incident, line: str) -> Done | None:
    """What others do once they have read the line, then the line itself; returns the screen of this program."""
    acts = [act for form, act in incident.others.items() if re.search(form, line)]
    for act in acts:
        act(scene)
    if f", then: {_OWN}" in line:
        # What people do first, in words, and the line behind it.
        line = line.rpartition(", then: ")[2]
    if line.startswith(_OWN):
        done = scene.run(*line.split()[1:])
        return done if "usage" not in done.err else pytest.fail(done.err)
    if line.split(maxsplit=1)[0] in _PROGRAMS and not acts:
        carry_out(scene, line)
    elif not acts:
        pytest.fail(f"nobody does this: {line}")
    return None
