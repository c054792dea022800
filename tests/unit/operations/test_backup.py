import gc
import json
from collections import UserDict
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from types import FunctionType, ModuleType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compiler.change.apply import Change
from compiler.change.plan import Kind, OnConflict, Options, Plan
from compiler.model.environment import Environment, Store
from compiler.operations.backup import (
    Backup,
    Gathered,
    decode,
    encode,
    gather,
    require_only,
    require_origin,
    restoration,
)
from compiler.refusal import Refusal
from compiler.stores.errors import Code, DisabledError, SoftDeletedError, StoreError
from compiler.stores.secret_value import JsonKind, SecretValue
from tests.refusals import is_refused
from tests.unit.changes import keys_of, puts
from tests.unit.conftest import Stores, taking


@pytest.fixture
def filled(stores: Stores) -> Stores:
    stores.vault.hold("agents/github", {"GITHUB_TOKEN": SecretValue("t")})
    stores.vault.hold("agents/jira", {"JIRA_TOKEN": SecretValue("t"), "JIRA_URL": SecretValue("u")})
    return stores


def lacking(gathered: Gathered) -> dict[str, str]:
    return {each.key: each.reason for each in gathered.lacking}


def test_all_secrets_are_read_once_each(environment: Environment, filled: Stores) -> None:
    gathered = gather(environment, (), filled.live)
    assert {name: value.reveal() for name, value in gathered.backup.values.items()} == {
        ("github", "GITHUB_TOKEN"): "t",
        ("jira", "JIRA_TOKEN"): "t",
        ("jira", "JIRA_URL"): "u",
    }
    assert gathered.backup.environment == "prod"
    assert gathered.backup.time.endswith("+00:00")
    assert gathered.lacking == ()
    assert gathered.left_out == ()
    assert sorted(filled.vault.reads) == ["agents/github", "agents/jira"]
    assert filled.vault.writes == []


def test_only_the_named_secrets_are_read(environment: Environment, filled: Stores) -> None:
    gathered = gather(environment, ("jira",), filled.live)
    assert gathered.backup.secrets == ("jira",)
    assert filled.vault.reads == ["agents/jira"]


def test_keys_of_variants_not_in_use_are_taken_along_and_not_missed(environment: Environment, filled: Stores) -> None:
    filled.vault.hold("agents/github", {"GITHUB_TOKEN": SecretValue("t"), "GITHUB_APP_ID": SecretValue("7")})
    gathered = gather(environment, ("github",), filled.live)
    assert sorted(gathered.backup.values) == [("github", "GITHUB_APP_ID"), ("github", "GITHUB_TOKEN")]
    assert gathered.lacking == ()


def test_what_is_in_use_and_not_there_is_missing(environment: Environment, filled: Stores) -> None:
    filled.vault.hold("agents/jira", {"JIRA_TOKEN": SecretValue("t")})
    del filled.vault.versions["agents/github"]
    gathered = gather(environment, (), filled.live)
    assert lacking(gathered) == {
        "GITHUB_TOKEN": "the store has no such secret",
        "JIRA_URL": "the secret has no such property",
    }
    assert gathered.backup.missing == (("github", "GITHUB_TOKEN"), ("jira", "JIRA_URL"))


def test_what_could_not_be_restored_is_not_taken_for_saved(environment: Environment, filled: Stores) -> None:
    filled.vault.hold("agents/jira", {"JIRA_TOKEN": SecretValue("5", JsonKind.NUMBER), "JIRA_URL": SecretValue(" ")})
    gathered = gather(environment, ("jira",), filled.live)
    assert lacking(gathered) == {
        "JIRA_TOKEN": "its value is not a string, which could not be restored",
        "JIRA_URL": "its value is empty, which could not be restored",
    }
    assert gathered.backup.values == {}


