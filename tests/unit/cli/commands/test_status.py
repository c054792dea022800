import io
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from compiler.cli.commands.status import Waiting
from compiler.cluster.problem import ClusterProblem, ClusterState
from compiler.live.stores import LiveStores
from compiler.model.environment import Environment
from compiler.operations.status import LiveState
from compiler.stores.errors import Action, Code, StoreError, StoreLocation
from tests.api_double import ApiDouble
from tests.commands import Done, EditFile, RunCommand
from tests.live_platform import PLANTED, LivePlatform
from tests.memory_store import MemoryStore
from tests.platforms import environment_of
from tests.unit.cli.two_ends import Ends

SENTINEL = "s3ntinel-4711-s3ntinel"
OPERATOR = "kubectl get pods -A -l app.kubernetes.io/name=external-secrets"
SPACE, JIRA = "ai-platform-engineering", "agent-jira-secrets"


def compiled(project: Path, name: str = "dev") -> Environment:
    return environment_of(project, name, may_fail=True)


def dated(store: MemoryStore, name: str, created: datetime | None) -> None:
    """The newest version was written then, and has a number as in a Vault."""
    versions = store.versions[name]
    attributes = replace(versions[-1].attributes, created=created)
    versions[-1] = replace(versions[-1], version=str(len(versions)), attributes=attributes)


@pytest.fixture
def ends(monkeypatch: pytest.MonkeyPatch, project: Path) -> Ends:
    """Both stores hold what every agent needs."""
    made = Ends()
    for secret in compiled(project).secrets.values():
        for store, provider in ((made.vault, "vault"), (made.azure, "azurekv")):
            remote = secret.entry.remote[provider]
            keys = [item.key.name for item in secret.keys]
            name = f"{secret.store.prefix if secret.store else ''}{remote}"
            store.seed(name, **dict.fromkeys(keys, SENTINEL))
            dated(store, name, datetime.now(UTC) - timedelta(days=10))

    def stores(environ: Mapping[str, str]) -> LiveStores:
        return LiveStores(environ, made.open)

    monkeypatch.setattr("compiler.cli.commands.status.open_stores_for_reading", stores)
    monkeypatch.setenv("AZURE_KEYVAULT_NAME", "ai-platform")
    return made


@pytest.fixture
def platform(project: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LivePlatform]:
    with ApiDouble() as double:
        monkeypatch.setenv("KUBECONFIG", str(double.kubeconfig(project)))
        platform = LivePlatform(double)
        platform.run(compiled(project))
        yield platform


@pytest.fixture
def status(project: Path, ends: Ends, run: RunCommand) -> Callable[..., Done]:
    assert ends.vault.versions

    def invoke(*words: str) -> Done:
        done = run("status", *words)
        for planted in (SENTINEL, PLANTED):
            assert planted not in done.out + done.err
        return done

    return invoke


def test_a_row_a_secret_compared_with_the_other_store(status: Callable[..., Done]) -> None:
    done = status("dev")
    lines = done.out.splitlines()
    assert (done.code, lines[0]) == (0, "dev: 7 secrets")
    assert all("azure: equal" in line for line in lines[2:])
    assert len(lines) == 9
    assert max(map(len, lines)) <= 80


