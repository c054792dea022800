import pytest

from compiler.stores.azure_key_vault.rules.deprecated_managed_identity import check
from tests.unit.rules.conftest import Judge


@pytest.mark.parametrize("identity", ["{}", "{clientId: a}"])
def test_finds_a_log_in_by_managed_identity(judge: Judge, identity: str) -> None:
    found = judge(check, f"stores: {{azure: {{render: true, auth: {{managedIdentity: {identity}}}}}}}")
    message = "logs in by managed identity, which External Secrets Operator calls deprecated"
    assert (found.messages, found.marked) == ([f'the store "azure" {message}'], ["managedIdentity"])


@pytest.mark.parametrize(
    "store",
    [
        "azure: {render: false, auth: {managedIdentity: {}}}",
        "azure: {render: true, auth: {workloadIdentity: {serviceAccount: {name: a}}}}",
        "azure: {render: true}",
        "vault: {render: true, auth: {managedIdentity: {}}}",
    ],
)
def test_leaves_others_alone(judge: Judge, store: str) -> None:
    assert not judge(check, f"stores: {{{store}}}")