def test_a_secret_that_cannot_be_read_is_told_and_a_dead_store_ends_all(
    environment: Environment, filled: Stores
) -> None:
    filled.vault.failures["read", "agents/jira"] = filled.failure(DisabledError, "agents/jira")
    assert lacking(gather(environment, (), filled.live)) == {
        "JIRA_TOKEN": "it is refused; do something",
        "JIRA_URL": "it is refused; do something",
    }
    filled.vault.failures["read", "agents/github"] = filled.failure(Code.UNAVAILABLE, "agents/github")
    with pytest.raises(StoreError, check=is_refused(Code.UNAVAILABLE)):
        gather(environment, (), filled.live)


def test_properties_outside_the_catalogue_are_left_out_and_told(environment: Environment, filled: Stores) -> None:
    filled.vault.hold("agents/github", {"GITHUB_TOKEN": SecretValue("t"), "NOTES": SecretValue("n")})
    gathered = gather(environment, (), filled.live)
    assert gathered.left_out == (("agents/github", "NOTES"),)
    assert ("github", "NOTES") not in gathered.backup.values


@pytest.mark.parametrize("only", [(), ("jira",)])
def test_keys_of_other_secrets_in_the_same_remote_are_no_strangers(
    sharing: Environment, stores: Stores, only: tuple[str, ...]
) -> None:
    names = ("GITHUB_TOKEN", "GITHUB_APP_ID", "JIRA_TOKEN", "JIRA_URL", "ONLY", "NOTES")
    stores.vault.hold("agents/shared", {name: SecretValue(name) for name in names})
    gathered = gather(sharing, only, stores.live)
    assert gathered.left_out == (("agents/shared", "NOTES"),)
    assert {secret for secret, _ in gathered.backup.values} == set(only or ("github", "jira"))


def test_a_key_without_a_place_is_missing_and_a_secret_without_a_store_is_none(
    environment: Environment, stores: Stores
) -> None:
    entry = environment.catalogue.entries["vaultonly"]
    used = (environment.secrets["jira"].keys[0]._replace(key=entry.keys["ONLY"]),)
    secret = replace(
        environment.secrets["jira"], id="vaultonly", entry=entry, store=environment.stores["azure"], keys=used
    )
    gathered = gather(replace(environment, secrets={"vaultonly": secret}), (), stores.live)
    assert lacking(gathered) == {"ONLY": "the store has no such secret"}
    storeless = replace(environment, secrets={"vaultonly": replace(secret, store=None)})
    assert gather(storeless, (), stores.live).backup.values == {}


def test_a_part_is_enough_only_where_a_part_will_do(environment: Environment, stores: Stores) -> None:
    with pytest.raises(Refusal) as caught:
        gather(environment, (), stores.live).is_enough(is_partial=True)
    assert (caught.value.kind, caught.value.help) == ("usage", "`platform-secrets verify prod` shows what they hold")
    stores.vault.hold("agents/github", {"GITHUB_TOKEN": SecretValue("t")})
    some = gather(environment, (), stores.live)
    assert (some.is_enough(is_partial=False), some.is_enough(is_partial=True)) == (False, True)
    assert gather(environment, ["github"], stores.live).is_enough(is_partial=False)


def test_a_value_that_several_secrets_have_is_backed_up_once(tmp_path: Path, filled: Stores) -> None:
    environment = taking(tmp_path / "project")
    filled.vault.hold("agents/board", {"OWN": SecretValue("o")})
    gathered = gather(environment, (), filled.live)
    assert sorted(gathered.backup.values) == [
        ("board", "OWN"),
        ("github", "GITHUB_TOKEN"),
        ("jira", "JIRA_TOKEN"),
        ("jira", "JIRA_URL"),
    ]
    assert (gathered.lacking, gathered.left_out) == ((), ())
    assert sorted(filled.vault.reads) == ["agents/board", "agents/github", "agents/jira"]
    # One that takes it is backed up with it.
    assert set(gather(environment, ("report",), filled.live).backup.values) == {("jira", "JIRA_TOKEN")}