def test_offline_asks_no_store(status: Callable[..., Done], ends: Ends, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AZURE_KEYVAULT_NAME")
    done = status("--offline")
    assert done.code == 0
    assert [line for line in done.out.splitlines() if "secret" in line and ":" in line.split()[0]] == [
        "dev: 7 secrets",
        "prod: 7 secrets",
        "staging: 7 secrets",
    ]
    assert ends.vault.calls == ends.azure.calls == []


def test_no_store_in_use_that_answers_is_3(status: Callable[..., Done], ends: Ends) -> None:
    place = StoreLocation("https://vault")
    refused = StoreError(place, Action.CONNECT, "the connection was refused", "check the address", Code.UNAVAILABLE)
    ends.vault.failures.update({("read", name): refused for name in ends.vault.versions})
    done = status("dev")
    assert done.code == 3
    assert done.out.count("the connection was refused") == 1


def test_the_cluster_is_looked_at_and_only_read(status: Callable[..., Done], platform: LivePlatform) -> None:
    done = status("dev", "--cluster")
    assert done.code == 0
    assert done.out.count("in effect") == 7
    assert {each.method for each in platform.double.asked} == {"GET"}
    assert all("PartialObject" in each.accepted for each in platform.double.asked if each.path.endswith("/secrets"))


def test_a_live_problem_is_1_and_told_without_values(status: Callable[..., Done], platform: LivePlatform) -> None:
    platform.fail(SPACE, JIRA, f"key {SENTINEL}: permission denied", count=60)
    done = status("dev", "--cluster", "--format", "json")
    assert (done.code, done.report["environment"], done.report["exitCode"]) == (1, "dev", 1)
    (environment,) = done.report["environments"]
    jira = next(each["live"] for each in environment["secrets"] if each["secret"] == "jira")
    assert jira["state"] == "operator-forbidden"
    (cause,) = environment["causes"]
    assert (cause["code"], cause["secrets"], cause["store"]) == ("operator-forbidden", ["jira"], "vault")
    assert cause["evidence"][1].endswith("d ago: key …: permission denied")
    # Nothing says that jira was ever read from the other store, although that one holds the same.
    force = "platform-secrets status dev --only jira --wait --force-sync"
    grant = "platform-secrets generate access dev --for operator --form hcl --store vault"
    assert (cause["next"], cause["fallback"], environment["next"]) == ([grant, force], [], [grant, force])


def test_a_store_that_is_left_is_retired_once_nobody_reads_it(
    status: Callable[..., Done], project: Path, platform: LivePlatform, edit: EditFile
) -> None:
    moved = "moves: {to: azure, steps: [[all]]}\nstore: azure\n"
    edit("environments/dev.yaml", "secrets:\n", f"{moved}secrets:\n")
    edit("environments/staging.yaml", "  jira:\n    store: azure\n", "")
    assert status("dev").out.splitlines()[-1] == "next: platform-secrets status dev --cluster"
    # What runs is not what was edited.
    assert " retire " not in status("dev", "--cluster").out
    platform.run(compiled(project))
    # Another environment reads the same names of the same Vault.
    assert "next: " not in status("dev", "--cluster").out
    edit("environments/staging.yaml", "stores:\n", "store: azure\nstores:\n")
    retire = "next: platform-secrets retire dev --store vault --cluster"
    assert status("dev", "--cluster").out.splitlines()[-1] == retire
    # An environment with an error, and a right that is lacking, are for the command itself to say.
    edit("environments/prod.yaml", "store: azure\n", "store: nowhere\n")
    assert status("dev", "--cluster").out.splitlines()[-1] == retire
    edit("environments/prod.yaml", "store: nowhere\n", "store: azure\n")
    platform.double.refused["list pushsecrets"] = 403
    assert status("dev", "--cluster").out.splitlines()[-1] == retire


def test_a_wait_ends_with_0_or_4(status: Callable[..., Done], platform: LivePlatform) -> None:
    done = status("dev", "--wait")
    assert (done.code, "all are in effect" in done.out) == (0, True)
    assert "in effect" not in done.err
    platform.fail(SPACE, JIRA, "no such host")
    done = status("dev", "--wait", "--timeout", "1s")
    assert (done.code, "not in effect after 1s" in done.out) == (4, True)
    lines = [line for line in done.err.splitlines() if not line.startswith("note: ")]
    assert (lines[0], lines[2].endswith("d ago: no such host")) == ("jira: not ready", True)
    assert lines[-1] == "  the operator tries again within 7m"
    assert "  next: platform-secrets status dev --only jira --wait --force-sync" in done.out.splitlines()


def test_what_waiting_does_not_mend_is_1(status: Callable[..., Done], platform: LivePlatform) -> None:
    found = platform.double.get("externalsecrets", SPACE, JIRA)
    found["metadata"]["labels"] = {}
    platform.double.put("externalsecrets", found)
    done = status("dev", "--wait")
    assert (done.code, "waiting longer will not help" in done.out) == (1, True)


def test_forcing_sets_the_annotation_of_what_is_named(status: Callable[..., Done], platform: LivePlatform) -> None:
    done = status("dev", "--only", "jira", "--force-sync")
    assert (done.code, done.out.splitlines()[-1]) == (0, "jira: the operator was asked to synchronise it")
    assert platform.double.get("externalsecrets", SPACE, JIRA)["metadata"]["annotations"]["force-sync"].isdecimal()
    github = platform.double.get("externalsecrets", SPACE, "agent-github-secrets")
    assert "force-sync" not in github["metadata"]["annotations"]


def test_a_cluster_that_refuses_is_3(status: Callable[..., Done], platform: LivePlatform) -> None:
    platform.double.refused["list externalsecrets"] = 401
    done = status("dev", "--cluster")
    assert done.code == 3
    assert "error: the cluster cannot be asked: it rejected your credentials" in done.err


def test_a_wait_without_a_right_that_it_takes_is_4_unless_that_is_said(
    status: Callable[..., Done], platform: LivePlatform
) -> None:
    platform.double.refused["list secrets"] = 403
    done = status("dev", "--wait")
    last = f"not looked at: keys of the Secret: you are not allowed to list secrets in {SPACE}"
    assert (done.code, done.out.splitlines()[-1]) == (4, last)
    assert "all are in effect" not in done.out
    done = status("dev", "--wait", "--without-secrets")
    assert (done.code, "all are in effect" in done.out) == (0, True)
    assert done.out.splitlines()[-1] == "not looked at: keys of the Secret: --without-secrets"


def test_a_value_that_the_operator_has_not_read_yet_is_older_in_the_secret(
    status: Callable[..., Done], platform: LivePlatform, ends: Ends
) -> None:
    found = ends.vault.versions["ai-platform-engineering/jira-secret"]
    written = datetime.now(UTC) + timedelta(seconds=30)
    found[-1] = replace(found[-1], attributes=replace(found[-1].attributes, created=written))
    done = status("dev", "--cluster")
    assert (done.code, done.out.count("older value")) == (1, 1)
    assert done.out.splitlines()[-1] == "  next: platform-secrets status dev --only jira --wait --force-sync"
    assert status("dev", "--wait", "--timeout", "1s").code == 4
    done = status("dev", "--wait", "--force-sync", "--only", "jira", "--timeout", "1s")
    # Nobody answers: what has just failed is no way out.
    assert (done.code, [line for line in done.out.splitlines() if "next:" in line]) == (4, [f"  next: {OPERATOR}"])


def test_the_roles_are_printed_and_nothing_asked(status: Callable[..., Done], ends: Ends) -> None:
    done = status("dev", "--rbac")
    assert (done.code, done.out.count("kind: Role\n"), done.out.count("kind: ClusterRole\n")) == (0, 6, 3)
    assert ends.vault.calls == []


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--cluster"], "--cluster applies to one environment"),
        (["dev", "prod", "--wait"], "--wait applies to one environment"),
        (["--force-sync"], "--force-sync applies to one environment"),
        (["--rbac"], "--rbac applies to one environment"),
        (["--only", "jira"], "--only applies to one environment"),
        (["dev", "--offline", "--wait"], "--offline cannot be combined with --wait"),
        (["dev", "--offline", "--force-sync"], "--offline cannot be combined with --force-sync"),
        (["dev", "--without-secrets"], "--without-secrets needs --cluster, --wait or --force-sync"),
        (["dev", "--timeout", "5m"], "--timeout needs --wait"),
        (["dev", "--wait", "--timeout", "soon"], "--timeout is not a duration"),
        (["dev", "--rbac", "--format", "json"], "--rbac prints YAML"),
        (["dev", "--only", "jura"], 'the environment "dev" has no secret "jura"'),
    ],
)
def test_what_does_not_go_together_is_a_usage_error(
    status: Callable[..., Done], monkeypatch: pytest.MonkeyPatch, words: list[str], message: str
) -> None:
    monkeypatch.delenv("AZURE_KEYVAULT_NAME")
    done = status(*words)
    assert (done.code, done.out) == (2, "")
    assert f"error: {message}" in done.err


