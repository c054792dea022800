"""What a variable for a credential holds is never shown: people put the credential where a file's name belongs."""

import itertools
import os
import re
from pathlib import Path

from compiler.demo.local_key_vault import CertificateAuthority
from tests.own_process import OwnProcesses

ROOT = Path(__file__).resolve().parents[2]
# No form of a credential, so that nothing conceals it by its look.
SENTINEL = "correct-horse-battery"
HELD = (SENTINEL, f"{SENTINEL}\nsecond line", f"https://user:{SENTINEL}@127.0.0.1:1/?token={SENTINEL}")
# Names of things and switches; each may be shown.
NAMES = {
    "AI_PLATFORM_SECRET_STORE",
    "AZURE_KEYVAULT_API_VERSION",
    "AZURE_KEYVAULT_EMULATOR",
    "AZURE_KEYVAULT_NAME",
    "KUBERNETES_SERVICE_HOST",
    "NO_PROXY",
    "PLATFORM_SECRETS_ALLOW_HTTP",
    "VAULT_NAMESPACE",
}
# What the clients of the stores and of the cluster read by themselves, or what is composed.
OTHERS = {
    "AZURE_CLIENT_CERTIFICATE_PASSWORD",
    "AZURE_CLIENT_CERTIFICATE_PATH",
    "AZURE_CLIENT_ID",
    "AZURE_CLIENT_SECRET",
    "AZURE_FEDERATED_TOKEN_FILE",
    "AZURE_PASSWORD",
    "AZURE_TENANT_ID",
    "AZURE_USERNAME",
    "HTTPS_PROXY",
    "HTTP_PROXY",
    "KUBECONFIG",
    *(f"BAO_{name}" for name in ("ADDR", "TOKEN", "CACERT")),
    *(f"VAULT_{name}_FILE" for name in ("TOKEN", "ROLE_ID", "SECRET_ID", "JWT", "PASSWORD", "USERNAME", "ROLE")),
}
PREFIXES = ("AZURE_", "VAULT_", "PLATFORM_SECRETS_", "REQUESTS_", "CURL_", "SSL_CERT", "AI_PLATFORM_", "KUBERNETES_")
TRIED = r"""
import contextlib, os, sys, traceback
from compiler.cli.commands.backup import passphrase
from compiler.model.store import StoreAddress
from compiler.cluster.client import KubernetesCluster
from tests.virtual_clock import VirtualClock
from compiler.stores.azure_key_vault import client
from compiler.stores.interface import open_store
from compiler.stores.interface import StoreOptions
from compiler.stores.pacing import RetryPolicy
from tests import providers

SOON = StoreOptions(clock=VirtualClock(), retry=RetryPolicy(patience=1, first_contact=1))
# Reading the machine's hundred authorities for each would take most of the time.
client.DEFAULT_AUTHORITIES, *_ = sys.argv[1:]
authority, names, holds = sys.argv[1], sys.argv[2].split(), sys.argv[3:]
LOGINS = {
    "token": {"VAULT_TOKEN": "t"},
    "approle": {"VAULT_ROLE_ID": "r", "VAULT_SECRET_ID": "s"},
    "userpass": {"VAULT_USERNAME": "u", "VAULT_PASSWORD": "p"},
    "jwt": {"VAULT_ROLE": "r", "VAULT_JWT": "j"},
    "kubernetes": {"VAULT_ROLE": "r"},
}
AZURE = {
    "AZURE_TOKEN_CREDENTIALS": "EnvironmentCredential",
    "AZURE_TENANT_ID": "22222222-2222-4222-8222-222222222222",
    "AZURE_CLIENT_ID": "22222222-2222-4222-8222-222222222222",
}

def vault(environ):
    url = environ.get("VAULT_ADDR") or environ.get("BAO_ADDR") or "https://127.0.0.1:1"
    return open_store(StoreAddress(providers.VAULT, url), environ, SOON).read("a")

def key_vault(environ):
    address = StoreAddress(providers.KEY_VAULT, "https://127.0.0.1:1")
    return open_store(address, environ, SOON).read("a")

def cluster(environ):
    return KubernetesCluster(environ).collection("externalsecrets", "a")

def prompt(environ):
    return passphrase(is_new=False)

def tell(error):
    # As the command shows it, and all that a report could: of a frame it shows the program's own text alone.
    print(repr(error), str(error), getattr(error, "help", ""), getattr(error, "place", ""))
    print("".join(traceback.format_exception(error, limit=0)))

TRIES = [(vault, {"PLATFORM_SECRETS_VAULT_AUTH": method, **given}) for method, given in LOGINS.items()]
TRIES += [(vault, {})]
TRIES += [(vault, {"VAULT_ADDR": "http://10.255.255.1"}), (vault, {"VAULT_TOKEN": "t", "VAULT_CLIENT_CERT": "no.pem"})]
TRIES += [(key_vault, {"AZURE_KEYVAULT_TOKEN": "t"}), (key_vault, AZURE), (cluster, {}), (prompt, {})]
for name in names:
    for held in holds:
        print("variable", name)
        for attempt, given in TRIES:
            if name.startswith("AZURE_" if attempt is vault else "VAULT_"):
                continue
            environ = {"PATH": os.defpath, "HOME": "/nonexistent", "SSL_CERT_FILE": authority, **given, name: held}
            if name.endswith("_FILE"):
                environ.pop(name.removesuffix("_FILE"), None)
            os.environ.clear()
            os.environ.update(environ)
            try:
                attempt(environ)
            except Exception as error:
                tell(error)
            else:
                print("no error")
"""


def variables() -> set[str]:
    found = {
        name
        for path in (ROOT / "compiler").rglob("*.py")
        for name in re.findall(r'"([A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+)"', path.read_text("utf-8"))
        if name.startswith(PREFIXES)
    }
    assert len(found) > 20
    return (found | OTHERS) - NAMES


def test_no_message_shows_what_a_variable_for_a_credential_holds(tmp_path: Path, own_processes: OwnProcesses) -> None:
    names = sorted(variables())
    authority = CertificateAuthority.create(tmp_path).ca_file
    done = own_processes.run(TRIED, str(authority), " ".join(names), *HELD, variables={"PATH": os.defpath})
    assert done.returncode == 0, done.stderr
    shown = done.stdout + done.stderr
    tries = list(itertools.product(names, HELD))
    by_try = dict(zip(tries, f"\n{shown}".split("\nvariable ")[1:], strict=True))
    assert [tried for tried, text in by_try.items() if SENTINEL in text] == []
    assert SENTINEL not in shown
    # Each was looked at: many are refused by name.
    for told in (
        "VAULT_TOKEN_FILE names",
        "PLATFORM_SECRETS_VAULT_AUTH is not a log-in method",
        "the CA certificates of VAULT_CACERT",
        "the CA certificates of BAO_CACERT",
    ):
        assert told in shown