def test_a_value_is_missed_once_and_where_its_secret_is_not_here_by_who_takes_it(
    tmp_path: Path, stores: Stores
) -> None:
    gathered = gather(taking(tmp_path / "one"), ("report", "board"), stores.live)
    assert [(each.secret, each.key) for each in gathered.lacking] == [("board", "OWN"), ("jira", "JIRA_TOKEN")]
    gathered = gather(taking(tmp_path / "two", "report: {}, jira: {enabled: false}"), ("report",), stores.live)
    assert [(each.secret, each.key) for each in gathered.lacking] == [("report", "TOKEN")]


TIME = "2026-01-02T03:04:05+00:00"
BACKUP = Backup(
    "prod",
    TIME,
    {("jira", "URL"): SecretValue("u"), ("github", "TOKEN"): SecretValue("s3ntinel")},
    (("jira", "TOKEN"),),
)


def plain(backup: Backup) -> dict[tuple[str, str], str]:
    return {name: value.reveal() for name, value in backup.values.items()}


def test_the_manifest_lists_and_the_content_holds_the_values() -> None:
    head, content, end = encode(BACKUP).decode().split("\n")
    manifest = json.loads(head)
    assert manifest.pop("digest").startswith("sha256:")
    assert manifest == {
        "format": "platform-secrets backup",
        "version": 2,
        "environment": "prod",
        "time": TIME,
        "secrets": {"github": ["TOKEN"], "jira": ["URL"]},
        "missing": {"jira": ["TOKEN"]},
        "counts": {"secrets": 2, "keys": 2},
        "since": {},
    }
    assert json.loads(content) == {"github/TOKEN": "s3ntinel", "jira/URL": "u"}
    assert not end


def test_a_backup_with_a_limit_has_dates() -> None:
    since = {("jira", "URL"): datetime(2026, 1, 1, tzinfo=UTC), ("github", "TOKEN"): None}
    dated = replace(BACKUP, since=since)
    manifest = json.loads(encode(dated).split(b"\n")[0])
    dates = {"github/TOKEN": None, "jira/URL": "2026-01-01T00:00:00+00:00"}
    assert manifest["since"] == dates
    assert decode(encode(dated)).since == since
    assert decode(encode(BACKUP)).since == {}


@pytest.mark.parametrize(
    "since", [[], {"URL": None}, {"jira/": None}, {"jira/URL": "soon"}, {"jira/URL": 5}, {"jira/URL": "2026-01-01"}]
)
def test_dates_that_cannot_be_are_damage(since: object) -> None:
    with pytest.raises(Refusal, match="manifest is damaged"):
        decode(changed(since=since))


@given(st.dictionaries(st.tuples(st.sampled_from(["a", "b-c"]), st.sampled_from(["K", "L_M", "N"])), st.text()))
def test_what_goes_in_comes_out(values: dict[tuple[str, str], str]) -> None:
    made = Backup("prod", TIME, {name: SecretValue(text) for name, text in values.items()})
    found = decode(encode(made))
    assert plain(found) == values
    assert (found.environment, found.time, found.missing) == ("prod", TIME, ())


def changed(**fields: object) -> bytes:
    head, _, rest = encode(BACKUP).partition(b"\n")
    manifest = {**json.loads(head), **fields}
    return json.dumps({name: value for name, value in manifest.items() if value is not None}).encode() + b"\n" + rest