def test_seconds_without_a_unit_are_named_with_it(status: Callable[..., Done]) -> None:
    assert "add its unit, such as 60s" in status("dev", "--wait", "--timeout", "60").err


def test_errors_of_the_input_are_shown(status: Callable[..., Done], project: Path) -> None:
    (project / "environments/dev.yaml").write_text("secrets: {jura: {}}\n", "utf-8")
    done = status("dev", "--offline")
    assert (done.code, "unknown-secret" in done.rules) == (1, True)


def test_several_environments_are_one_report(status: Callable[..., Done], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AZURE_KEYVAULT_NAME")
    report = json.loads(status("--offline", "--format", "json").out)
    assert (report["environment"], "moment" in report) == (None, True)
    assert [each["environment"] for each in report["environments"]] == ["dev", "prod", "staging"]


JIRA_VALUE = "ai-platform-engineering/jira-secret"


def test_what_is_due_is_listed_by_date_and_the_rest_counted(status: Callable[..., Done], ends: Ends) -> None:
    day = datetime.now(UTC)
    dated(ends.vault, JIRA_VALUE, day - timedelta(days=61))
    done = status("dev", "--due", "30d")
    assert (done.code, done.out.splitlines()) == (
        0,
        [
            f"dev: 1 key is due by {day + timedelta(days=30):%Y-%m-%d}",
            "DUE         KEY",
            f"{day + timedelta(days=29):%Y-%m-%d}  jira/ATLASSIAN_TOKEN",
            "11 keys have no limit",
        ],
    )
    assert ends.azure.calls == []
    assert status("dev", "--due", "28").out.splitlines()[0].startswith("dev: 0 keys are due")


def another(project: Path) -> str:
    """Makes an environment like `dev`."""
    (project / "environments/test.yaml").write_bytes((project / "environments/dev.yaml").read_bytes())
    return "test"


def test_what_is_overdue_or_may_be_is_1_and_a_silent_store_3(
    status: Callable[..., Done], ends: Ends, project: Path
) -> None:
    dated(ends.vault, JIRA_VALUE, datetime.now(UTC) - timedelta(days=91))
    done = status("dev", "--due", "0d", "--only", "jira")
    assert (done.code, done.out.splitlines()[-1]) == (1, "next: platform-secrets rotate dev jira ATLASSIAN_TOKEN")
    assert status("dev").code == 0
    dated(ends.vault, JIRA_VALUE, None)
    done = status("dev", another(project), "--due", "0d", "--format", "json")
    assert done.code == 1
    dev, test = json.loads(done.out)["environments"]
    assert [(each["secret"], each["state"]) for each in dev["due"]["keys"]] == [("jira", "not-known")]
    assert (test["environment"], test["due"]["withoutLimit"]) == ("test", 11)
    place = StoreLocation("https://vault")
    refused = StoreError(place, Action.CONNECT, "the connection was refused", "check the address", Code.UNAVAILABLE)
    ends.vault.failures.update({("read", name): refused for name in ends.vault.versions})
    done = status("dev", "--due", "0d")
    assert (done.code, done.out.count("the connection was refused")) == (3, 1)


def measured(text: str) -> dict[str, dict[str, float]]:
    """By the name of a gauge and by the secret, the store or the environment, its samples."""
    families = text_string_to_metric_families(text)  # type: ignore[no-untyped-call]  # it has no types
    return {
        family.name: {
            each.labels.get("secret") or each.labels.get("store") or each.labels["environment"]: each.value
            for each in family.samples
        }
        for family in families
    }


def test_metrics_say_when_each_key_changed_and_is_due(status: Callable[..., Done], ends: Ends) -> None:
    changed = datetime.now(UTC).replace(microsecond=0) - timedelta(days=91)
    dated(ends.vault, JIRA_VALUE, changed)
    dated(ends.vault, "ai-platform-engineering/argocd-secret", None)
    before = datetime.now(UTC).timestamp()
    done = status("dev", "--format", "openmetrics")
    assert done.code == 0
    found = measured(done.out)
    assert found["platform_secret_changed_timestamp_seconds"]["jira"] == changed.timestamp()
    assert found["platform_secret_due_timestamp_seconds"]["jira"] == (changed + timedelta(days=90)).timestamp()
    assert "argocd" not in found["platform_secret_changed_timestamp_seconds"]
    assert found["platform_secret_due_timestamp_seconds"]["argocd"] == 0
    assert found["platform_secret_in_effect"] == {}
    assert found["platform_secrets_store_up"] == {"vault": 1}
    assert 0 <= found["platform_secrets_run_timestamp_seconds"]["dev"] - int(before) < 60
    assert ends.azure.calls == []


def test_metrics_of_a_silent_store_are_3_and_of_a_broken_secret_0(
    status: Callable[..., Done], ends: Ends, platform: LivePlatform, project: Path
) -> None:
    platform.fail(SPACE, JIRA, "no", count=60)
    done = status("dev", "--format", "openmetrics", "--cluster")
    assert done.code == 0
    in_effect = measured(done.out)["platform_secret_in_effect"]
    assert (in_effect.pop("jira"), set(in_effect.values())) == (0, {1})
    place = StoreLocation("https://vault")
    refused = StoreError(place, Action.CONNECT, "the connection was refused", "check the address", Code.UNAVAILABLE)
    ends.vault.failures.update({("read", name): refused for name in ends.vault.versions})
    done = status("dev", another(project), "--format", "openmetrics")
    assert (done.code, done.err.count("the connection was refused")) == (3, 2)
    found = measured(done.out)
    assert found["platform_secrets_store_up"] == {"vault": 0}
    assert set(found["platform_secret_due_timestamp_seconds"].values()) == {0}
    assert list(found["platform_secrets_run_timestamp_seconds"]) == ["dev", "test"]


def test_metrics_replace_their_own_file_and_no_other(
    status: Callable[..., Done], project: Path, tmp_path: Path
) -> None:
    words = ("dev", "--format", "openmetrics", "--out")
    file = tmp_path / "textfile/platform-secrets.prom"
    for _ in range(2):
        done = status(*words, str(file))
        assert (done.code, done.out) == (0, "")
    assert measured(file.read_text("utf-8"))["platform_secrets_store_up"] == {"vault": 1}
    # A collector that runs as another user reads it, and it finds no half of it.
    assert (file.stat().st_mode & 0o777, [each.name for each in file.parent.iterdir()]) == (0o644, [file.name])
    other = project / "environments/dev.yaml"
    before = other.read_bytes()
    done = status(*words, str(other))
    assert (done.code, other.read_bytes()) == (3, before)
    assert "was not written by this compiler" in done.err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--due", "30d", "--offline"), "--due cannot be combined with --offline"),
        (("--due", "30d", "--wait"), "--due cannot be combined with --wait"),
        (("--due", "30d", "--cluster"), "--due cannot be combined with --cluster"),
        (("--due", "30d", "--rbac"), "--due cannot be combined with --rbac"),
        (("--due", "soon"), "--due is not a number of days"),
        (("--due", "0", "--format", "openmetrics"), "--format openmetrics cannot be combined with --due"),
        (("--offline", "--format", "openmetrics"), "--format openmetrics with --offline needs --cluster"),
        (("--wait", "--format", "openmetrics"), "--format openmetrics cannot be combined with --wait"),
        (("--force-sync", "--format", "openmetrics"), "--format openmetrics cannot be combined with --force-sync"),
        (("--out", "a.prom"), "--out needs --format openmetrics"),
    ],
)
def test_options_about_dates_that_do_not_go_together(
    status: Callable[..., Done], ends: Ends, words: tuple[str, ...], message: str
) -> None:
    done = status("dev", *words)
    assert (done.code, done.err.splitlines()[0]) == (2, f"error: {message}")
    assert ends.vault.calls == []


