"""Pull Secrets, certificates, extracted Secrets and those with Delete go to another store and back in a cluster.

The chart is rendered by Helm, and the operator's double makes of it what External Secrets Operator would.
"""

import json
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.commands import Done, run_command
from tests.conftest import Helm
from tests.platform_double import KEY_VAULT_STORE, VAULT_STORE, Platform, platform
from tests.platforms import base_text, write_project

SPACE = "shop"
CATALOGUE = """\
secrets:
  registry:
    target: ghcr-pull
    remote: {vault: shop/ghcr, azurekv: shop-ghcr}
    syncWave: -49
    type: kubernetes.io/dockerconfigjson
    template:
      data:
        .dockerconfigjson: '{"auths": {"ghcr.io": {"auth": {{ printf "%s:%s" .user .token | b64enc | toJson }}}}}'
    keys: {user: {}, token: {}}
  certificate:
    target: shop-tls
    remote: {vault: shop/tls, azurekv: shop-tls}
    syncWave: -49
    type: kubernetes.io/tls
    template: {data: {tls.crt: "{{ .certificate }}", tls.key: "{{ .key }}"}}
    keys: {certificate: {}, key: {}}
  settings:
    target: shop-settings
    externalSecret: settings-external
    remote: {vault: shop/settings, azurekv: shop-settings}
    syncWave: -49
    extract: true
    keys: {REGION: {}}
  cache:
    target: shop-cache
    remote: {vault: shop/cache, azurekv: shop-cache}
    syncWave: -49
    deletionPolicy: Delete
    keys: {CACHE_PASSWORD: {}}
"""
VALUES = {
    "shop/ghcr": {"user": "robot", "token": "t0ken-4711"},
    "shop/tls": {"certificate": "PEM-4711\n", "key": "KEY-4711\n"},
    "shop/settings": {"REGION": "eu", "UNLISTED": "info-4711"},
    "shop/cache": {"CACHE_PASSWORD": "pa55-4711"},
}
HELD = {
    "ghcr-pull": {".dockerconfigjson": '{"auths": {"ghcr.io": {"auth": "cm9ib3Q6dDBrZW4tNDcxMQ=="}}}'},
    "shop-tls": {"tls.crt": "PEM-4711\n", "tls.key": "KEY-4711\n"},
    "shop-settings": VALUES["shop/settings"],
    "shop-cache": VALUES["shop/cache"],
}


@dataclass
class Shop:
    """A project whose `prod` reads Vault, and its cluster."""

    root: Path
    here: Platform
    helm: Helm
    capsys: pytest.CaptureFixture[str]

    def run(self, *words: str) -> Done:
        return run_command(self.capsys, "--root", self.root, *words)

    def must(self, *words: str) -> Done:
        done = self.run(*words)
        assert done.code == 0, done.out + done.err
        return done

    def deploy(self) -> None:
        """What Argo CD does, until the operator is through with each."""
        printed = self.helm.template(self.root / "chart/values-prod.yaml")
        for each in yaml.load_all(printed, yaml.CSafeLoader):
            at = SPACE, each["metadata"]["name"]
            old = self.here.cluster.everything("externalsecrets").get(at, {})
            self.here.cluster.put("externalsecrets", {**old, **each})
        end = time.monotonic() + 30
        while not all(map(is_reconciled, self.here.cluster.everything("externalsecrets").values())):
            assert time.monotonic() < end
            time.sleep(0.01)

    def secrets(self) -> dict[str, tuple[str, str]]:
        """The UID and the type of each Secret."""
        found = self.here.cluster.everything("secrets")
        return {name: (each["metadata"]["uid"], each["type"]) for (_, name), each in found.items()}

    def data(self) -> dict[str, dict[str, str]]:
        return {name: self.here.cluster.data[SPACE, name] for name in self.secrets()}


def is_reconciled(found: dict[str, Any]) -> bool:
    noted = str(found.get("status", {}).get("syncedResourceVersion", ""))
    return noted.startswith(f"{found['metadata']['generation']}-")