def with_content(content: bytes) -> bytes:
    import hashlib  # noqa: PLC0415 - one helper's need

    head = changed(digest=f"sha256:{hashlib.sha256(content).hexdigest()}").partition(b"\n")[0]
    return head + b"\n" + content


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "not a backup of platform-secrets"),
        (b"\xff\n{}", "not a backup of platform-secrets"),
        (b"[" * 100_000, "not a backup of platform-secrets"),
        (b"[" + b"[]," * 6_000_000, "manifest is too large"),
        (b"[" + b"[]," * 1_000_000, "more than 1000000 values"),
        (b"[]\n{}", "not a backup of platform-secrets"),
        (changed(format="other"), "not a backup of platform-secrets"),
        (changed(version=3), "not version 2"),
        (changed(version=1), "not version 2"),
        (changed(version=True), "not version 2"),
        (changed(since=None), "manifest is damaged"),
        (changed(counts=None), "manifest is damaged"),
        (changed(more="x"), "manifest is damaged"),
        (changed(time=5), "manifest is damaged"),
        (changed(secrets={"github": "TOKEN"}), "manifest is damaged"),
        (changed(missing={"github": [5]}), "manifest is damaged"),
        (changed(secrets={"github": ["TOKEN"]}), "does not list the keys"),
        (changed(counts={"secrets": 2, "keys": 3}), "does not list the keys"),
        (encode(BACKUP).replace(b"s3ntinel", b"s4ntinel"), "does not match the digest"),
        (encode(BACKUP) + b"\n", "does not match the digest"),
        (with_content(b'{"github/TOKEN": "s3ntinel"'), "content is damaged"),
        (with_content(b"\xff"), "content is damaged"),
        (with_content(b'{"github/TOKEN": [' + b"{}," * 500_000 + b"{}]}"), "more than 1000000 values"),
        (with_content(b'{"github/TOKEN": 5}'), "content is damaged"),
        (with_content(b'{"github": "s3ntinel"}'), "content is damaged"),
        (with_content(b'{"/TOKEN": "s3ntinel"}'), "content is damaged"),
    ],
)
def test_what_does_not_fit_is_refused_without_its_content(data: bytes, reason: str) -> None:
    with pytest.raises(Refusal, match=reason) as caught:
        decode(data)
    assert "s3ntinel" not in str(caught.value)
    assert caught.value.__context__ is None


RESTORED_BACKUP = Backup(
    "prod",
    "2026-01-02T03:04:05+00:00",
    {
        ("github", "GITHUB_APP_KEY"): SecretValue("pem"),
        ("github", "GITHUB_TOKEN"): SecretValue("t"),
        ("jira", "JIRA_TOKEN"): SecretValue("t"),
    },
)


def planned(
    environment: Environment,
    stores: Stores,
    on_conflict: OnConflict = OnConflict.FAIL,
    to: Store | None = None,
    only: tuple[str, ...] = (),
    backup: Backup = RESTORED_BACKUP,
) -> Plan:
    return changing(environment, stores, Options(only, on_conflict=on_conflict), to, backup).plan()


def changing(
    environment: Environment,
    stores: Stores,
    options: Options,
    to: Store | None = None,
    backup: Backup = RESTORED_BACKUP,
    root: Path = Path(),
) -> Change:
    options = replace(options, root=root, stores=stores.live, applies=root != Path())
    return restoration(backup, environment, to, options)


class Walked(UserDict[tuple[str, str], SecretValue]):
    """Values that count how often somebody goes through all of them."""

    walks = 0

    def __iter__(self) -> Iterator[tuple[str, str]]:
        self.walks += 1
        return super().__iter__()


def test_a_backup_is_gone_through_as_often_for_many_secrets_as_for_one(
    environment: Environment, stores: Stores
) -> None:
    walks = []
    for count in (1, 50):
        values = Walked({(f"gone-{number}", "KEY"): SecretValue("t") for number in range(count)})
        planned(environment, stores, backup=replace(RESTORED_BACKUP, values=values))
        walks.append(values.walks)
    assert walks[0] == walks[1]


def reached(found: object) -> Iterator[object]:
    """All that `found` keeps in memory, without what modules and classes keep."""
    seen, left = dict[int, object](), [found]
    while left:
        each = left.pop()
        if id(each) in seen or isinstance(each, ModuleType | type):
            continue
        seen[id(each)] = each
        if isinstance(each, FunctionType):
            left += [cell.cell_contents for cell in each.__closure__ or ()]
        else:
            left += gc.get_referents(each)
    yield from seen.values()


