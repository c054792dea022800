from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from compiler.model.provider import Provider, unknown_provider
from compiler.rules import RULES
from compiler.stores.registry import PATTERNS, PROVIDERS, provider_called, provider_of, suggest_store

ROOT = Path(__file__).resolve().parents[3]
# None of them may be needed to compile.
CLIENTS = ("hvac", "azure", "urllib3", "requests", "httptools", "socket", "ssl", "http.client")


def test_compiling_needs_no_client_and_no_network() -> None:
    code = f"""
import sys
for name in {CLIENTS}: sys.modules[name] = None
from compiler.cli.main import main
code = main(["--root", {str(ROOT)!r}, "compile", "--all", "--check"])
print(code, *sorted(name for name in sys.modules if name.startswith("compiler.stores.")))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.stdout, done.stderr
    exit_code, *loaded = done.stdout.splitlines()[-1].split()
    assert exit_code == "0", done.stderr
    # The registry, the descriptors and the rules are all that is loaded of stores.
    folders = {each.package for each in PROVIDERS.values()}
    described = {"compiler.stores.registry", *folders, *(f"{folder}.provider" for folder in folders)}
    assert {name for name in loaded if name not in described and ".rules" not in name} == set()


@pytest.mark.parametrize("provider", PROVIDERS.values(), ids=lambda each: each.id)
def test_a_provider_is_described_whole(provider: Provider) -> None:
    assert PROVIDERS[provider.id] is provider_of(provider.id) is provider
    assert all((provider.title, provider.called, provider.address, provider.option, provider.log_ins))
    assert provider.id in PATTERNS
    assert hasattr(provider.load("store"), provider.adapter)
    rules = (ROOT / provider.package.replace(".", "/") / "rules").glob("[!_]*.py")
    assert {path.stem.replace("_", "-") for path in rules} <= {rule.id for rule in RULES}


def test_names_and_settings_of_two_providers_are_not_taken_for_each_other() -> None:
    called = [word for each in PROVIDERS.values() for word in each.called]
    settings = [name for each in PROVIDERS.values() for name in each.settings]
    assert len(called) == len(set(called))
    assert len(settings) == len(set(settings))
    assert {provider_called(word) for word in ("Azure-KV", "OpenBao", "hc_vault")} == set(PROVIDERS.values())
    assert provider_called("aws") is None


def test_of_an_unknown_provider_nothing_is_said() -> None:
    unknown = provider_of("aws")
    assert unknown is provider_of(None) is unknown_provider("")
    assert (unknown.settings, dict(unknown.log_ins), unknown.remote_name("A")) == ((), {}, "A")
    assert unknown.live_identity({"": 1}) == unknown.identity(None, None, None)
    assert unknown_provider("x") is not unknown_provider("y")


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("keyvault", 'did you mean "azure"?'),
        ("Key-Vault", 'did you mean "azure"?'),
        ("openbao", 'did you mean "own"?'),
        ("azur", 'did you mean "azure"?'),
        ("s3", 'the stores are "own", "azure"'),
    ],
)
def test_a_word_for_a_provider_leads_to_its_store_alone(word: str, said: str) -> None:
    assert suggest_store(word, {"own": "vault", "azure": "azurekv"}) == said


def test_a_store_of_the_other_provider_is_not_what_a_word_for_one_means() -> None:
    assert suggest_store("keyvault", {"vault": "vault"}) == 'the only one is "vault"'
    assert suggest_store("vault", {"vault-a": "vault", "vault-b": "vault"}) == 'the stores are "vault-a", "vault-b"'
