from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from compiler.live.observation import Likeness
from compiler.live.stores import LiveStores
from compiler.model.document import Diagnostic, Severity, Source, Span
from compiler.operations.cutover import Cutover, commit, write
from compiler.operations.cutover_gate import (
    About,
    Check,
    Mode,
    Switch,
    Verdict,
    check_destination,
    check_distinct_stores,
    compare_stores,
    effect_of,
    is_closed,
    one_line,
)
from compiler.operations.verify import Verification
from compiler.refusal import Refusal
from compiler.stores.errors import Action, DisabledError, ForbiddenError, StoreLocation
from compiler.stores.interface import Attributes, Dropped, Limit
from compiler.stores.secret_value import JsonKind, SecretValue
from compiler.text.credential import looks_like_credential
from tests.memory_store import secrets
from tests.unit.operations.cutover_bench import Bench, said

MIGRATE = "platform-secrets migrate prod --to azure --only jira"
PUT = "platform-secrets put prod jira"


def of(cutover: Cutover, about: str) -> list[tuple[str, str, str | None]]:
    return [(str(each.verdict), each.message, each.mend) for each in cutover.checks if each.about == about]


def test_equal_stores_open_the_gate(bench: Bench) -> None:
    found = bench.to_azure("jira")
    assert (said(found), found.is_refused) == ([], False)
    assert of(found, "verified") == [
        ("passed", '"azure" holds every key: 2 keys, at https://agents.vault.azure.net', None)
    ]
    assert of(found, "compared") == [("passed", '"jira" is equal in "vault" and "azure": 2 keys', None)]


@pytest.mark.parametrize("held", [{}, {"JIRA_URL": "https://jira"}])
def test_a_key_that_the_new_store_lacks_is_brought_by_a_migration(bench: Bench, held: dict[str, str]) -> None:
    if held:
        bench.azure.hold("agents-jira", secrets(**held))
    else:
        del bench.azure.versions["agents-jira"]
    found = bench.to_azure("jira")
    assert (found.is_refused, found.is_unanswered) == (True, False)
    assert {(verdict, mend) for verdict, _, mend in of(found, "verified")} == {("refused", f"{MIGRATE} --apply")}
    assert all(message.startswith("environments/") for _, message, _ in of(found, "verified"))


def test_a_placeholder_in_the_new_store_is_set_as_a_copy_would_be_a_conflict(bench: Bench) -> None:
    bench.azure.hold("agents-jira", secrets(JIRA_URL="https://jira", JIRA_TOKEN="null"))
    found = bench.to_azure("jira")
    ((verdict, message, mend),) = of(found, "verified")
    assert (verdict, "placeholder-value" in message) == ("refused", True)
    assert mend == "`platform-secrets put prod jira JIRA_TOKEN --store azure` sets the real value"
    (different,) = [each for each in found.checks if each.about == "compared"]
    assert different.more[0] == f'to overwrite them with those of "vault": {MIGRATE} --on-conflict overwrite --apply'


def test_a_blank_in_the_new_store_is_filled_and_not_accepted(bench: Bench) -> None:
    bench.azure.hold("agents-jira", secrets(JIRA_URL="https://jira", JIRA_TOKEN=" "))
    found = bench.to_azure("jira")
    ((verdict, message, mend),) = of(found, "verified")
    assert (verdict, "blank-value" in message, mend) == ("refused", True, f"{MIGRATE} --apply")
    assert of(found, "compared") == []


def test_a_blank_in_the_present_store_is_never_copied_over_a_value(bench: Bench) -> None:
    bench.vault.hold("agents/jira", secrets(JIRA_URL="https://jira", JIRA_TOKEN=""))
    found = bench.to_azure("jira")
    ((verdict, message, mend),) = of(found, "compared")
    assert (verdict, message) == ("refused", 'keys of "jira" are in "azure" and blank in "vault": "JIRA_TOKEN"')
    accept = "platform-secrets cutover prod jira --to azure --accept-differences jira/JIRA_TOKEN"
    assert mend == f'to accept those of "azure": {accept}'
    assert "migrate" not in repr(found.checks)
    assert not bench.to_azure("jira", accepted=("JIRA_TOKEN",)).is_refused
    # The pods get the blank value now, and the other one with the switch.
    assert found.effects[0].changing == ("JIRA_TOKEN",)
    # On the way back that store is left because of it.
    bench.write("prod", "store: vault  # before: azure\n")
    back = bench.plan(Mode.BACK, "jira", to="azure")
    assert (of(back, "compared"), back.is_refused) == ([("noted", message, None)], False)


def test_what_was_deleted_there_is_recovered(bench: Bench) -> None:
    bench.azure.deleted.add("agents-jira")
    ((_, message, mend),) = of(bench.to_azure("jira"), "verified")
    assert "soft-deleted-secret" in message
    assert mend == f"{MIGRATE} --recover --apply"


