from dataclasses import replace

import pytest

from compiler.model.document import Node, Source, Span, extent
from compiler.model.environment import Store
from compiler.model.inventory import Cell
from compiler.model.store import Place
from compiler.operations.references import put_command, value_diagnostics, way_out_of
from compiler.stores.errors import Action, DisabledError, NotFoundError, SoftDeletedError, StoreLocation
from tests import providers

SOURCE = Source("environments/prod.yaml", "vault: {}\n")
NODE = Node({}, SOURCE, extent(7, 9, 0, 5))
VAULT = Store(
    "vault", providers.VAULT, "vault", "ClusterSecretStore", "", "https://v", "kv", None, rendered=False, node=NODE
)
HERE = Span(SOURCE, 0, 5)
PLACE = StoreLocation("https://v/kv", "platform/a b")


def asked(key: str = "TOKEN", store: Store = VAULT) -> Cell:
    place = Place("platform/a b", key)
    return Cell("github", key, store, place, HERE, HERE, ("github", key), serving=store, environment="dev")


def test_a_put_names_all_that_is_known() -> None:
    assert put_command([asked()]) == "`platform-secrets put dev github TOKEN`"
    assert put_command([asked(), asked("ID")]) == "`platform-secrets put dev github`"
    assert put_command([replace(asked(), serving=None)]) == "`platform-secrets put dev github TOKEN --store vault`"
    assert put_command([replace(asked(), environment=None)]) == "`platform-secrets put ENV github TOKEN`"


@pytest.mark.parametrize(("namespace", "option"), [(None, ""), ("team/a", "-namespace=team/a ")])
def test_a_deleted_secret_of_vault_is_recovered_by_a_command_that_can_be_pasted(
    namespace: str | None, option: str
) -> None:
    error = SoftDeletedError(PLACE, Action.READ, "its version 3 is deleted", "recover it", version="3")
    reference = asked(store=replace(VAULT, vault_namespace=namespace))
    assert way_out_of([reference], error) == (
        f"`bao kv undelete {option}-mount=kv -versions=3 'platform/a b'` recovers it"
    )


def test_a_deleted_secret_may_be_copied_again_from_another_store() -> None:
    error = SoftDeletedError(PLACE, Action.READ, "its version 3 is deleted", "recover it", version="3")
    copy = "platform-secrets migrate dev --to vault --from azure --only github --recover"
    own = "`bao kv undelete -mount=kv -versions=3 'platform/a b'` recovers it"
    assert way_out_of([replace(asked(), source="azure")], error) == f"{own}; or `{copy}` copies it there again"
    # A values file has no environment to migrate.
    assert way_out_of([replace(asked(), source="azure", environment=None)], error) == own


def test_a_deleted_secret_of_key_vault_is_recovered_by_its_id() -> None:
    azure = asked(store=replace(VAULT, provider=providers.KEY_VAULT))
    error = SoftDeletedError(
        StoreLocation("https://v.vault.azure.net", "gh"), Action.READ, "it is deleted", "recover it"
    )
    assert way_out_of([azure], error) == (
        "`az keyvault secret recover --id https://v.vault.azure.net/deletedsecrets/gh` recovers it"
    )


def test_of_other_refusals_the_stores_own_remedy_is_kept() -> None:
    for error in (
        DisabledError(PLACE, Action.READ, "it is disabled", "enable it"),
        SoftDeletedError(PLACE, Action.READ, "it is deleted", "enable it"),
        SoftDeletedError(StoreLocation("https://v/kv"), Action.READ, "it is deleted", "enable it", version="3"),
    ):
        assert way_out_of([asked()], error) == "enable it"
    missing = NotFoundError(PLACE, Action.READ, "it is not there", "create it")
    put = "`platform-secrets put dev github TOKEN` creates it; or correct its name"
    assert way_out_of([asked()], missing) == put
    copy = "platform-secrets migrate dev --to vault --from azure --only github"
    assert way_out_of([replace(asked(), source="azure")], missing) == (
        f'if only "azure" holds it, `{copy}` copies it; else {put}'
    )


def test_a_key_that_only_another_store_may_hold_is_copied_and_not_typed_again() -> None:
    (diagnostic,) = value_diagnostics([replace(asked(), source="azure")], None)
    copy = "platform-secrets migrate dev --to vault --from azure --only github"
    put = "`platform-secrets put dev github TOKEN` adds it; or leave it out with `use:`"
    assert diagnostic.help == f'if only "azure" holds it, `{copy}` copies it; else {put}'
    (diagnostic,) = value_diagnostics([asked()], None)
    assert diagnostic.help == put