def test_a_restoration_keeps_no_environment_which_may_be_large(environment: Environment, stores: Stores) -> None:
    kept = {type(each) for each in reached(changing(environment, stores, Options()).plan)}
    assert Store in kept
    assert Environment not in kept


def kinds(plan: Plan) -> dict[str, Kind]:
    return {step.key: step.kind for step in plan.steps}


def test_only_the_named_secrets_are_restored(environment: Environment, stores: Stores) -> None:
    assert kinds(planned(environment, stores, only=("jira",))) == {"JIRA_TOKEN": Kind.CREATE}


def test_what_has_no_place_any_more_is_refused_by_name(environment: Environment, stores: Stores) -> None:
    backup = replace(
        RESTORED_BACKUP,
        values={
            ("gone", "A"): SecretValue("x"),
            ("jira", "OLD"): SecretValue("x"),
            ("jira", "JIRA_URL"): SecretValue("u"),
        },
    )
    plan = planned(environment, stores, backup=backup)
    assert kinds(plan) == {"A": Kind.REFUSE, "OLD": Kind.REFUSE, "JIRA_URL": Kind.CREATE}
    assert plan.is_blocked
    assert [step.reason for step in plan.steps if step.kind is Kind.REFUSE] == [
        "the environment has no such secret",
        "the catalogue no longer has this key of the secret",
    ]
    entry = environment.catalogue.entries["vaultonly"]
    secret = replace(environment.secrets["jira"], id="vaultonly", entry=entry)
    changed = replace(environment, secrets={"vaultonly": secret})
    backup = replace(RESTORED_BACKUP, values={("vaultonly", "ONLY"): SecretValue("x")})
    (step,) = planned(changed, stores, to=environment.stores["azure"], backup=backup).steps
    assert step.reason == 'the catalogue names no place for it in "azure"'
    storeless = replace(environment, secrets={"vaultonly": replace(secret, store=None)})
    (step,) = planned(storeless, stores, backup=backup).steps
    assert step.reason == "the environment has no store for it"


def test_what_the_store_refuses_is_refused_before_anything_is_written(environment: Environment, stores: Stores) -> None:
    stores.vault.failures["read", "agents/jira"] = stores.failure(SoftDeletedError, "agents/jira")
    plan = planned(environment, stores)
    assert kinds(plan)["JIRA_TOKEN"] is Kind.REFUSE
    assert plan.is_blocked
    assert stores.vault.writes == []


def test_a_backup_of_another_environment_needs_that_said() -> None:
    require_origin(RESTORED_BACKUP, "prod", None)
    require_origin(RESTORED_BACKUP, "staging", "prod")
    with pytest.raises(Refusal, match='of the environment "prod", not of "staging"') as refused:
        require_origin(RESTORED_BACKUP, "staging", None)
    assert str(refused.value.help).endswith("--from-environment prod")
    with pytest.raises(Refusal):
        require_origin(RESTORED_BACKUP, "prod", "staging")


def test_what_a_backup_says_that_it_is_of_is_quoted_for_who_pastes_it() -> None:
    """Whoever knows a recipient can make a file that opens, and that says anything."""
    with pytest.raises(Refusal) as refused:
        require_origin(replace(RESTORED_BACKUP, environment="prod; id #"), "staging", None)
    assert str(refused.value.help).endswith("--from-environment 'prod; id #'")


def test_only_what_the_backup_holds_can_be_asked_for(environment: Environment) -> None:
    require_only(RESTORED_BACKUP, environment, ("jira",))
    with pytest.raises(Refusal, match='no secret "slack"') as refused:
        require_only(RESTORED_BACKUP, environment, ("jira", "slack"))
    assert refused.value.help == 'the backup has "github", "jira"'