def test_all_that_is_missing_is_brought_by_one_command(bench: Bench) -> None:
    bench.azure.versions.clear()
    mends = {mend for _, _, mend in of(bench.to_azure("jira", "github"), "verified")}
    assert mends == {"platform-secrets migrate prod --to azure --only github --only jira --apply"}


def test_a_new_store_that_does_not_answer_is_no_refusal_but_no_way_either(bench: Bench) -> None:
    bench.silent.add("azurekv")
    for found in (bench.to_azure("jira"), bench.to_azure("jira", without_comparison=True)):
        assert (found.is_refused, found.is_unanswered) == (True, True)
        assert ("verified", "unanswered") in said(found)


def test_differences_are_named_by_key_and_accepted_by_key(bench: Bench) -> None:
    bench.vault.hold("agents/jira", secrets(JIRA_TOKEN="s3ntinel-4711"))
    bench.azure.hold("agents-jira", secrets(JIRA_TOKEN="s3ntinel-0815", JIRA_URL="s3ntinel-u"))
    found = bench.to_azure("jira")
    different, only = of(found, "compared")
    assert different[:2] == ("refused", 'values of "jira" differ in "azure" and "vault": "JIRA_TOKEN"')
    again = "platform-secrets cutover prod jira --to azure --accept-differences"
    assert different[2] == f'to accept those of "azure": {again} jira/JIRA_TOKEN'
    (both,) = [each for each in found.checks if each.message == different[1]]
    assert both.more[0] == f'to overwrite them with those of "vault": {MIGRATE} --on-conflict overwrite --apply'
    assert only == (
        "refused",
        'keys of "jira" are in "azure" and not in "vault": "JIRA_URL"',
        f'to accept those of "azure": {again} jira/JIRA_URL',
    )
    half = bench.to_azure("jira", accepted=("JIRA_TOKEN",))
    noted, refused = of(half, "compared")
    assert noted == ("noted", 'accepted: values of "jira" differ in "azure" and "vault": "JIRA_TOKEN"', None)
    # The command that is named next accepts both.
    assert str(refused[2]).endswith("--accept-differences jira/JIRA_TOKEN jira/JIRA_URL")
    assert not bench.to_azure("jira", accepted=("JIRA_TOKEN", "jira/JIRA_URL")).is_refused
    assert "s3ntinel" not in "".join(repr(each) for each in (*found.checks, *half.checks))


def test_a_present_store_that_is_gone_has_to_be_waived_but_not_on_the_way_back(bench: Bench) -> None:
    bench.silent.add("vault")
    found = bench.to_azure("jira")
    assert found.is_unanswered
    ((verdict, message, mend),) = of(found, "compared")
    assert verdict == "unanswered"
    assert message.startswith('keys of "jira" not compared: "JIRA_TOKEN", "JIRA_URL": the store "vault"')
    # First what brings the comparison: the wrong address may be named.
    assert mend == "check the address"
    without = "platform-secrets cutover prod jira --to azure --without-comparison"
    assert [each.more for each in found.checks if each.mend == mend] == [(without,)]
    ((_, message, _),) = of(bench.to_azure("jira", "github"), "compared")
    assert message.startswith('keys of "github", "jira" not compared: 3 keys: the store "vault"')
    assert message.endswith("; 3 keys not checked")
    waived = bench.to_azure("jira", without_comparison=True)
    assert (of(waived, "compared")[0][0], waived.is_refused) == ("noted", False)
    bench.write("prod", "store: vault  # before: azure\n")
    back = bench.plan(Mode.BACK, "jira", to="azure")
    assert (of(back, "compared")[0][0], back.is_refused) == ("noted", False)


NEW = 'nothing says that "jira" was in "azure" before: checked as a switch to a new store'


def test_a_way_back_to_where_nothing_was_is_checked_as_a_switch_forward(bench: Bench) -> None:
    open_ = bench.plan(Mode.BACK, "jira", to="azure")
    assert (of(open_, "compared")[0], open_.is_refused) == (("noted", NEW, None), False)
    assert commit(open_)[1] == "git commit -m 'Switch jira of prod to azure'"
    bench.silent.add("vault")
    dead = bench.plan(Mode.BACK, "jira", to="azure")
    assert dead.is_unanswered
    line = "platform-secrets cutover prod jira --back --to azure --without-comparison"
    assert [each.more for each in dead.checks if each.mend == "check the address"] == [(line,)]
    assert not bench.plan(Mode.BACK, "jira", to="azure", without_comparison=True).is_refused
    bench.silent.clear()
    bench.vault.hold("agents/jira", secrets(JIRA_TOKEN="other"))
    refused = [message for verdict, message, _ in of(bench.plan(Mode.BACK, "jira", to="azure"), "compared")]
    assert refused == [
        NEW,
        'values of "jira" differ in "azure" and "vault": "JIRA_TOKEN"',
        'keys of "jira" are in "azure" and not in "vault": "JIRA_URL"',
    ]
    # Without a store by name the same command once more would undo the way back.
    bench.equal()
    bare = bench.plan(Mode.BACK, "jira")
    assert (of(bare, "compared")[0], bare.is_refused) == (
        ("refused", 'nothing says that "jira" was in "azure" before', "if it is to go there, add --to azure"),
        True,
    )
    # One of two secrets without a past is enough.
    bench.write("prod", "secrets: {github: {store: vault}}\n")
    assert of(bench.plan(Mode.BACK, "github", "jira", to="azure"), "compared")[0][1] == NEW


