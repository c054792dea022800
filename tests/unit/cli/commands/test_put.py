import base64
import getpass
import io
import json
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from compiler.model.store import StoreAddress
from compiler.stores.errors import Action, Code, StoreError, StoreLocation
from compiler.stores.interface import Identity
from tests import providers
from tests.commands import RunCommand
from tests.memory_store import MemoryStore

NAME = "ai-platform-engineering/jira-secret"


@pytest.fixture
def store(project: Path, monkeypatch: pytest.MonkeyPatch) -> MemoryStore:
    """One store for all addresses."""
    made = MemoryStore(StoreAddress(providers.VAULT, "https://vault", "secret"))
    monkeypatch.setattr("compiler.live.stores.LiveStores.open", lambda *_: made)
    return made


def values(store: MemoryStore) -> dict[str, str]:
    return store.shown(NAME)


def on_terminal(monkeypatch: pytest.MonkeyPatch, answer: str, typed: str = "s3ntinel") -> None:
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(isatty=lambda: True, readline=lambda: answer))
    monkeypatch.setattr(getpass, "getpass", lambda _question: typed)


def by_pipe(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(isatty=lambda: False, buffer=io.BytesIO(text.encode())))


def test_a_person_is_asked_for_the_keys_in_use_and_then_for_consent(
    store: MemoryStore, run: RunCommand, monkeypatch: pytest.MonkeyPatch
) -> None:
    on_terminal(monkeypatch, "n\n")
    done = run("put", "dev", "jira")
    assert done.code == 0
    assert done.out.splitlines() == [
        'to   "vault" at https://vault/secret, as tester',
        "  create    vault:ai-platform-engineering/jira-secret",
        "            jira: ATLASSIAN_TOKEN, ATLASSIAN_EMAIL, ATLASSIAN_API_URL,",
        "            ATLASSIAN_VERIFY_SSL",
        "plan: 4 keys to create, in 1 remote secret",
        "nothing was written",
    ]
    assert done.err.endswith("Write 4 keys to dev? [y/N] ")
    assert store.held == {}
    on_terminal(monkeypatch, "y\n")
    done = run("put", "dev", "jira", "ATLASSIAN_TOKEN")
    assert done.code == 0
    assert "Write 1 key to dev? [y/N] " in done.err
    assert values(store) == {"ATLASSIAN_TOKEN": "s3ntinel"}
    assert "s3ntinel" not in done.out + done.err


def test_a_store_that_does_not_answer_is_told_before_anything_is_typed(
    store: MemoryStore, run: RunCommand, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_question: str) -> str:
        raise AssertionError

    def unavailable() -> Identity:
        raise StoreError(StoreLocation("vault"), Action.CONNECT, "it does not answer", "start it", Code.UNAVAILABLE)

    on_terminal(monkeypatch, "y\n")
    monkeypatch.setattr(getpass, "getpass", refuse)
    monkeypatch.setattr(store, "whoami", unavailable)
    done = run("put", "dev", "jira")
    assert done.code == 3
    assert done.err == "error: cannot connect to vault: it does not answer\nhelp: start it\n"


def test_nothing_typed_is_nothing_written(store: MemoryStore, run: RunCommand, monkeypatch: pytest.MonkeyPatch) -> None:
    on_terminal(monkeypatch, "y\n", typed="")
    done = run("put", "dev", "jira", "--apply")
    assert (done.code, "no value was entered\n" in done.out, "nothing was written" in done.out) == (0, True, True)
    assert store.held == {}


def test_a_pipe_needs_apply_and_nobody_is_asked(
    store: MemoryStore, run: RunCommand, monkeypatch: pytest.MonkeyPatch
) -> None:
    by_pipe(monkeypatch, "token\n")
    done = run("put", "dev", "jira", "ATLASSIAN_TOKEN", "--stdin")
    assert done.out.endswith("nothing was written; add --apply to write this plan\n")
    assert store.held == {}
    by_pipe(monkeypatch, json.dumps({"ATLASSIAN_TOKEN": "token", "ATLASSIAN_EMAIL": "a@example.com"}))
    assert run("put", "dev", "jira", "--stdin", "--apply").code == 0
    assert values(store) == {"ATLASSIAN_TOKEN": "token", "ATLASSIAN_EMAIL": "a@example.com"}
    by_pipe(monkeypatch, "token")
    done = run("put", "dev", "jira", "ATLASSIAN_TOKEN", "--stdin", "--apply")
    assert done.out.endswith("nothing was written: there are no changes to write\n")
    by_pipe(monkeypatch, '{"ATLASSIAN_TOKEN": "other"}')
    assert run("put", "dev", "jira", "ATLASSIAN_TOKEN", "--stdin", "--input", "json", "--apply").code == 0
    assert values(store)["ATLASSIAN_TOKEN"] == "other"


