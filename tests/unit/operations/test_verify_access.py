"""What the caller lacks and has beyond a role, as each store says it."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from compiler.live.stores import LiveStores
from compiler.model.diagnostic import Diagnostic, Severity
from compiler.model.store import StoreAddress
from compiler.operations.references import named_cells
from compiler.operations.verify import verify_access
from compiler.pipeline import compile_project
from compiler.stores.errors import Action, Code, StoreError, StoreLocation
from compiler.stores.interface import Problem, Role, Use
from tests.agents_project import write_agents_project
from tests.unit.memory_store import MemoryStore


def found(
    root: Path, store: MemoryStore, role: Role = Role.READER, secrets: tuple[str, ...] = (), named: str | None = None
) -> tuple[Diagnostic, ...]:
    if not (root / "environments").exists():
        write_agents_project(root)
    project = compile_project(root, ["prod"]).project
    assert project is not None
    environment = project.environments[0]
    references = named_cells(environment, secrets, named)[0]

    def opener(_address: StoreAddress, _environ: Mapping[str, str]) -> MemoryStore:
        return store

    with LiveStores({}, opener) as stores:
        return verify_access(environment, references, role, stores)


def test_a_caller_with_what_a_role_takes_and_no_more_is_fine(tmp_path: Path) -> None:
    store = MemoryStore()
    store.excess = ""
    assert found(tmp_path, store, Role.RETIRER) == ()
    uses = frozenset({Use.DELETE_VERSIONS, Use.RECOVER_VERSIONS})
    assert store.access_asked == [{"agents/github": uses, "agents/jira": uses}] * 2


def test_only_what_is_named_is_asked(tmp_path: Path) -> None:
    store = MemoryStore()
    store.excess = ""
    assert found(tmp_path, store, Role.READER, ("github",), "azure") == ()
    # A key that is not in use has a place of its own there.
    assert list(store.access_asked[0]) == ["agents-github", "github-app-key"]


def test_what_lacks_stands_at_its_secret_with_the_rule(tmp_path: Path) -> None:
    store = MemoryStore()
    store.excess, store.denied = "", (Problem("forbidden", "agents/jira", "no policy grants it", "add to a policy: x"),)
    (diagnostic,) = found(tmp_path, store)
    assert (diagnostic.rule, diagnostic.severity) == ("missing-access", Severity.ERROR)
    assert diagnostic.message == '"agents/jira" in "vault" is not open to a reader: no policy grants it'
    assert diagnostic.help == "add to a policy: x"
    text = diagnostic.span.source.text[diagnostic.span.start : diagnostic.span.end]
    assert (diagnostic.span.path, text) == ("environments/base.yaml", "jira")


@pytest.mark.parametrize(("named", "words"), [(None, ""), ("vault", "")])
def test_what_is_beyond_is_a_warning_of_the_store(tmp_path: Path, named: str | None, words: str) -> None:
    store = MemoryStore()
    store.excess = "the token is a root token"
    (diagnostic,) = found(tmp_path, store, named=named)
    assert (diagnostic.rule, diagnostic.severity) == ("excess-access", Severity.WARNING)
    assert diagnostic.message.endswith('more in "vault" than a reader: the token is a root token')
    line = f"platform-secrets generate access prod --for reader --form hcl{words}"
    assert diagnostic.help == f"`{line}` writes what is enough"


def test_what_a_store_does_not_say_is_a_note(tmp_path: Path) -> None:
    store = MemoryStore()
    (diagnostic,) = found(tmp_path, store, named="azure")
    assert (diagnostic.rule, diagnostic.severity) == ("unknown-access", Severity.NOTE)
    store.denied = None
    assert [each.rule for each in found(tmp_path / "again", store)] == ["unknown-access"]


def test_a_store_that_does_not_answer_is_left_to_what_reads_it(tmp_path: Path) -> None:
    store = MemoryStore()
    error = StoreError(StoreLocation("https://memory"), Action.CONNECT, "it is down", "start it", Code.UNAVAILABLE)

    def fails(_uses: object) -> None:
        raise error

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(store, "check_access", fails)
        assert found(tmp_path, store) == ()


def test_a_place_that_is_no_secret_is_left_to_what_reads_it(tmp_path: Path) -> None:
    write_agents_project(tmp_path)
    catalogue = tmp_path / "environments/catalogue.yaml"
    catalogue.write_text(catalogue.read_text("utf-8").replace("azurekv: agents-github}", "azurekv: cert/github}"))
    store = MemoryStore()
    store.excess = ""
    assert found(tmp_path, store, named="azure") == ()
    assert list(store.access_asked[0]) == ["agents-jira"]