STEPS = "moves: {to: vault, steps: [[all]]}\n"


@pytest.mark.parametrize(
    "text",
    [
        "store: azure\n",
        # Here base.yaml names vault, and the environment's own line goes with the end of the move.
        "store: azure\nlabels: {}\n",
        f"store: azure\n{STEPS}",
        f"{STEPS}secrets: {{jira: {{store: azure}}, github: {{store: azure}}}}\nstore: azure\n",
        "store: azure\nsecrets:\n  jira:\n    store: azure\n",
    ],
)
def test_everything_goes_back_after_the_end_of_the_move_while_vault_is_dead(bench: Bench, text: str) -> None:
    bench.write("prod", text)
    write(bench.plan(Mode.TO, "all", to="vault"))
    write(bench.plan(Mode.FINISH, to="vault"))
    bench.silent.add("vault")
    back = bench.plan(Mode.BACK, "all", to="azure")
    assert ([each for each in said(back) if each[1] != "noted"], back.switches.secrets) == ([], ("github", "jira"))
    write(back)
    assert {secret.store.id for secret in bench.environment().secrets.values() if secret.store} == {"azure"}


def test_a_store_that_does_not_answer_is_told_once_for_all_secrets(bench: Bench) -> None:
    bench.silent.add("vault")
    ((verdict, message, _),) = of(bench.to_azure("all"), "compared")
    assert verdict == "unanswered"
    assert message.startswith('keys of "github", "jira" not compared: 3 keys: the store "vault"')


@pytest.mark.parametrize("is_deleted", [False, True])
def test_the_way_back_is_open_where_only_the_store_that_is_left_lacks_values(bench: Bench, is_deleted: bool) -> None:  # noqa: FBT001
    bench.write("prod", "store: azure\n")
    if is_deleted:
        bench.azure.deleted.add("agents-jira")
    else:
        del bench.azure.versions["agents-jira"]
    found = bench.plan(Mode.BACK, "all", to="vault")
    how = "deleted in" if is_deleted else "not in"
    message = f'keys of "jira" are in "vault" and {how} "azure": "JIRA_TOKEN", "JIRA_URL"'
    assert [each for each in of(found, "compared") if each[0] != "passed"] == [("noted", message, None)]
    assert not found.is_refused
    # The same forward is refused, and says what is deleted.
    bench.write("prod", "store: azure\n")
    forward = bench.plan(Mode.TO, "jira", to="vault")
    assert of(forward, "compared")[0][:2] == ("refused", message)


def test_another_value_is_refused_on_the_way_back_too_with_a_way_that_writes(bench: Bench) -> None:
    bench.write("prod", "store: azure\n")
    bench.vault.hold("agents/jira", secrets(JIRA_TOKEN="other", JIRA_URL="https://jira"))
    ((verdict, _, mend),) = of(bench.plan(Mode.BACK, "jira", to="vault"), "compared")
    back = "platform-secrets cutover prod jira --back --to vault"
    assert verdict == "refused"
    assert mend == f'to accept those of "vault": {back} --accept-differences jira/JIRA_TOKEN --apply'


def test_without_comparison_does_not_hide_a_difference_that_can_be_seen(bench: Bench) -> None:
    bench.vault.hold("agents/jira", secrets(JIRA_TOKEN="other", JIRA_URL="https://jira"))
    found = bench.to_azure("jira", without_comparison=True)
    assert (found.is_refused, found.is_unanswered) == (True, False)


def test_what_has_no_way_out_of_its_own_is_explained_by_its_rule(bench: Bench) -> None:
    bench.azure.hold("agents-jira", {**secrets(JIRA_URL="https://jira"), "JIRA_TOKEN": SecretValue("a\0b")})
    bench.vault.hold("agents/jira", {**secrets(JIRA_URL="https://jira"), "JIRA_TOKEN": SecretValue("a\0b")})
    ((verdict, message, mend),) = of(bench.to_azure("jira"), "verified")
    assert (verdict, "invalid-character" in message, bool(mend)) == ("refused", True, True)
    found = bench.to_azure("jira")
    assert found.verified is not None
    bare = [each._replace(help=None) for each in found.verified.diagnostics]
    silent = replace(found.verified, diagnostics=tuple(bare), keys=())
    (check,) = check_destination(silent, found.preview.switched, bench.live())
    assert check.mend == "platform-secrets rules invalid-character"