def test_a_value_that_several_secrets_have_is_restored_once_and_for_each_of_them(
    tmp_path: Path, stores: Stores
) -> None:
    environment = taking(tmp_path / "project")
    for only in ((), ("report",), ("jira",)):
        require_only(RESTORED_BACKUP, environment, only)
        plan = planned(environment, stores, only=only)
        assert [(step.secret, step.key) for step in plan.steps if step.secret != "github"] == [("jira", "JIRA_TOKEN")]
    assert [(write.name, keys_of(write)) for write in plan.writes] == [("agents/jira", ["JIRA_TOKEN"])]
    with pytest.raises(Refusal, match='no secret "none"'):
        require_only(RESTORED_BACKUP, environment, ("none",))


def test_a_value_whose_secret_is_not_here_any_more_goes_to_who_takes_it(tmp_path: Path, stores: Stores) -> None:
    environment = taking(tmp_path / "project", "board: {}, github: {enabled: false}, jira: {enabled: false}")
    steps = planned(environment, stores).steps
    assert [(step.secret, step.key, step.kind) for step in steps] == [
        ("github", "GITHUB_APP_KEY", Kind.REFUSE),
        ("github", "GITHUB_TOKEN", Kind.REFUSE),
        ("board", "ATLASSIAN_TOKEN", Kind.CREATE),
    ]
    assert str(steps[2].destination) == "vault:agents/jira#JIRA_TOKEN"
    older = replace(
        RESTORED_BACKUP,
        values={("board", "ATLASSIAN_TOKEN"): SecretValue("t"), ("jira", "JIRA_TOKEN"): SecretValue("t")},
    )
    plan = planned(taking(tmp_path / "other"), stores, backup=older)
    assert [(write.name, keys_of(write)) for write in plan.writes] == [("agents/jira", ["JIRA_TOKEN"])]


def test_a_key_that_had_a_value_of_its_own_does_not_keep_the_one_that_it_takes_now_from_coming_back(
    tmp_path: Path, stores: Stores
) -> None:
    environment = taking(tmp_path / "project")
    older = {("board", "ATLASSIAN_TOKEN"): SecretValue("own"), ("jira", "JIRA_TOKEN"): SecretValue("t")}
    backup = replace(RESTORED_BACKUP, values=older)
    for only in ((), ("board",)):
        plan = planned(environment, stores, backup=backup, only=only)
        assert plan.is_blocked
        (refused,) = (step for step in plan.steps if step.kind is Kind.REFUSE)
        assert (refused.secret, refused.key) == ("board", "ATLASSIAN_TOKEN")
        assert refused.reason == "it takes the value of jira/JIRA_TOKEN now, of which the backup holds another"
        assert refused.remedy == "leave the secret out with --only, or restore with the project of then"
    # It is nobody else's: whoever else takes the value gets that of the key that has it.
    for only in (("jira",), ("report",)):
        plan = planned(environment, stores, backup=backup, only=only)
        assert [(step.secret, step.kind) for step in plan.steps] == [("jira", Kind.CREATE)]
        (write,) = puts(plan)
        assert not isinstance(write.content, SecretValue)
        assert [value.reveal() for value in write.content.values() if value is not None] == ["t"]


def test_a_key_that_reads_another_store_than_its_source_gets_its_own_value_back(tmp_path: Path, stores: Stores) -> None:
    environment = taking(tmp_path / "project", "board: {store: azure}, report: {store: azure}")
    apart = {("board", "ATLASSIAN_TOKEN"): SecretValue("own"), ("jira", "JIRA_TOKEN"): SecretValue("t")}
    plan = planned(environment, stores, backup=replace(RESTORED_BACKUP, values=apart))
    assert [(step.secret, step.kind) for step in plan.steps] == [("board", Kind.CREATE), ("jira", Kind.CREATE)]