@pytest.mark.parametrize(
    ("piped", "what"),
    [
        ("apiVersion: v1\nkind: Secret\ndata: {TOKEN: s3ntinel}\n", "the manifest of a Kubernetes Secret"),
        ("apiVersion: v1\nkind: List\nitems: [s3ntinel]\n", "the manifest of a Kubernetes Secret"),
        ("ghp_...\n", "a placeholder"),
        ("null", "a placeholder"),
    ],
)
def test_what_is_no_value_is_refused_under_one_key_too(
    store: MemoryStore, run: RunCommand, monkeypatch: pytest.MonkeyPatch, piped: str, what: str
) -> None:
    for form in ((), ("--input", "value")):
        by_pipe(monkeypatch, piped)
        done = run("put", "dev", "jira", "ATLASSIAN_TOKEN", "--stdin", *form, "--apply")
        assert (done.code, f'the value of "ATLASSIAN_TOKEN" is {what}' in done.err) == (1, True), done.err
        assert "s3ntinel" not in done.out + done.err
        assert "nothing was written" in done.err
    assert (store.reads, store.held) == ([], {})


def test_a_key_that_nothing_reads_yet_may_be_put_and_is_told(
    store: MemoryStore, run: RunCommand, monkeypatch: pytest.MonkeyPatch
) -> None:
    by_pipe(monkeypatch, "7")
    done = run("put", "dev", "github", "GITHUB_APP_ID", "--stdin", "--apply")
    assert done.code == 0
    assert "note: GITHUB_APP_ID: in no variant that dev uses, so not read by it" in done.err


@pytest.mark.parametrize(
    ("arguments", "message", "way_out"),
    [
        (("dev", "jira", "ATLASSIAN_TOKEN=s3ntinel"), "a value cannot be an argument", "replace that value"),
        (("dev", "jira", "ATLASSIAN_TOKEN", "s3ntinel"), "has no key with one of the given names", "the keys are"),
        (("dev", "jira", "--apply=s3ntinel"), "--apply takes no value", "lists the arguments"),
        (("dev", "jira", "--stdin", "--from-file", "x"), "cannot be combined with", "leave one of them out"),
        (("dev", "jira", "--input", "json"), "--input needs", "add one of them"),
        (("dev",), "either a secret or a run with --undo", "the secrets are"),
        (
            ("dev", "jira", "--undo", "20250131-120000-4fa1c2"),
            "--undo cannot be combined with SECRET",
            "leave one of them out",
        ),
        (("dev", "jirra"), 'has no secret "jirra"', 'did you mean "jira"?'),
        (("dev", "jira", "ATLASSIAN_TOKN"), 'has no key "ATLASSIAN_TOKN"', 'did you mean "ATLASSIAN_TOKEN"?'),
        (("dev", "jira", "--store", "azuree", "--stdin"), 'no store "azuree"', 'did you mean "azure"?'),
        (("dev", "jira"), "no terminal", "--stdin or --from-file"),
        (("dev", "jira", "--stdin"), "line 1 of the input is not KEY=value", "correct it"),
        (("nodev", "jira"), 'no environment "nodev"', "dev"),
        (("dev", "jira", "--map", "ATLASSIAN_TOKEN=A"), "--map needs --stdin or --from-file", "add one of them"),
        (("dev", "jira", "--stdin", "--map", "ATLASSIAN_TOKEN"), "--map is not of the form KEY=NAME", "write the key"),
        (
            ("dev", "jira", "--stdin", "--map", "ATLASSIAN_TOKEN=s3n tinel!"),
            "not of the form KEY=NAME",
            "write the key",
        ),
        (("dev", "jira", "--stdin", *2 * ("--map", "ATLASSIAN_TOKEN=A")), "is mapped twice", "once"),
        (("dev", "jira", "--stdin", "--map", "ATLASSIAN_TOKN=A"), 'no key "ATLASSIAN_TOKN"', "did you mean"),
        (("dev", "jira", "--stdin", "--map", "ATLASSIAN_TOKEN=A"), "line 1 of the input", "correct it"),
        (("dev", "--all"), "--all needs --stdin or --from-file", "add one of them"),
        (("dev", "jira", "--all", "--stdin"), "--all cannot be combined with SECRET", "leave one of them out"),
        (("dev", "--all", "--stdin"), "line 1 of the input is not KEY=value", "correct it"),
        (("dev", "--all", "--undo", "20250131-120000-4fa1c2", "--stdin"), "cannot be combined", "the whole run"),
    ],
)
def test_a_wrong_command_line_is_told_with_the_way_out(
    store: MemoryStore,
    run: RunCommand,
    monkeypatch: pytest.MonkeyPatch,
    arguments: tuple[str, ...],
    message: str,
    way_out: str,
) -> None:
    by_pipe(monkeypatch, "s3ntinel")
    done = run("put", *arguments)
    assert done.code == 2
    assert message in done.err
    assert way_out in done.err
    assert "s3ntinel" not in done.out + done.err
    assert store.held == {}