def test_a_warning_about_a_value_is_shown(bench: Bench) -> None:
    for store, name in ((bench.vault, "agents/jira"), (bench.azure, "agents-jira")):
        store.hold(name, secrets(JIRA_TOKEN="t-2 ", JIRA_URL="https://jira"))
    found = bench.to_azure("jira")
    assert (said(found), found.is_refused) == ([("verified", "noted")], False)


def test_two_stores_that_are_one_from_here_are_not_compared(bench: Bench) -> None:
    environment = bench.environment()
    vault = environment.stores["vault"]
    other = replace(vault, id="other", address="https://other.example.com")
    moved = Switch(environment, "jira", vault, other)
    assert list(check_distinct_stores([moved], LiveStores({}))) == []
    (check,) = check_distinct_stores([moved], LiveStores({"VAULT_ADDR": "http://127.0.0.1:8200"}))
    assert check.message == '"vault" and "other" are the same place, seen from this machine'
    # Two names of one port-forward: compared with itself, everything is equal.
    near = replace(other, reachable_at="http://127.0.0.1:8200")
    (check,) = check_distinct_stores(
        [Switch(environment, "jira", vault, near)], LiveStores({"VAULT_ADDR": "http://localhost:8200/"})
    )
    assert check.message == '"vault" and "other" are the same place, seen from this machine'
    # One port-forward for two written servers, whatever else differs in what is known of them.
    at = "http://127.0.0.1:8201"
    here, there = replace(vault, reachable_at=at), replace(other, reachable_at=at, cluster_id="c2")
    forwarded = replace(moved, source=here, destination=there)
    (check,) = check_distinct_stores([forwarded], LiveStores({}))
    assert "reachableAt" in (check.mend or "")
    # Each cluster has its own server of that name, and one port-forward leads to one of them alone.
    inside = [replace(vault, id=each, address="http://vault.vault.svc:8200", cluster_id=each) for each in ("c1", "c2")]
    forwarded = replace(moved, source=inside[0], destination=inside[1])
    (check,) = check_distinct_stores([forwarded], LiveStores({"VAULT_ADDR": "http://localhost:8200"}))
    assert check.mend == "unset VAULT_ADDR, which stands for both, or correct reachableAt"
    # One server under two names is meant so.
    same = replace(moved, destination=replace(vault, id="other"))
    assert list(check_distinct_stores([same], LiveStores({}))) == []
    assert list(check_distinct_stores([replace(moved, destination=replace(other, address=None))], LiveStores({}))) == []
    # In the order of the switches, whatever the stores hash to.
    names = [f"store-{number}" for number in range(9)]
    several = [replace(moved, destination=replace(other, id=name)) for name in names]
    checks = check_distinct_stores(several, LiveStores({"VAULT_ADDR": "http://127.0.0.1:8200"}))
    assert [check.message.split('"')[3] for check in checks] == names


def test_what_is_deleted_there_is_copied_again_with_recover(bench: Bench) -> None:
    bench.equal()
    bench.azure.deleted.add("agents-jira")
    refused = [each.mend for each in bench.to_azure("jira", "github").checks if each.verdict is Verdict.REFUSED]
    assert set(refused) == {"platform-secrets migrate prod --to azure --only jira --recover --apply"}


END = datetime(2030, 1, 1, 7, 31, tzinfo=UTC)


def ending(bench: Bench, *, vault: datetime | None, again: datetime | None) -> None:
    """Two Vaults: what `vault` holds of jira, and what `again`, which serves it, does."""
    bench.change(
        "base", "  azure:", '  again: {provider: vault, name: again, server: "https://again.example.com"}\n  azure:'
    )
    bench.write("prod", "secrets: {jira: {store: again}}\n")
    for store, when in ((bench.vault, vault), (bench.again, again)):
        store.seed("agents/jira", JIRA_TOKEN="t-2", JIRA_URL="https://jira")
        newest = store.versions["agents/jira"][-1]
        store.versions["agents/jira"][-1] = replace(newest, attributes=Attributes(expires=when))


def test_a_version_that_deletes_itself_before_the_one_that_serves_is_not_switched_to(bench: Bench) -> None:
    ending(bench, vault=END, again=None)
    bench.vault.drops["agents/jira"] = Dropped((), 10, 60, (Limit.NAME,))
    found = bench.plan(Mode.TO, "jira", to="vault")
    assert (found.is_refused, found.is_unanswered) == (True, False)
    _, (verdict, message, mend) = of(found, "compared")
    what = 'version v2 of "agents/jira" in "vault" deletes itself on 2030-01-01 07:31:00 UTC'
    assert (verdict, message) == ("refused", f'{what}, before what "again" holds of "jira"')
    assert mend == (
        "to have it stay: bao kv metadata put -mount=secret -delete-version-after=0s agents/jira"
        " && bao kv undelete -mount=secret -versions=v2 agents/jira"
    )
    assert found.checks[-1].more == (
        "to accept that: platform-secrets cutover prod jira --to vault --accept-ending jira",
    )
    accepted = bench.plan(Mode.TO, "jira", to="vault", ending=("jira",))
    assert not accepted.is_refused
    assert of(accepted, "compared")[1][:2] == ("noted", f"accepted: {message}")
    with pytest.raises(Refusal, match='names "github", which is not one of the secrets to switch'):
        bench.plan(Mode.TO, "jira", to="vault", ending=("jira", "github"))


