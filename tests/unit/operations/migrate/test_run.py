from pathlib import Path

import pytest

from compiler.change.plan import Kind, OnConflict, Options
from compiler.model.environment import Environment
from compiler.operations.migrate import migration
from compiler.refusal import Refusal
from tests.unit.conftest import Stores


def test_a_migration_is_planned_between_the_named_stores(
    environment: Environment, stores: Stores, tmp_path: Path
) -> None:
    assert stores.vault is not None
    stores.vault.seed("agents/jira", JIRA_TOKEN="t", JIRA_URL="u")
    options = Options(("jira",), root=tmp_path, stores=stores.live)
    change = migration(environment, "azure", None, options)
    planned = change.plan(None)
    assert (change.command, change.options) == ("migrate", options)
    assert {step.kind for step in planned.steps} == {Kind.CREATE}
    assert (set(planned.sources), set(planned.destinations)) == ({"vault"}, {"azure"})
    assert planned.stores["azure"] is stores.azure


def test_the_same_run_is_told_by_where_what_and_how(environment: Environment, stores: Stores, tmp_path: Path) -> None:
    def identity(to: str = "azure", source: str | None = None, **options: object) -> object:
        chosen = Options(root=tmp_path, stores=stores.live, **options)  # type: ignore[arg-type]
        return migration(environment, to, source, chosen).identity

    first = identity()
    assert first == identity(words=("whatever",))
    others = [
        identity(source="vault"),
        identity("vault"),
        identity(only=("jira",)),
        identity(all_properties=True),
        identity(on_conflict=OnConflict.SKIP),
        identity(recover=True),
        identity(stringify=True),
    ]
    assert first not in others
    assert identity(only=("a", "jira")[1:]) == identity(only=("jira",))


def test_a_store_is_not_copied_into_itself_and_an_unknown_one_is_named(
    environment: Environment, stores: Stores, tmp_path: Path
) -> None:
    options = Options(root=tmp_path, stores=stores.live)
    with pytest.raises(Refusal, match='both name the store "azure"') as same:
        migration(environment, "azure", environment.stores["azure"].name, options)
    assert same.value.help == "name another one with --from"
    with pytest.raises(Refusal):
        migration(environment, "azur", None, options)
