"""scripts/e2e.py, whole, against the double of a cluster with real local stores."""

import itertools
import re
from collections.abc import Iterator

import pytest

from scripts import e2e
from tests.leaks import leaks
from tests.operator_double import Misdeed
from tests.platform_double import KEY_VAULT_STORE, VAULT_STORE, Platform, platform

pytestmark = pytest.mark.heavy
SENTINEL = "s3ntinel-4711"
_VARIABLES = ("KUBECONFIG", "E2E_VAULT_STORE", "E2E_KEY_VAULT_STORE", "E2E_TIMEOUT", "E2E_HELM", "E2E_IMAGE")


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    with platform(tmp_path_factory.mktemp("platform"), 4) as found:
        yield found


@pytest.fixture(autouse=True)
def made_up(monkeypatch: pytest.MonkeyPatch) -> None:
    numbers = itertools.count()
    monkeypatch.setattr(
        "scripts.end_to_end.project.secrets.token_urlsafe", lambda _length: f"{SENTINEL}-{next(numbers)}"
    )
    for name in (*_VARIABLES, "VAULT_ADDR", "VAULT_NAMESPACE", "VAULT_TOKEN", "AZURE_KEYVAULT_NAME"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def environ(here: Platform, monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name, value in here.variables.items():
        monkeypatch.setenv(name, value)
    here.operator.misdeed = None
    return monkeypatch


def assert_nothing_is_left(here: Platform) -> None:
    assert set(here.cluster.everything("clustersecretstores")) == {("", VAULT_STORE), ("", KEY_VAULT_STORE)}
    assert set(here.cluster.everything("namespaces")) == {("", "default")}
    for plural in ("externalsecrets", "secrets", "pods", "configmaps"):
        assert here.cluster.everything(plural) == {}
    state = here.azure.state
    assert state.keys_in("active") == []
    for room in here.bao.call("LIST", "secret/metadata")["data"]["keys"]:
        for name in here.bao.call("LIST", f"secret/metadata/{room}")["data"]["keys"]:
            versions = here.bao.call("GET", f"secret/metadata/{room}{name}")["data"]["versions"]
            assert all(each["deletion_time"] for each in versions.values())


@pytest.mark.usefixtures("environ")
def test_there_and_back_and_three_breaks_leave_every_secret_as_it_was(
    here: Platform, capsys: pytest.CaptureFixture[str]
) -> None:
    code = e2e.main()
    done = capsys.readouterr()
    assert code == 0, done.err
    assert "Every Secret stayed as it was, at every moment; 15 events of Secrets and pods were seen." in done.out
    for step in (1, 2, 3):
        assert f"To the Key Vault, step {step} of 3" in done.out
        assert f"Back to Vault, step {step} of 3" in done.out
    # What another release deployed is imported, taken over, and goes along with a pull Secret and the others.
    assert "proof: 1 key read as before by the compiled environment" in done.out
    assert 'all are in effect: 12 secrets on "vault"' in done.out
    # Each break: the operator fails, the last good Secret stays, and one command leads back.
    for cause in (
        "err: property ATLASSIAN_TOKEN does not exist in key ",
        'the key "no-such-role" of the Secret',
        "err: dial tcp: connect: connection refused",
    ):
        assert cause in done.out, done.out
    shown = re.findall(r'The last good Secret "agent-jira-secrets" is there as it was: (.*)\. The way back:', done.out)
    assert len(shown) == 3
    assert len(set(shown)) == 1
    keys = "ATLASSIAN_API_URL, ATLASSIAN_EMAIL, ATLASSIAN_TOKEN, ATLASSIAN_VERIFY_SSL"
    assert re.fullmatch(f"UID [a-z0-9-]+, with {keys}", shown[0].replace(" and ", ", ").replace('"', ""))
    assert not leaks(done.out + done.err, SENTINEL)
    assert_nothing_is_left(here)


@pytest.mark.usefixtures("environ")
def test_a_secret_that_is_away_for_a_moment_turns_the_run_red_and_all_is_cleaned_up(
    here: Platform, capsys: pytest.CaptureFixture[str]
) -> None:
    here.operator.misdeed = Misdeed.DELETED
    code = e2e.main()
    done = capsys.readouterr()
    assert (code, done.err.splitlines()[-1]) == (1, 'broken: the secret "agent-jira-secrets" was deleted')
    assert "Every Secret stayed" not in done.out
    assert_nothing_is_left(here)


def test_a_pod_that_cannot_start_is_no_broken_promise(
    here: Platform, environ: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    environ.setattr("scripts.end_to_end.walk._FAILS_WITHIN", 0.5)
    environ.setattr(here.operator, "unstartable", "ImagePullBackOff")
    code = e2e.main()
    said = capsys.readouterr().err.splitlines()[-1]
    assert code == 3
    assert said.startswith('cannot go on: the pod "platform-secrets-e2e-')
    assert said.endswith('/reader" does not become ready within 0.5 s: ImagePullBackOff; E2E_IMAGE names another image')
    assert_nothing_is_left(here)


def test_everything_that_is_missing_is_said_at_once(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("E2E_TIMEOUT", "soon")
    assert e2e.main() == 3
    done = capsys.readouterr()
    assert done.out == ""
    assert done.err.splitlines() == [
        "e2e cannot run; what is missing:",
        "  set KUBECONFIG to a kubeconfig whose current context is a cluster with External Secrets Operator",
        "  set E2E_VAULT_STORE to the name of a ready ClusterSecretStore of a Vault",
        "  set E2E_KEY_VAULT_STORE to the name of a ready ClusterSecretStore of a Key Vault",
        "  set E2E_TIMEOUT to a duration such as 5m",
    ]
