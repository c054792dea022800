"""Orders the suite, says when it is traced and how long data is generated, and finds the installed Helms."""

import gc
import os
import pkgutil
import re
import shutil
import signal
import subprocess
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, is_hypothesis_test, settings

from compiler.demo.local_openbao import LocalOpenBao
from tests.hermetic import leave_home
from tests.openbao_servers import RaftOpenBao
from tests.proposed_lines import ProposedLines
from tests.read_once import read_once

ROOT = Path(__file__).resolve().parent.parent
CHART = ROOT / "chart"
# Seconds a test: begun first, so that no worker is left with them when the others have run out of work.
LONGEST = (
    "tests/hostile/test_resources.py",
    "tests/hostile/test_lying_api_server.py",
    "tests/hostile/test_read_back.py",
    "tests/docs/test_tutorial.py",
    "tests/ci/test_action.py",
    "tests/determinism",
    "tests/unit/scripts/test_e2e.py",
    "tests/unit/operations/test_age_file.py",
    "tests/docs",
    "tests/wheel",
    "tests/proofs/machine",
    "tests/proofs/verify",
    "tests/proofs",
    "tests/contract",
    "tests/hostile",
)
# What the tests keep is out of reach of the collector, and the cycles that they leave are few: the 700, 10 and 10 of
# Python would take a thirtieth of the time of tests that start no program.
GARBAGE_THRESHOLDS = (20_000, 20, 50)
# Large packages that the program's modules import: tracing each of their lines, to keep none, takes seconds.
THIRD_PARTY = ("azure.identity", "azure.keyvault.secrets", "hvac", "jsonschema", "pyrage", "requests", "ruamel.yaml")
# Tests of what commands do with a project: that each reads it anew would prove no more than tests/unit/stages does.
READ_ONCE = (
    *(f"tests/unit/{room}" for room in ("change", "cli", "cluster", "consumers", "edit", "generate", "live")),
    "tests/unit/operations",
    "tests/unit/test_helm.py",
    "tests/unit/scripts/test_e2e.py",
    "tests/unit/scripts/end_to_end",
    "tests/platform",
    "tests/argocd",
    "tests/property/test_environment_edit.py",
    "tests/proofs",
    "tests/output",
    "tests/sentinel",
    "tests/scenarios",
)