@pytest.fixture
def shop(
    tmp_path: Path, helms: tuple[Helm, ...], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Shop]:
    with platform(tmp_path) as here:
        for name in ("VAULT_ADDR", "VAULT_NAMESPACE", "AZURE_KEYVAULT_NAME"):
            monkeypatch.delenv(name, raising=False)
        for name, value in here.variables.items():
            monkeypatch.setenv(name, value)
        for name, values in VALUES.items():
            here.bao.call("POST", f"secret/data/{name}", {"data": values})
        waive = "waive: {unexpected-vault-domain: a vault for tests}"
        base = base_text(
            "{registry: {}, certificate: {}, settings: {}, cache: {}}",
            namespace=SPACE,
            vault=f'name: {VAULT_STORE}, server: "{here.bao.url}"',
            azure=f'name: {KEY_VAULT_STORE}, vaultUrl: "{here.azure.url}", {waive}',
        )
        root = write_project(tmp_path / "project", base=base, catalogue=CATALOGUE, prod="labels: {team: shop}\n")
        found = Shop(root, here, helms[-1], capsys)
        found.must("compile", "prod")
        found.deploy()
        assert found.data() == HELD
        yield found


def test_they_go_there_and_back_and_nothing_happens_to_a_secret(shop: Shop) -> None:
    before, version = shop.secrets(), shop.here.cluster._version
    assert {kind for _, kind in before.values()} == {
        *("kubernetes.io/dockerconfigjson", "kubernetes.io/tls"),
        "Opaque",
    }
    shop.must("migrate", "prod", "--to", "azure", "--apply", "--quiet")
    for words in (("registry", "--to", "azure"), ("all", "--to", "azure"), ("all", "--back", "--to", "vault")):
        shop.must("cutover", "prod", *words, "--cluster", "--apply")
        shop.deploy()
        assert (shop.secrets(), shop.data()) == (before, HELD)
    changed = [each for each in shop.here.cluster.changes_after(version, 0) if each.plural == "secrets"]
    assert changed == []
    assert "all are in effect" in shop.must("status", "prod", "--wait").out


def test_one_with_delete_goes_to_no_store_that_lacks_it_whatever_is_accepted(shop: Shop) -> None:
    shop.must("migrate", "prod", "--to", "azure", "--only", "registry", "--only", "settings", "--apply", "--quiet")
    shop.must("cutover", "prod", "registry", "settings", "--to", "azure", "--apply")
    for accepted in ((), ("--without-comparison",), ("--accept-differences", "cache/CACHE_PASSWORD")):
        closed = shop.run("cutover", "prod", "cache", "--to", "azure", *accepted, "--apply")
        assert closed.code == 1, closed.out
        assert "--only cache --apply" in closed.out
    before = shop.secrets()["shop-cache"]
    # What the gate keeps from happening: the operator takes the Secret away, and says Ready.
    path = shop.root / "environments/prod.yaml"
    text = path.read_text("utf-8")
    path.write_text(f"{text}  cache: {{store: azure}}\n", "utf-8")
    shop.must("compile", "prod")
    said = shop.run("verify", "prod", "cache")
    assert (said.code, 'would leave "CACHE_PASSWORD" out of the Secret' in said.err) == (1, True)
    shop.deploy()
    assert "shop-cache" not in shop.secrets()
    gone = shop.run("status", "prod", "--only", "cache", "--cluster")
    assert (gone.code, re.search("^cache .* in effect$", gone.out, re.MULTILINE)) == (1, None), gone.out
    path.write_text(text, "utf-8")
    shop.must("compile", "prod")
    shop.deploy()
    assert shop.data()["shop-cache"] == HELD["shop-cache"]
    assert shop.secrets()["shop-cache"] != before


def test_an_unlisted_property_that_differs_closes_the_gate_by_its_name(shop: Shop) -> None:
    shop.must("migrate", "prod", "--to", "azure", "--apply", "--quiet")
    changed = {**VALUES["shop/settings"], "UNLISTED": "other-4711"}
    shop.here.azure.seed("shop-settings", json.dumps(changed))
    closed = shop.run("cutover", "prod", "settings", "--to", "azure", "--apply")
    assert (closed.code, '"UNLISTED"' in closed.out, "-4711" in closed.out + closed.err) == (1, True, False)