def test_the_way_back_only_warns_of_a_version_that_deletes_itself(bench: Bench) -> None:
    ending(bench, vault=END, again=None)
    found = bench.plan(Mode.BACK, "jira", to="vault")
    assert not found.is_refused
    assert [verdict for verdict, _, _ in of(found, "compared")] == ["passed", "noted"]


def test_a_version_that_ends_no_sooner_than_the_one_that_serves_is_taken(bench: Bench) -> None:
    ending(bench, vault=END, again=END)
    assert not bench.plan(Mode.TO, "jira", to="vault").is_refused


def test_the_expiry_date_of_a_key_vault_is_no_end(bench: Bench) -> None:
    newest = bench.azure.versions["agents-jira"][-1]
    bench.azure.versions["agents-jira"][-1] = replace(newest, attributes=Attributes(expires=END))
    assert not bench.to_azure("jira").is_refused


def test_a_difference_says_which_value_is_later_and_how_to_overwrite_it(bench: Bench) -> None:
    bench.vault.hold("agents/jira", secrets(JIRA_TOKEN="other", JIRA_URL="https://jira"))
    for store, name, when in ((bench.vault, "agents/jira", END), (bench.azure, "agents-jira", END - timedelta(days=1))):
        newest = store.versions[name][-1]
        store.versions[name][-1] = replace(newest, attributes=Attributes(created=when))
    (check,) = [each for each in bench.to_azure("jira").checks if each.message.startswith("values of ")]
    assert check.verdict is Verdict.REFUSED
    assert check.message == (
        'values of "jira" differ in "azure" and "vault": "JIRA_TOKEN"; '
        '"vault" was written later, 2030-01-01 07:31:00 UTC, "azure" 2029-12-31 07:31:00 UTC'
    )
    assert check.more == (
        f'to overwrite them with those of "vault": {MIGRATE} --on-conflict overwrite --apply',
        "to see which runs wrote: platform-secrets runs prod",
    )


def test_a_key_is_accepted_of_the_secret_that_is_named_and_of_no_other(bench: Bench) -> None:
    bench.change("catalogue", "      JIRA_TOKEN:", "      GITHUB_TOKEN: {description: Also}\n      JIRA_TOKEN:")
    for store, name in ((bench.vault, "agents/jira"), (bench.azure, "agents-jira")):
        store.hold(name, secrets(GITHUB_TOKEN=store.address.url, JIRA_TOKEN="t-2", JIRA_URL="https://jira"))
    bench.azure.hold("agents-github", secrets(GITHUB_TOKEN="other"))
    found = bench.to_azure("jira", "github", accepted=("jira/GITHUB_TOKEN",))
    assert [(verdict, message) for verdict, message, _ in of(found, "compared")] == [
        ("refused", 'values of "github" differ in "azure" and "vault": "GITHUB_TOKEN"'),
        ("noted", 'accepted: values of "jira" differ in "azure" and "vault": "GITHUB_TOKEN"'),
    ]
    assert not bench.to_azure("jira", "github", accepted=("GITHUB_TOKEN",)).is_refused


def test_an_end_is_accepted_of_the_secret_that_is_named_and_of_no_other(bench: Bench) -> None:
    ending(bench, vault=END, again=None)
    bench.write("prod", "secrets: {jira: {store: again}, github: {store: again}}\n")
    bench.again.seed("agents/github", GITHUB_TOKEN="t-1")
    (newest,) = bench.vault.versions["agents/github"]
    bench.vault.versions["agents/github"] = [replace(newest, attributes=Attributes(expires=END))]
    found = bench.plan(Mode.TO, "jira", "github", to="vault", ending=("jira",))
    ends = [each for each in found.checks if "deletes itself" in each.message]
    assert [(str(each.verdict), '"github"' in each.message) for each in ends] == [("refused", True), ("noted", False)]
    # The command that is named next accepts both.
    assert ends[0].more[-1].endswith("--accept-ending jira github")


def likenesses(bench: Bench) -> dict[str, str]:
    return {each.cell.key: str(each.likeness) for each in comparison(bench).keys}


def comparison(bench: Bench) -> Verification:
    environment = bench.environment()
    stores = environment.stores
    return compare_stores([Switch(environment, "jira", stores["vault"], stores["azure"])], bench.live())


def test_equal_values_are_found_equal_with_one_read_of_each_side(bench: Bench) -> None:
    assert likenesses(bench) == {"JIRA_TOKEN": "equal", "JIRA_URL": "equal"}
    assert (bench.vault.reads, bench.azure.reads) == (["agents/jira"], ["agents-jira"])
    assert bench.vault.writes == bench.azure.writes == []