def secrets_of(done: Done) -> list[tuple[str, list[str]]]:
    """The environments of a report, each with its secrets."""
    return [(each["environment"], [row["secret"] for row in each["secrets"]]) for each in done.report["environments"]]


def test_secrets_stand_behind_their_environment(run: RunCommand, project: Path) -> None:
    words = ("--offline", "--format", "json")
    for named in (("jira", "slack"), ("jira", "--only", "slack"), ("--only", "jira", "--only", "slack")):
        assert secrets_of(run("status", "dev", *named, *words)) == [("dev", ["jira", "slack"])]
    assert [name for name, _ in secrets_of(run("status", "dev", "prod", *words))] == ["dev", "prod"]
    for wrong, way_out in (("slak", 'did you mean "slack"?'), ("prd", 'did you mean "prod"?')):
        assert way_out in run("status", "dev", wrong, *words).err


def test_a_word_with_two_meanings_is_refused_with_the_line_for_each(
    run: RunCommand, project: Path, edit: EditFile
) -> None:
    (project / "environments/slack.yaml").write_text("{}\n", "utf-8")
    both = run("status", "dev", "slack")
    assert (both.code, 'error: "slack" is an environment, and a secret of "dev"' in both.err) == (2, True)
    assert "run `platform-secrets status dev --only slack`; for the environment, `platform-secrets status" in both.err
    several = run("status", "dev", "prod", "jira")
    assert (several.code, "run `platform-secrets status dev --only jira`" in several.err) == (2, True)
    assert run("status", "dev", "--only", "slack", "--offline").code == 0


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