def test_standard_input_is_not_typed_into(store: MemoryStore, run: RunCommand, monkeypatch: pytest.MonkeyPatch) -> None:
    on_terminal(monkeypatch, "y\n")
    done = run("put", "dev", "jira", "--stdin")
    assert done.code == 2
    assert "leave --stdin out to be asked for the values" in done.err


def test_an_environment_with_errors_is_not_written_for(store: MemoryStore, run: RunCommand, project: Path) -> None:
    (project / "environments/dev.yaml").write_text("store: nowhere\n", "utf-8")
    done = run("put", "dev", "jira", "--stdin", "--apply")
    assert done.code == 1
    assert "unknown-store" in done.err


def test_the_variable_of_the_old_system_is_ignored_aloud(
    store: MemoryStore, run: RunCommand, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AI_PLATFORM_SECRET_STORE", "azure")
    by_pipe(monkeypatch, "token")
    done = run("put", "dev", "jira", "ATLASSIAN_TOKEN", "--stdin")
    assert "note: AI_PLATFORM_SECRET_STORE is ignored" in done.err
    assert done.out.startswith('to   "vault" at ')


def test_a_program_gets_one_object_with_names_and_versions_and_no_value(
    store: MemoryStore, run: RunCommand, monkeypatch: pytest.MonkeyPatch
) -> None:
    by_pipe(monkeypatch, '{"ATLASSIAN_TOKEN": "s3ntinel", "ATLASSIAN_EMAIL": "a@example.com"}')
    done = run("put", "dev", "jira", "--stdin", "--apply", "--format", "json")
    report = done.report
    assert done.code == 0
    assert report["run"]
    assert (report["command"], report["secret"], report["store"], report["exitCode"]) == ("put", "jira", "vault", 0)
    assert report["destinations"] == [
        {"store": "vault", "address": "https://vault/secret", "caller": "tester", "clusterId": None, "replaces": None}
    ]
    assert [(step["key"], step["kind"], step["source"]) for step in report["steps"]] == [
        ("ATLASSIAN_TOKEN", "create", None),
        ("ATLASSIAN_EMAIL", "create", None),
    ]
    (result,) = report["results"]
    assert (result["store"], result["name"], result["state"], result["version"]) == ("vault", NAME, "done", "v1")
    assert "s3ntinel" not in done.out + done.err


@pytest.mark.parametrize("apply", [(), ("--apply",)])
def test_a_program_is_asked_nothing_and_told_that_nothing_was_written(
    store: MemoryStore, run: RunCommand, monkeypatch: pytest.MonkeyPatch, apply: tuple[str, ...]
) -> None:
    on_terminal(monkeypatch, "y\n", typed="" if apply else "s3ntinel")
    done = run("put", "dev", "jira", "ATLASSIAN_TOKEN", "--format", "json", *apply)
    assert (done.code, done.report["applied"], done.report["run"]) == (0, False, None)
    assert len(done.report["steps"]) == (0 if apply else 1)
    assert store.held == {}


def test_whoever_has_the_value_too_is_told(
    store: MemoryStore, project: Path, run: RunCommand, monkeypatch: pytest.MonkeyPatch
) -> None:
    catalogue = project / "environments/catalogue.yaml"
    takers = "".join(
        f"  {name}:\n    target: {name}\n    syncWave: -49\n    keys: {{TOKEN: {{from: jira/ATLASSIAN_TOKEN}}}}\n"
        for name in ("board", "apart")
    )
    text = catalogue.read_text("utf-8")
    catalogue.write_text(text.replace("secrets:\n", f"secrets:\n{takers}", 1), "utf-8")
    dev = "stores: {azure: {vaultUrl: https://apart.vault.azure.net}}\nsecrets: {board: {}, apart: {store: azure}}\n"
    (project / "environments/dev.yaml").write_text(dev, "utf-8")
    by_pipe(monkeypatch, "s3ntinel-value")
    done = run("put", "dev", "board", "TOKEN", "--stdin", "--apply", "--format", "json")
    assert done.code == 0, done
    assert done.err.splitlines()[0] == (
        f"note: TOKEN: this is the value of jira/ATLASSIAN_TOKEN, in {NAME}[ATLASSIAN_TOKEN]; "
        'also read by jira/ATLASSIAN_TOKEN; apart/TOKEN reads it from "azure", which keeps its own'
    )
    (common,) = json.loads(done.out)["inCommon"]
    assert (common["key"], common["holder"], common["readers"], common["apart"]) == (
        "TOKEN",
        "jira/ATLASSIAN_TOKEN",
        ["jira/ATLASSIAN_TOKEN"],
        [{"reader": "apart/TOKEN", "store": "azure"}],
    )
    assert values(store) == {"ATLASSIAN_TOKEN": "s3ntinel-value"}


def test_the_end_says_within_how_long_the_cluster_has_it(
    store: MemoryStore, run: RunCommand, monkeypatch: pytest.MonkeyPatch, project: Path
) -> None:
    config = project / "kubeconfig"
    config.touch()
    monkeypatch.setenv("KUBECONFIG", str(config))
    by_pipe(monkeypatch, "s3ntinel")
    done = run("put", "dev", "jira", "ATLASSIAN_TOKEN", "--stdin", "--apply")
    within, undo = done.out.splitlines()[-2:]
    now = "platform-secrets status dev --only jira --wait --force-sync"
    assert within == f"the cluster gets it within 1h; to have it now: {now}"
    assert undo.startswith("to undo it: platform-secrets put dev --undo ")
    assert values(store)["ATLASSIAN_TOKEN"] == "s3ntinel"


def kubernetes(name: str, **values: str) -> dict[str, object]:
    data = {key: base64.b64encode(value.encode()).decode() for key, value in values.items()}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "data": data}