def test_a_value_that_differs_in_text_or_kind_is_different(bench: Bench) -> None:
    bench.azure.hold(
        "agents-jira", {**secrets(JIRA_TOKEN="t-2 "), "JIRA_URL": SecretValue("https://jira", JsonKind.NUMBER)}
    )
    assert likenesses(bench) == {"JIRA_TOKEN": "different", "JIRA_URL": "different"}


def test_what_the_present_store_does_not_hold_is_told_from_what_it_does_not_tell(bench: Bench) -> None:
    bench.vault.hold("agents/jira", secrets(JIRA_URL="https://jira"))
    assert likenesses(bench) == {"JIRA_TOKEN": "only-there", "JIRA_URL": "equal"}
    place = StoreLocation("https://vault", "agents/jira")
    bench.vault.failures["read", "agents/jira"] = DisabledError(place, Action.READ, "it is disabled", "enable it")
    assert set(likenesses(bench).values()) == {"only-there"}
    bench.vault.failures["read", "agents/jira"] = ForbiddenError(
        place, Action.READ, "it is forbidden", "get a role", permission="read"
    )
    found = comparison(bench)
    assert {each.likeness for each in found.keys} == {Likeness.UNKNOWN}
    assert all(each.present is not None and "it is forbidden" in each.present.found[0].message for each in found.keys)


@pytest.mark.parametrize("silent", ["vault", "azurekv"])
def test_a_store_that_does_not_answer_leaves_the_likeness_open(bench: Bench, silent: str) -> None:
    bench.silent.add(silent)
    expected = "unknown" if silent == "vault" else "missing"
    assert set(likenesses(bench).values()) == {expected}
    assert comparison(bench).answered == (silent == "vault")


def test_no_value_is_in_what_is_found(bench: Bench) -> None:
    bench.vault.seed("agents/jira", JIRA_TOKEN="s3ntinel-4711", JIRA_URL="s3ntinel-4711")
    found = comparison(bench)
    assert "s3ntinel" not in repr(found)
    assert len(found.keys) == 2


@pytest.mark.parametrize(
    ("verdicts", "closed"),
    [
        ((), False),
        ((Verdict.PASSED, Verdict.NOTED), False),
        ((Verdict.PASSED, Verdict.REFUSED), True),
        ((Verdict.UNANSWERED,), True),
    ],
)
def test_a_refusal_or_a_missing_answer_closes_the_gate(verdicts: tuple[Verdict, ...], closed: bool) -> None:  # noqa: FBT001
    assert is_closed(tuple(Check(About.COMPARED, each, "x") for each in verdicts)) is closed


def test_a_finding_is_stated_in_the_form_that_shows_its_names() -> None:
    span = Span(Source("environments/prod.yaml", "jira: {}\n"), 0, 1)
    found = Diagnostic("missing-secret", Severity.ERROR, '"agents-jira" is not in "azure"', span)
    message = one_line(found)
    assert message == 'environments/prod.yaml:1:1: error[missing-secret]: "agents-jira" is not in "azure"'
    assert not looks_like_credential(message)


@pytest.mark.parametrize(("skips", "effect"), [(True, (("TOKEN",), ())), (False, ((), ("TOKEN",)))])
def test_a_key_that_was_left_out_comes_back_with_a_switch(
    effect: tuple[tuple[str, ...], tuple[str, ...]], *, skips: bool
) -> None:
    cell = SimpleNamespace(environment="dev", secret="github", key="TOKEN")
    found: Any = SimpleNamespace(keys=[SimpleNamespace(cell=cell, likeness=Likeness.ONLY_THERE, present=None)])
    before = SimpleNamespace(entry=SimpleNamespace(skips_missing=skips))
    switch: Any = SimpleNamespace(environment=SimpleNamespace(name="dev"), secret="github", before=before)
    assert effect_of(found, switch) == effect


@pytest.fixture
def extracting(bench: Bench) -> Bench:
    text = bench.text("catalogue")
    assert text.count("\n  jira:\n") == 1
    bench.write("catalogue", text.replace("\n  jira:\n", "\n  jira:\n    extract: true\n"))
    return bench


def jira(**more: str) -> dict[str, SecretValue]:
    return secrets(JIRA_TOKEN="t-2", JIRA_URL="https://jira", **more)


def test_the_gate_wants_the_keys_that_are_not_listed_too(extracting: Bench) -> None:
    extracting.vault.hold("agents/jira", jira(SAME="s", LOST="x", CHANGED="old"))
    extracting.azure.hold("agents-jira", jira(SAME="s", CHANGED="new", SURPLUS="y"))
    found = extracting.to_azure("jira")
    assert "the Secret keeps its name and listed keys" in [each.message for each in found.checks]
    assert found.is_refused
    assert of(found, "compared")[1:] == [
        (
            "refused",
            'the Secret of "jira" would lose keys, which are in "vault" and not in "azure": "LOST"',
            f"{MIGRATE} --apply",
        ),
        (
            "refused",
            'the Secret of "jira" would get keys, which are in "azure" and not in "vault": "SURPLUS"',
            f"to remove them there: {PUT} --remove SURPLUS --store azure --apply",
        ),
        (
            "refused",
            'values of "jira" differ in "azure" and "vault": "CHANGED"',
            f"{MIGRATE} --on-conflict overwrite --apply",
        ),
    ]