FINE = LiveState()
LATE, OLD, DOWN = (
    LiveState((ClusterProblem(state, "it is not ready"),))
    for state in (ClusterState.NOT_SYNCED, ClusterState.OTHER_SPEC, ClusterState.NOT_READY)
)
FAILING = replace(DOWN, evidence=("no such key",))
STATES = {"github": FINE, "jira": LATE, "a": OLD, "b": OLD, "c": OLD}


def on_terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    """What standard error is from here on."""
    terminal = Terminal()
    monkeypatch.setattr("sys.stderr", terminal)
    return terminal


def test_without_a_terminal_what_is_waited_for_and_each_change_is_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    waiting = Waiting()
    waiting.tell({"github": FINE, "jira": LATE}, 60)
    waiting.tell({"github": FINE, "jira": LATE}, 59)
    waiting.tell({"github": FINE, "jira": FINE}, 58)
    waiting.close()
    assert capsys.readouterr().err == "jira: not synced\njira: in effect\n"


def test_a_cause_is_said_when_it_is_known_and_once(capsys: pytest.CaptureFixture[str]) -> None:
    waiting = Waiting()
    waiting.tell({"jira": DOWN}, 60)
    waiting.tell({"jira": FAILING}, 59)
    waiting.tell({"jira": replace(FAILING, next_try=9)}, 58)
    waiting.tell({"jira": replace(DOWN, evidence=("another",))}, 57)
    assert capsys.readouterr().err.splitlines() == [
        "jira: not ready",
        "jira: it is not ready",
        "  because: no such key",
        "jira: it is not ready",
        "  because: another",
    ]


