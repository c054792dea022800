import pytest

from compiler.operations.cutover import Cutover
from compiler.operations.cutover_gate import Mode
from tests.unit.conftest import TAKERS
from tests.unit.operations.cutover.conftest import Bench, said

# Reads what jira reads; a third reads what this one reads beside it.
SHARING = """\
  jirabot:
    target: agent-jirabot-secrets
    remote: {vault: agents/jirabot, azurekv: agents-jirabot}
    syncWave: -49
    keys:
      JIRA_TOKEN: {remote: {vault: agents/jira, azurekv: agents-jira}}
      BOT_TOKEN: {}
  reporter:
    target: agent-reporter-secrets
    remote: {vault: agents/reporter, azurekv: agents-reporter}
    syncWave: -49
    keys: {BOT_TOKEN: {remote: {vault: agents/jirabot, azurekv: agents-jirabot}}}
"""
GUARD = """\
  login:
    target: agent-login-secrets
    remote: {vault: agents/login, azurekv: agents-login}
    syncWave: -49
    guards: true
    keys: {LOGIN: {}}
  sso:
    target: agent-sso-secrets
    remote: {vault: agents/sso, azurekv: agents-sso}
    syncWave: -49
    guards: true
    keys: {SSO: {}}
"""


def extended(bench: Bench, entries: str, secrets: str) -> None:
    bench.write("catalogue", bench.text("catalogue") + entries)
    bench.write("prod", f"secrets: {{{secrets}}}\n")
    for store, between in ((bench.vault, "/"), (bench.azure, "-")):
        store.seed(f"agents{between}jirabot", BOT_TOKEN="b")
        store.seed(f"agents{between}login", LOGIN="l")
        store.seed(f"agents{between}sso", SSO="s")


def of(cutover: Cutover, about: str) -> list[tuple[str, str, str | None]]:
    return [(str(each.verdict), each.message, each.mend) for each in cutover.checks if each.about == about]


@pytest.mark.parametrize("secret", ["jira", "jirabot", "reporter"])
def test_secrets_that_read_one_place_move_together(bench: Bench, secret: str) -> None:
    extended(bench, SHARING, "jirabot: {}, reporter: {}")
    ((verdict, message, mend),) = of(bench.to_azure(secret), "together")
    assert verdict == "refused"
    assert message.startswith("they read one remote place, so they move together: ")
    assert mend == "platform-secrets cutover prod jira jirabot reporter --to azure"
    assert of(bench.to_azure("jira", "jirabot", "reporter"), "together") == []
    assert of(bench.to_azure("github"), "together") == []


def test_one_that_has_moved_already_stays_behind_nobody(bench: Bench) -> None:
    extended(bench, SHARING, "jirabot: {store: azure}, reporter: {store: azure}")
    assert of(bench.to_azure("jira"), "together") == []
    ((_, _, mend),) = of(bench.plan(Mode.BACK, "reporter"), "together")
    assert mend == "platform-secrets cutover prod jirabot reporter --to vault"


def test_another_property_of_one_remote_secret_is_another_place(bench: Bench) -> None:
    other = "JIRA_OTHER: {remote: {vault: agents/jira, azurekv: agents-jira}}"
    extended(
        bench, SHARING.replace("JIRA_TOKEN: {remote: {vault: agents/jira, azurekv: agents-jira}}", other), "jirabot: {}"
    )
    assert of(bench.to_azure("jira"), "together") == []


def test_what_guards_a_store_moves_alone_and_last(bench: Bench) -> None:
    extended(bench, GUARD, "login: {}")
    noted, refused = of(bench.to_azure("login", "jira"), "guards")
    assert noted == (
        *("noted", '"login" guards a store: try a break-glass log-in, which does not need it, first', None),
    )
    assert refused == (
        *("refused", 'what guards a store moves alone: "login"', "platform-secrets cutover prod jira --to azure"),
    )
    _, refused = of(bench.to_azure("login"), "guards")
    assert refused == (
        "refused",
        '"login" guards a store, so it moves last; not there yet: "github", "jira"',
        "platform-secrets cutover prod github jira --to azure",
    )
    bench.write("prod", "store: azure\nsecrets: {login: {store: vault}}\n")
    last = bench.to_azure("login")
    assert (said(last), last.is_refused) == ([("guards", "noted")], False)


def test_two_that_guard_a_store_move_one_after_the_other(bench: Bench) -> None:
    extended(bench, GUARD, "login: {store: vault}, sso: {store: vault}")
    bench.change("prod", "secrets:", "store: azure\nsecrets:")
    (*_, refused) = of(bench.to_azure("login", "sso"), "guards")
    assert refused[1:] == (
        *('what guards a store moves alone: "login", "sso"', "platform-secrets cutover prod login --to azure"),
    )
    assert not bench.to_azure("sso").is_refused


def test_who_reads_the_place_of_what_guards_a_store_moves_last_with_it(bench: Bench) -> None:
    sharing = "  portal: {target: agent-portal-secrets, syncWave: -49, keys: {LOGIN: {from: login/LOGIN}}}\n"
    extended(bench, GUARD + sharing, "login: {}, portal: {}")
    together = "platform-secrets cutover prod login portal --to azure"
    (parted,) = of(bench.to_azure("login"), "together")
    assert (parted[0], parted[2]) == ("refused", together)
    _, refused = of(bench.to_azure("login", "portal"), "guards")
    assert refused[1] == '"login" guards a store, so it moves last; not there yet: "github", "jira"'
    moved = "login: {}, portal: {}, github: {store: azure}, jira: {store: azure}"
    bench.write("prod", f"secrets: {{{moved}}}\n")
    alone = bench.to_azure("login", "portal")
    assert (said(alone), alone.is_refused) == ([("guards", "noted")], False)


def test_on_the_way_back_nothing_waits_for_what_guards_a_store(bench: Bench) -> None:
    extended(bench, GUARD, "login: {store: azure}, jira: {store: azure}")
    back = bench.plan(Mode.BACK, "login", "jira", to="vault")
    assert (said(back), back.is_refused) == ([("guards", "noted")], False)
    # Where it never was, it moves last as on any way forward.
    bench.write("prod", "secrets: {login: {}}\n")
    new = bench.plan(Mode.BACK, "login", "jira", to="azure")
    assert said(new) == [("compared", "noted"), ("guards", "noted"), ("guards", "refused")]


@pytest.mark.parametrize("secret", ["jira", "board", "report"])
def test_secrets_with_a_value_in_common_move_together(bench: Bench, secret: str) -> None:
    extended(bench, TAKERS, "board: {}, report: {}")
    ((verdict, message, mend),) = of(bench.to_azure(secret), "together")
    assert verdict == "refused"
    assert message.startswith(f'they read one remote place, so they move together: "{secret}" and "')
    assert mend == "platform-secrets cutover prod jira board report --to azure"