LISTS_A = ("remote: {azurekv: agents-jira}", "keys: {A: {}}")
READ = "pods may read it: it goes into the Secret of"
BROKEN = "who reads it is not known: cannot tell which secrets are in use: environments/dev.yaml:1:1 has an error"
REMOVE_B = f"to remove them there: {PUT} --remove B --store azure --apply"


@pytest.mark.parametrize(
    ("dev", "entry", "line", "left"),
    [
        ("store: azure\n", (), "", f'"A", "B" cannot be removed from "azure": {READ} "dev/jira"'),
        ("stor: azure\n", (), "", f'"A", "B" cannot be removed from "azure": {BROKEN}'),
        ("", LISTS_A, REMOVE_B, '"A" cannot be removed from "azure": it is the key "A" of "other"'),
    ],
)
def test_no_line_removes_a_key_that_another_secret_or_environment_reads(
    extracting: Bench, dev: str, entry: tuple[str, ...], line: str, left: str
) -> None:
    extracting.vault.hold("agents/jira", jira())
    extracting.azure.hold("agents-jira", jira(A="a", B="b"))
    if entry:
        extracting.add_entry(*entry)
    if dev:
        extracting.write("dev", dev)
    (check,) = [each for each in extracting.to_azure("jira").checks if "would get keys" in each.message]
    *removing, why, accept = (check.mend or "", *check.more)
    assert removing == ([line] if line else [])
    assert why.startswith(left)
    assert accept.startswith("to accept that: ")


@pytest.mark.parametrize("name", ["ghp_" + "0123456789" * 4, "A\x07"])
def test_no_line_names_a_key_that_cannot_be_shown(extracting: Bench, name: str) -> None:
    extracting.vault.hold("agents/jira", jira())
    extracting.azure.hold("agents-jira", jira(**{name: "a"}))
    (check,) = [each for each in extracting.to_azure("jira").checks if "would get keys" in each.message]
    assert name not in check.message
    assert str(check.mend).endswith('cannot be removed from "azure": no line can name it; the store\'s own tools can')
    assert check.more == ()


@pytest.mark.parametrize("policy", ["Delete", "Merge"])
def test_without_the_cluster_it_is_said_which_secrets_depend_on_the_store_object(bench: Bench, policy: str) -> None:
    assert of(bench.to_azure("jira", "github"), "cluster-store") == []
    bench.change("catalogue", "\n  jira:\n", f"\n  jira:\n    deletionPolicy: {policy}\n")
    found = bench.to_azure("jira", "github")
    message = (
        'not asked: whether the ClusterSecretStore "azure-store" leads to "azure"; if not, the operator takes '
        'keys out of the Secret, or deletes it, by its deletionPolicy: "jira"'
    )
    way_out = "add --cluster, which asks that"
    assert (of(found, "cluster-store"), found.is_refused) == ([("noted", message, way_out)], False)
    assert of(bench.to_azure("jira", cluster=("--cluster",)), "cluster-store") == []


GOES_THROUGH_ALL = """
    template:
      data:
        all.env: '{{ range $key, $value := . }}{{ $key }}={{ $value }};{{ end }}'
"""


@pytest.mark.parametrize(
    ("fetch", "lists_keys"), [("    extract: true", True), ("    extract: true", False), ("", True)]
)
def test_a_text_that_goes_through_all_keys_is_made_of_the_unlisted_too(
    extracting: Bench, fetch: str, *, lists_keys: bool
) -> None:
    extracting.change("catalogue", "    extract: true\n", fetch + GOES_THROUGH_ALL)
    if not fetch:
        extracting.write("prod", extracting.text() + "fetch: bundle\n")
    if not lists_keys:
        keys = "    keys:\n      JIRA_TOKEN: {description: Token}\n      JIRA_URL: {description: URL}\n"
        extracting.change("catalogue", keys, "")
    extracting.vault.hold("agents/jira", jira(LOST="x", CHANGED="old"))
    extracting.azure.hold("agents-jira", jira(CHANGED="new", SURPLUS="y"))
    refused = [each.message for each in extracting.to_azure("jira").checks if each.verdict is Verdict.REFUSED]
    assert refused == [
        'the Secret of "jira" would lose parts of its texts, which are in "vault" and not in "azure": "LOST"',
        'the Secret of "jira" would get parts of its texts, which are in "azure" and not in "vault": "SURPLUS"',
        'values of "jira" differ in "azure" and "vault": "CHANGED"',
    ]