def test_a_cause_that_many_have_is_said_once_a_wait(capsys: pytest.CaptureFixture[str]) -> None:
    waiting = Waiting()
    waiting.tell({"jira": FAILING, "slack": FAILING}, 60)
    waiting.tell({"jira": FINE, "slack": FAILING}, 59)
    waiting.tell({"jira": FAILING, "slack": FAILING}, 58)
    shown = capsys.readouterr().err
    assert shown.count("no such key") == 1
    assert "slack: it is not ready" not in shown


def test_a_terminal_gets_one_line_with_the_time_left_that_goes_at_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = on_terminal(monkeypatch)
    waiting = Waiting()
    waiting.tell(STATES, 125.4)
    shown = "1 of 5 in effect, 2m5s left; jira not synced, a old spec, b old spec and 1 more"
    assert terminal.getvalue().endswith(shown)
    waiting.tell({"github": FINE}, -1)
    assert terminal.getvalue().endswith("1 of 1 in effect, 0s left")
    waiting.close()
    assert terminal.getvalue().endswith("\r\x1b[K")


def test_on_a_terminal_a_cause_stands_above_the_line(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = on_terminal(monkeypatch)
    Waiting().tell({"jira": FAILING}, 60)
    cleared, *lines = terminal.getvalue().split("\n")
    assert cleared.endswith("jira: it is not ready")
    assert lines[0] == "  because: no such key"
    assert lines[1].endswith("0 of 1 in effect, 1m left; jira not ready")