leave_home()
# Here, before any test is imported: a decorator that sets one thing takes the rest from what is loaded then. No
# deadline: how long an example takes is up to the machine, which may be busy. The same examples in each run, so that a
# change alone can fail it; `make proofs` looks for new ones.
settings.register_profile(
    "platform-secrets",
    deadline=None,
    max_examples=80,
    derandomize="PLATFORM_SECRETS_PROOFS" not in os.environ,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
settings.load_profile("platform-secrets")


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(ProposedLines(), "proposed-lines")


@pytest.hookimpl(tryfirst=True)
def pytest_sessionstart(session: pytest.Session) -> None:
    """End what --cov starts in a worker before it starts what counts: on top of it, each pause would resume it."""
    tracer = _tracer(session.config)
    if tracer is not None and hasattr(session.config, "workerinput"):
        tracer.pause()


@pytest.hookimpl(wrapper=True)
def pytest_collection(session: pytest.Session) -> Generator[None, object, object]:
    """Trace what the program's modules do when they are imported, and not how pytest reads its tests.

    What it reads stays to the end: nothing of it is garbage, nor looked at whenever garbage is collected.
    """
    tracer = _tracer(session.config)
    if tracer is not None:
        tracer.pause()
        # Once is enough: by the process that has nothing else to do before the workers have read the tests.
        if "PYTEST_XDIST_WORKER" not in os.environ:
            _import_what_is_traced(tracer)
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.set_threshold(*GARBAGE_THRESHOLDS)
        gc.enable()


def pytest_itemcollected(item: pytest.Item) -> None:
    """Mark what --cov measures, in `make coverage` and beside the whole suite: unit tests and scenarios of the program.

    Not what a chance or a measurement is in: a branch that chance alone reaches is not covered in every run.
    """
    file = item.nodeid.partition("::")[0]
    is_unit_test = _is_below(file, "tests/unit") and not _is_below(file, "tests/unit/scripts")
    is_of_program = is_unit_test or _is_below(file, "tests/scenarios")
    if is_of_program and not item.get_closest_marker("heavy") and not is_hypothesis_test(getattr(item, "obj", None)):
        item.add_marker("measured")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Longest first, in the order of LONGEST, files kept whole for the servers that they share; then the rest."""
    items.sort(key=_place)


@pytest.hookimpl(wrapper=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> Generator[None, object, object]:
    """Trace a test, not what pytest does around it nor what fixtures prepare: a test covers what it runs itself."""
    tracer = _tracer(pyfuncitem.config)
    if tracer is None or pyfuncitem.get_closest_marker("measured") is None:
        return (yield)
    tracer.resume()
    try:
        return (yield)
    finally:
        tracer.pause()


def _import_what_is_traced(tracer: Any) -> None:  # noqa: ANN401 - of a plugin without types
    """Import the program's modules, traced, after the packages that they need, untraced: the clients of the stores."""
    for package in THIRD_PARTY:
        import_module(package)
    tracer.resume()
    for module in pkgutil.walk_packages([str(ROOT / "compiler")], "compiler."):
        import_module(module.name)
    tracer.pause()


def _tracer(config: pytest.Config) -> Any:  # noqa: ANN401 - of a plugin without types
    """What --cov started, if it was given."""
    return getattr(config.pluginmanager.getplugin("_cov"), "cov_controller", None)


@pytest.fixture(autouse=True, scope="module")
def files_read_once(request: pytest.FixtureRequest) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as monkeypatch:
        if any(_is_below(request.node.nodeid, path) for path in READ_ONCE):
            read_once(monkeypatch)
        yield


def _place(item: pytest.Item) -> int:
    return _place_of(item.nodeid.partition("::")[0])


@cache
def _place_of(file: str) -> int:
    return next((place for place, path in enumerate(LONGEST) if _is_below(file, path)), len(LONGEST))


def _is_below(file: str, path: str) -> bool:
    return f"{file}/".startswith(f"{path}/")


@pytest.fixture(scope="module")
def hangups() -> Iterator[None]:
    """Lets SIGHUP end a process, which nohup prevents: programs started here inherit that."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)


@pytest.fixture(scope="session")
def openbao(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalOpenBao]:
    """One server for the tests of a process: each uses a mount or names of its own."""
    with LocalOpenBao.start_dev(tmp_path_factory.mktemp("openbao")) as server:
        yield server


@pytest.fixture(scope="module")
def raft(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalOpenBao]:
    """A server with storage on disk and TLS, which few modules need; a test that seals it unseals it."""
    with RaftOpenBao.start_raft(tmp_path_factory.mktemp("raft")) as server:
        yield server


# A third of a Helm's time is Go's: it collects garbage, on as many threads as there are cores, for a tenth of a second.
ONE_SHORT_RUN = {"GOGC": "off", "GOMAXPROCS": "1"}


@dataclass(frozen=True)
class Helm:
    """One Helm, run by its full path and without a person's repositories, plugins and cluster."""

    path: str
    major: int
    home: Path

    def run(self, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
        environment = {"PATH": os.defpath, "HOME": str(self.home), "KUBECONFIG": os.devnull, **ONE_SHORT_RUN}
        return subprocess.run(
            [self.path, *map(str, arguments)], capture_output=True, text=True, check=False, env=environment, timeout=60
        )

    def template(self, *values: Path, chart: Path = CHART, options: tuple[str, ...] = ()) -> str:
        """What `helm template` prints; a refusal fails the test with Helm's own words."""
        files = [argument for path in values for argument in ("--values", str(path))]
        done = self.run("template", "platform-secrets", chart, *files, *options)
        assert done.returncode == 0, done.stderr
        return done.stdout


def installed_helm(major: int) -> str | None:
    """The path of the Helm of this major: named by HELM3 or HELM4, in .tools, or on PATH."""
    candidates = (os.environ.get(f"HELM{major}"), str(ROOT / f".tools/helm{major}/helm"), shutil.which("helm"))
    for path in filter(None, candidates):
        if Path(path).is_file():
            version = subprocess.run([path, "version", "--short"], capture_output=True, text=True, check=False).stdout
            if re.match(rf"v{major}\.", version):
                return path
    return None


@pytest.fixture(scope="session")
def helms(tmp_path_factory: pytest.TempPathFactory) -> tuple[Helm, ...]:
    """Helm 3 and Helm 4, in this order. Both, always: what only one of them accepts is a defect."""
    found = {major: installed_helm(major) for major in (3, 4)}
    missing = " and ".join(f"Helm {major}" for major, path in found.items() if path is None)
    if missing:
        pytest.skip(f"{missing} not found: run scripts/install_helm.sh")
    home = tmp_path_factory.mktemp("helm-home")
    return tuple(Helm(path, major, home) for major, path in found.items() if path)


@pytest.fixture(params=[3, 4], ids=["helm3", "helm4"])
def helm(request: pytest.FixtureRequest, helms: tuple[Helm, ...]) -> Helm:
    """Each Helm in turn."""
    return next(each for each in helms if each.major == request.param)