def test_no_line_removes_all_that_the_new_store_holds(extracting: Bench) -> None:
    keys = "    keys:\n      JIRA_TOKEN: {description: Token}\n      JIRA_URL: {description: URL}\n"
    extracting.change("catalogue", keys, "")
    extracting.azure.hold("agents-jira", secrets(A="a"))
    found = [each.mend for each in extracting.to_azure("jira").checks if each.mend is not None]
    assert found == [f"{MIGRATE} --apply", '"A" is all that "azure" has of it: copy other keys there first']


def more(found: Cutover) -> list[tuple[str, ...]]:
    return [check.more for check in found.checks if check.about is About.COMPARED and check.more]


def test_a_property_that_becomes_a_listed_key_is_no_surplus(extracting: Bench) -> None:
    held = {"JIRA TOKEN": SecretValue("t-2"), **secrets(JIRA_URL="https://jira")}
    extracting.vault.hold("agents/jira", jira())
    extracting.azure.hold("agents-jira", held)
    found = extracting.to_azure("jira")
    assert not any("--remove" in mend for each in found.checks for mend in each.mends)
    assert not found.is_refused


def test_a_key_that_is_not_listed_is_accepted_by_its_name(extracting: Bench) -> None:
    extracting.vault.hold("agents/jira", jira(LOST="x", CHANGED="old"))
    extracting.azure.hold("agents-jira", jira(CHANGED="new", **{"-odd": "y"}))
    accept = "to accept that: platform-secrets cutover prod jira --to azure --accept-differences"
    found = extracting.to_azure("jira")
    assert more(found) == [(f"{accept} jira/LOST",), (f"{accept} jira/-odd",), (f"{accept} jira/CHANGED",)]
    assert f"{PUT} --remove=-odd --store azure --apply" in str(found.checks)
    found = extracting.to_azure("jira", accepted=("jira/LOST", "CHANGED"))
    assert more(found) == [(f"{accept} jira/CHANGED jira/LOST jira/-odd",)]
    noted = [message for verdict, message, _ in of(found, "compared") if verdict == "noted"]
    assert [message[:9] for message in noted] == ["accepted:", "accepted:"]
    assert not extracting.to_azure("jira", accepted=("jira/LOST", "CHANGED", "jira/-odd")).is_refused


def test_a_key_that_no_store_has_is_not_accepted(extracting: Bench) -> None:
    extracting.vault.hold("agents/jira", jira(LOST="x"))
    extracting.azure.hold("agents-jira", jira(LOST="x"))
    found = extracting.to_azure("jira", accepted=("jira/LOSTT", "jira/LOST", "JIRA_URL"))
    message = '--accept-differences names "LOSTT", which is not a key of "jira" in "vault" or "azure"'
    assert ("refused", message, 'did you mean "LOST"?') in of(found, "compared")
    # Of an entry that lists all its keys, the files know that.
    with pytest.raises(Refusal, match='names "github/LOST", which is not a key of the secrets to switch'):
        extracting.to_azure("jira", "github", accepted=("github/LOST",))


def test_equal_keys_that_are_not_listed_open_the_gate(extracting: Bench) -> None:
    extracting.vault.hold("agents/jira", jira(SAME="s"))
    extracting.azure.hold("agents-jira", jira(SAME="s"))
    found = extracting.to_azure("jira")
    assert not found.is_refused
    assert of(found, "compared")[1:] == [
        ("passed", '"jira" has the same keys that are not listed in "vault" and "azure": 1 other key', None)
    ]


def test_where_no_key_is_listed_each_is_compared(bench: Bench) -> None:
    text = bench.text("catalogue")
    start = text.index("    keys:", text.index("\n  jira:\n"))
    end = start + len("    keys:\n")
    while text[end:].startswith("      "):
        end = text.index("\n", end) + 1
    bench.write("catalogue", text[:start] + "    extract: true\n" + text[end:])
    bench.vault.hold("agents/jira", jira(SAME="s"))
    bench.azure.hold("agents-jira", jira(SAME="s"))
    found = bench.to_azure("jira")
    assert not found.is_refused
    assert of(found, "compared") == [
        ("passed", '"jira" has the same keys that are not listed in "vault" and "azure": 3 other keys', None)
    ]
    assert '"azure" holds every key: 3 keys' in of(found, "verified")[-1][1]
    bench.azure.hold("agents-jira", jira(SAME="other"))
    found = bench.to_azure("jira")
    assert [word for word, *_ in of(found, "compared")] == ["refused"]
    bench.vault.held.clear()
    bench.vault.versions.clear()
    found = bench.to_azure("jira")
    assert 'keys of "jira" are in "azure" and not in "vault": every key' in of(found, "compared")[0][1]
    assert found.is_refused


def test_without_extract_other_properties_are_nobodys_keys(bench: Bench) -> None:
    bench.azure.hold("agents-jira", jira(SURPLUS="y"))
    assert not bench.to_azure("jira").is_refused
