import base64
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from compiler.demo.local_key_vault import CertificateAuthority
from compiler.imports.sources import open_target
from compiler.refusal import Refusal
from tests.commands import Done, run_command
from tests.unit.imports.conftest import STORE, external_secret

KEY = "data: [{secretKey: A, remoteRef: {key: shop/a, property: A}}]"
Bring = Callable[..., Done]


def test_a_folder_without_a_project_leads_to_a_new_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "in.yaml").write_text(STORE + external_secret("a", KEY), "utf-8")
    done = run_command(capsys, "import", "external-secrets", "in.yaml", "--environment", "dev")
    assert done.code == 2
    assert "`platform-secrets new project`" in done.err
    assert [path.name for path in tmp_path.iterdir()] == ["in.yaml"]


def test_an_environment_with_errors_is_not_written_into(project: Path, bring: Bring) -> None:
    (project / "environments/dev.yaml").write_text("secrets: {nobody: {}}\n", "utf-8")
    with pytest.raises(Refusal, match="the input has errors"):
        open_target(project, "dev")
    assert bring(STORE + external_secret("a", KEY), "--apply").code == 1
    assert (project / "environments/dev.yaml").read_text("utf-8") == "secrets: {nobody: {}}\n"


def test_what_people_wrote_stays_byte_for_byte(project: Path, bring: Bring) -> None:
    own = "# by hand\nlabels: {team: shop}   # kept\n"
    (project / "environments/dev.yaml").write_text(own, "utf-8")
    catalogue = (project / "environments/catalogue.yaml").read_text("utf-8")
    assert bring(STORE + external_secret("a", KEY), "--apply").code == 0
    written = (project / "environments/dev.yaml").read_text("utf-8")
    assert "# by hand\n" in written
    assert "labels: {team: shop}   # kept\n" in written
    assert (project / "environments/catalogue.yaml").read_text("utf-8").startswith(catalogue)


def test_a_file_in_a_form_without_a_place_is_refused_and_nothing_is_written(project: Path, bring: Bring) -> None:
    (project / "environments/dev.yaml").write_text("{labels: {team: shop}}\n", "utf-8")
    catalogue = (project / "environments/catalogue.yaml").read_text("utf-8")
    done = bring(STORE + external_secret("a", KEY), "--apply")
    assert done.code == 2
    assert "is not written as a block" in done.err
    assert (project / "environments/catalogue.yaml").read_text("utf-8") == catalogue


def test_a_second_run_adds_overrides_and_never_a_second_entry(project: Path, bring: Bring) -> None:
    assert bring(STORE + external_secret("a", KEY), "--apply").code == 0
    catalogue = (project / "environments/catalogue.yaml").read_text("utf-8")
    other = STORE.replace("vault.example", "vault.prod") + external_secret("a", KEY.replace("shop/a", "prod/a"))
    assert bring(other, "--apply", environment="prod").code == 0
    assert (project / "environments/catalogue.yaml").read_text("utf-8") == catalogue
    assert "remote: {vault: prod/a}" in (project / "environments/prod.yaml").read_text("utf-8")
    assert "nothing to write" in bring(other, environment="prod").out
    # Into the environment's own list, which has it already.
    assert bring(other.replace("prod/a", "new/a"), "--apply", environment="prod").code == 0
    assert "new/a" in (project / "environments/prod.yaml").read_text("utf-8")
    assert (project / "environments/catalogue.yaml").read_text("utf-8") == catalogue


def test_a_key_that_an_entry_has_elsewhere_is_refused_by_name_and_line(bring: Bring) -> None:
    keys = (
        "data:\n- {secretKey: A, remoteRef: {key: a, property: x}}\n- {secretKey: B, remoteRef: {key: a, property: B}}"
    )
    assert bring(STORE + external_secret("a", keys), "--apply").code == 0
    done = bring(STORE + external_secret("a", keys.replace("property: x", "property: y")), environment="prod")
    assert 'in.yaml:12:37: warning[not-imported]: ExternalSecret "a" is refused' in done.err
    assert 'the catalogue has "A" at another path in the store' in done.err


def test_variants_choose_the_keys_of_an_environment(project: Path, bring: Bring) -> None:
    two = KEY.replace("]", ", {secretKey: B, remoteRef: {key: shop/a, property: B}}]")
    assert bring(STORE + external_secret("a", two), "--apply").code == 0
    fewer = STORE + external_secret("a", KEY)
    assert 'the entry has the key "B" as well' in bring(fewer, environment="prod").err
    catalogue = project / "environments/catalogue.yaml"
    catalogue.write_text(catalogue.read_text("utf-8").replace("B: {}", "B: {variants: [more]}"), "utf-8")
    (project / "environments/prod.yaml").write_text(
        "secrets:\n  a: {use: [], namespace: shop, enabled: false}\n", "utf-8"
    )
    assert 'the environment has "a" disabled' in bring(fewer, environment="prod").err
    (project / "environments/prod.yaml").write_text("secrets:\n  a: {use: [], namespace: shop}\n", "utf-8")
    done = bring(fewer, "--apply", environment="prod")
    assert (done.code, "proof: 1 key " in done.out) == (0, True), done.err