def test_a_secret_comes_out_of_the_cluster_as_kubectl_prints_it(
    store: MemoryStore, run: RunCommand, monkeypatch: pytest.MonkeyPatch
) -> None:
    printed = json.dumps(kubernetes("old", ATLASSIAN_TOKEN="s3ntinel\n", user="a@example.com"))
    by_pipe(monkeypatch, printed)
    done = run("put", "dev", "jira", "--stdin", "--input", "kubernetes-secret", "--apply")
    assert (done.code, store.held) == (2, {})
    assert 'the Kubernetes Secret has keys that the secret does not have: "user"' in done.err
    by_pipe(monkeypatch, printed)
    words = ("ATLASSIAN_TOKEN", "--map", "ATLASSIAN_EMAIL=user", "--stdin", "--apply")
    done = run("put", "dev", "jira", *words)
    assert done.code == 0, done.err
    assert "plan: 2 keys to create, in 1 remote secret\n" in done.out
    assert values(store) == {"ATLASSIAN_TOKEN": "s3ntinel\n", "ATLASSIAN_EMAIL": "a@example.com"}
    assert "note: ATLASSIAN_TOKEN: the value begins or ends with white space\n" in done.err
    assert "s3ntinel" not in done.out + done.err
    assert base64.b64encode(b"s3ntinel").decode()[:8] not in done.out + done.err


SLACK = "ai-platform-engineering/slack-secret"


