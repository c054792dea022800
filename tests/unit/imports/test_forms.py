from collections.abc import Callable
from pathlib import Path

import pytest

from tests import providers
from tests.commands import Done, run_command
from tests.unit.imports.conftest import STORE, external_secret

SENTINEL = "sentinel-4711"
CLASS = """\
apiVersion: secrets-store.csi.x-k8s.io/v1
kind: SecretProviderClass
metadata: {name: a, namespace: shop}
spec:
  provider: %s
  secretObjects: [{secretName: a, data: [{objectName: word, key: WORD}]}]
  parameters:
    %s
    objects: |
%s
"""


@pytest.fixture
def bring_class(project: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., Done]:
    def run(provider: str, parameters: str, objects: str, *words: str) -> Done:
        text = CLASS % (provider, parameters, "\n".join(f"      {line}" for line in objects.splitlines()))
        (project / "in.yaml").write_text(text, "utf-8")
        return run_command(capsys, "import", "secret-provider-class", "in.yaml", "--environment", "dev", *words)

    return run


VAULT = "- {objectName: word, secretPath: secret/data/a, secretKey: x%s}"
AZURE = "array:\n  - |\n    objectName: word\n    %s"


@pytest.mark.parametrize(
    ("provider", "parameters", "objects", "said"),
    [
        ("vault", "roleName: r", VAULT % ", method: PUT", "`method: PUT` is not supported"),
        ("vault", "roleName: r", VAULT % f", secretArgs: {{a: {SENTINEL}}}", "`secretArgs` is not supported"),
        ("vault", "roleName: r", VAULT % ", encoding: base64", "`encoding: base64` is not supported"),
        ("azure", "keyvaultName: shop", AZURE % "objectType: key", "`objectType: key` is not supported"),
        ("azure", "keyvaultName: shop", AZURE % "objectEncoding: base64", "`objectEncoding: base64` is not supported"),
        ("azure", "keyvaultName: shop", AZURE % "objectFormat: pfx", "`objectFormat: pfx` is not supported"),
        ("azure", "keyvaultName: shop", f"array: [{SENTINEL}", '`objects` has no "word"'),
        ("gcp", f"secrets: {SENTINEL}", "- a", "its provider is not supported"),
    ],
)
def test_what_the_driver_does_and_the_operator_does_not_is_refused(
    bring_class: Callable[..., Done], provider: str, parameters: str, objects: str, said: str
) -> None:
    done = bring_class(provider, parameters, objects)
    assert (done.code, said in done.err) == (1, True), done.err
    assert SENTINEL not in done.out + done.err


def test_a_class_is_imported_into_the_store_that_an_option_names(
    project: Path, bring_class: Callable[..., Done]
) -> None:
    done = bring_class("azure", "keyvaultName: shop", AZURE % "objectType: secret", "--store", "aks=azurekv", "--apply")
    assert done.code == 0, done.err
    written = (project / "environments/dev.yaml").read_text("utf-8")
    assert "name: aks" in written
    assert "vaultUrl: https://shop.vault.azure.net" in written


def test_a_vault_without_an_address_is_the_environments_only_one(bring_class: Callable[..., Done]) -> None:
    done = bring_class("vault", "roleName: r", VAULT % "")
    assert "store vault: as it is; the manifests do not say its address" in done.out
    assert "proof: 1 key " in done.out


def test_the_parameters_mean_settings_of_a_store() -> None:
    assert providers.KEY_VAULT.csi_settings({"keyvaultName": "a", "cloudName": "AzureChinaCloud", "tenantID": "t"}) == {
        "vaultUrl": "https://a.vault.azure.cn",
        "tenantId": "t",
        "environmentType": "ChinaCloud",
    }
    assert providers.VAULT.csi_settings({"vaultAddress": "https://v", "vaultNamespace": "n"}) == {
        "server": "https://v",
        "vaultNamespace": "n",
    }
    assert providers.KEY_VAULT.csi_settings({}) == providers.VAULT.csi_settings({}) == {}


@pytest.mark.parametrize(
    ("text", "renames"),
    [
        ("'{{ .x }}'", True),
        ("'{{.x|toString}}'", True),
        ("'{{ index . \"x\" }}'", True),
        ('" {{- .x -}} \\n"', True),
        ('"{{ .x }}\\n"', False),
        ('" {{ .x }}"', False),
        ('" {{- .x }} "', False),
    ],
)
def test_a_text_with_space_outside_of_its_action_is_kept(
    bring: Callable[..., Done], project: Path, text: str, *, renames: bool
) -> None:
    spec = (
        f"target: {{template: {{data: {{KEY: {text}}}}}}}\ndata: [{{secretKey: x, remoteRef: {{key: a, property: x}}}}]"
    )
    done = bring(STORE + external_secret("a", spec), "--apply")
    assert done.code == 0, done
    catalogue = (project / "environments/catalogue.yaml").read_text("utf-8")
    assert ("property: x" in catalogue) is renames
    assert ("template:" in catalogue) is not renames
    if not renames:
        assert f"KEY: {text}" in catalogue


def test_an_empty_template_leaves_the_fetched_keys(bring: Callable[..., Done]) -> None:
    spec = "target: {template: {data: {}}}\ndata: [{secretKey: x, remoteRef: {key: a, property: x}}]"
    done = bring(STORE + external_secret("a", spec))
    assert (done.code, "with x" in done.out) == (0, True)