def test_secrets_of_an_environment_are_not_moved_to_another_store(project: Path, bring: Bring) -> None:
    assert bring(STORE + external_secret("a", KEY), "--apply").code == 0
    before = (project / "environments/dev.yaml").read_text("utf-8")
    done = bring(STORE.replace("vault.example", "other.example") + external_secret("b", KEY), "--apply")
    assert 'has secrets in another store "backend": server differs' in done.err
    assert done.code == 1
    assert (project / "environments/dev.yaml").read_text("utf-8") == before


def test_a_prefix_of_a_store_is_used_and_none_is_invented(project: Path, bring: Bring) -> None:
    store = "{provider: vault, name: backend, server: https://vault.example.com, prefix: shop/}"
    own = f"stores:\n  backend: {store}\n"
    (project / "environments/dev.yaml").write_text(own, "utf-8")
    inside, outside = external_secret("in", KEY), external_secret("out", KEY.replace("shop/a", "else/a"))
    done = bring(STORE + inside + outside, "--apply")
    assert 'ExternalSecret "out" is refused: its names do not begin with the prefix "shop/"' in done.err
    assert "remote: {vault: a}" in (project / "environments/catalogue.yaml").read_text("utf-8")


def test_a_secret_that_two_objects_make_is_taken_once(bring: Bring) -> None:
    done = bring(STORE + external_secret("a", KEY) + external_secret("b", f"target: {{name: a}}\n{KEY}"))
    assert 'ExternalSecret "b" is refused: ExternalSecret "a" makes the Secret "a" too' in done.err
    assert "1 object with 1 key taken, 1 object with 1 key refused" in done.out


def test_what_breaks_a_rule_is_refused_and_the_rest_is_taken(bring: Bring) -> None:
    wrong = KEY.replace("shop/a", "data/shop/a")
    done = bring(STORE + external_secret("good", KEY) + external_secret("wrong", wrong), "--apply")
    assert 'ExternalSecret "wrong" is refused' in done.err
    assert "1 object with 1 key taken, 1 object with 1 key refused" in done.out
    assert done.code == 0


def test_what_is_printed_can_be_run(bring: Bring, capsys: pytest.CaptureFixture[str]) -> None:
    done = bring(STORE + external_secret("a", KEY), "--apply")
    line = next(line for line in done.out.splitlines() if line.startswith("next: "))
    compiled, verified = line.removeprefix("next: ").split(", then ")
    assert run_command(capsys, *compiled.split()[1:]).code == 0
    # No store is there: but the command line is right.
    assert run_command(capsys, *verified.split()[1:]).code == 3


@pytest.mark.parametrize("is_there", [True, False])
def test_a_store_keeps_how_it_is_reached(project: Path, bring: Bring, is_there: bool) -> None:  # noqa: FBT001
    own = "# Here.\n" if not is_there else "stores:\n  backend: {provider: azurekv, name: backend}\n"
    (project / "environments/dev.yaml").write_text(own, "utf-8")
    cloud = (
        "{azurekv: {vaultUrl: 'https://shop.vault.azure.cn', environmentType: ChinaCloud, useAzureSDK: true, "
        "customCloudConfig: {activeDirectoryEndpoint: 'https://login.example.cn'}, authType: WorkloadIdentity}}"
    )
    store = STORE.replace('{vault: {server: "https://vault.example.com", path: secret, version: v2}}', cloud)
    done = bring(store + external_secret("a", KEY.replace("shop/a", "shop-a")), "--apply")
    assert done.code == 0, done.err
    written = yaml.safe_load((project / "environments/dev.yaml").read_text("utf-8"))["stores"]["backend"]
    assert written["useAzureSDK"] is True
    assert written["customCloudConfig"] == {"activeDirectoryEndpoint": "https://login.example.cn"}
    assert "unused-setting" not in done.err
    assert "nothing to write" in bring(store + external_secret("a", KEY.replace("shop/a", "shop-a"))).out


def test_a_store_keeps_its_bundle_and_no_client_that_is_the_default(project: Path, bring: Bring) -> None:
    bundle = base64.b64encode(CertificateAuthority.create(project).ca_file.read_bytes()).decode()
    store = STORE.replace("version: v2", f"version: v2, caBundle: {bundle}")
    assert bring(store + external_secret("a", KEY), "--apply").code == 0
    assert f"caBundle: {bundle}" in (project / "environments/dev.yaml").read_text("utf-8")