def test_a_file_of_several_secrets_is_one_run_that_is_undone_as_one(
    store: MemoryStore, run: RunCommand, project: Path, tmp_path: Path
) -> None:
    file = tmp_path / "secrets.json"
    file.touch(0o600)
    content = {"jira": {"ATLASSIAN_TOKEN": "s3ntinel-1"}, "slack": {"SLACK_BOT_TOKEN": "s3ntinel-2"}}
    file.write_text(json.dumps(content), "utf-8")
    done = run("put", "dev", "--all", "--from-file", file)
    assert (done.code, store.held) == (0, {}), done.err
    assert "plan: 2 keys to create, in 2 remote secrets\n" in done.out
    done = run("put", "dev", "--all", "--from-file", file, "--apply", "--format", "json")
    report = done.report
    assert (done.code, report["secret"], report["store"], report["inCommon"]) == (0, None, None, [])
    assert [(step["secret"], step["key"]) for step in report["steps"]] == [
        ("jira", "ATLASSIAN_TOKEN"),
        ("slack", "SLACK_BOT_TOKEN"),
    ]
    assert values(store) == {"ATLASSIAN_TOKEN": "s3ntinel-1"}
    assert store.shown(SLACK) == {"SLACK_BOT_TOKEN": "s3ntinel-2"}
    assert "s3ntinel" not in done.out + done.err
    (journal,) = (project / ".platform-secrets/runs").glob("*.jsonl")
    assert "s3ntinel" not in journal.read_text("utf-8")
    # The same command has nothing left to do; a value that does not fit stops all.
    assert "plan: 2 keys unchanged" in run("put", "dev", "--all", "--from-file", file, "--apply").out
    file.write_text(json.dumps(content).replace("s3ntinel", "later"))
    later = run("put", "dev", "--all", "--from-file", file, "--apply", "--format", "json").report["run"]
    assert store.shown(SLACK) == {"SLACK_BOT_TOKEN": "later-2"}
    undone = run("put", "dev", "--undo", later, "--apply")
    assert (undone.code, "plan: 2 keys to update, in 2 remote secrets" in undone.out) == (0, True), undone
    assert store.shown(SLACK) == {"SLACK_BOT_TOKEN": "s3ntinel-2"}
    file.write_text(json.dumps({**content, "slack": {"SLACK_BOT_TOKEN": "changeme"}, "jira": {"ATLASSIAN_TOKEN": "x"}}))
    done = run("put", "dev", "--all", "--from-file", file, "--apply")
    assert (done.code, '"SLACK_BOT_TOKEN" is a placeholder' in done.err) == (1, True)
    assert values(store) == {"ATLASSIAN_TOKEN": "s3ntinel-1"}


def test_lines_of_another_program_are_mapped_to_several_secrets(
    store: MemoryStore, run: RunCommand, monkeypatch: pytest.MonkeyPatch
) -> None:
    by_pipe(monkeypatch, "JIRA=s3ntinel-1\nSLACK='s3ntinel 2'\nDEBUG=1\n")
    maps = ("--map", "ATLASSIAN_TOKEN=JIRA", "--map", "slack/SLACK_BOT_TOKEN=SLACK")
    done = run("put", "dev", "--all", "--stdin", *maps, "--apply")
    assert done.code == 0, done.err
    assert values(store) == {"ATLASSIAN_TOKEN": "s3ntinel-1"}
    assert store.shown(SLACK) == {"SLACK_BOT_TOKEN": "s3ntinel 2"}


def test_a_list_of_the_clusters_secrets_is_put_by_their_names(
    store: MemoryStore, run: RunCommand, monkeypatch: pytest.MonkeyPatch
) -> None:
    items = [
        kubernetes("agent-jira-secrets", ATLASSIAN_TOKEN="a1"),
        kubernetes("agent-slack-secrets", SLACK_BOT_TOKEN="b1"),
    ]
    by_pipe(monkeypatch, json.dumps({"apiVersion": "v1", "kind": "List", "items": items}))
    done = run("put", "dev", "--all", "--stdin", "--apply")
    assert done.code == 0, done.err
    assert (values(store), store.shown(SLACK)) == ({"ATLASSIAN_TOKEN": "a1"}, {"SLACK_BOT_TOKEN": "b1"})


def test_a_value_that_no_pod_reads_is_said_to_be_none_before_in_the_plan_and_at_the_end(
    store: MemoryStore, run: RunCommand, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AZURE_KEYVAULT_NAME", "ai-platform")
    said = 'no pod of dev reads "jira" from "azure": "vault" serves it'
    by_pipe(monkeypatch, "token\n")
    done = run("put", "dev", "jira", "ATLASSIAN_TOKEN", "--stdin", "--store", "azure")
    assert (done.err.count(f"note: {said}\n"), done.out.count(said)) == (1, 1)
    by_pipe(monkeypatch, "token\n")
    done = run("put", "dev", "jira", "ATLASSIAN_TOKEN", "--stdin", "--store", "azure", "--apply")
    assert (done.code, done.out.count(said)) == (0, 2)
    assert said in done.out[done.out.index("1 of 1 done") :]
    assert "the cluster gets it" not in done.out
    by_pipe(monkeypatch, '{"jira": {"ATLASSIAN_TOKEN": "t"}, "slack": {"SLACK_BOT_TOKEN": "t"}}')
    done = run("put", "dev", "--all", "--stdin", "--store", "azure")
    assert 'no pod of dev reads "jira", "slack" from "azure": "vault" serves them' in done.out
    by_pipe(monkeypatch, "token\n")
    done = run("put", "dev", "jira", "ATLASSIAN_TOKEN", "--stdin", "--store", "vault")
    assert "no pod" not in done.out + done.err
