"""Under Azure Policy with Deny a write without its date stops and goes on later; with `requireExpiry` each has one."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from compiler.live.ages import AgeState
from tests.commands import Done
from tests.faulty_key_vault import Policy
from tests.proofs.conftest import World
from tests.proofs.writing import COMMANDS, NAMES, PEM, TOKEN, VALUES, Writing

DENY = Policy(requires_expiry=True, longest_days=365, shortest_days=7)
LIMITS = "requireExpiry: true, maxValidity: 365d, minValidity: 7d"
DAY = 86_400
OLD = '{"GITHUB_TOKEN": "old", "N": 1.50}'
OWNED = "    owner: them\n    issuer: https://issuer.example\n"
TAGS = {"owner": "them", "ä b": " é ", "ValidityPeriodDays": "7"}


def settle(world: World, limits: str = LIMITS) -> None:
    """Have the environment say what the vault demands."""
    base = world.root / "environments/base.yaml"
    text = base.read_text("utf-8")
    base.write_text(text.replace("provider: azurekv, name", f"provider: azurekv, {limits}, name"), "utf-8")


def rotate(world: World, days: int = 90) -> None:
    """Give the keys of `github` a limit."""
    catalogue = world.root / "environments/catalogue.yaml"
    target = "    target: agent-github-secrets\n"
    catalogue.write_text(catalogue.read_text("utf-8").replace(target, f"{target}    rotate: {days}d\n{OWNED}"), "utf-8")


def days_left(world: World, name: str) -> float:
    expires = world.azure.versions(name)[-1].expires
    assert expires is not None
    return (expires - datetime.now(UTC).timestamp()) / DAY


def said(done: Done) -> str:
    return " ".join(done.out.split())


def test_refused_it_can_be_run_again_and_with_the_setting_it_passes_and_is_undone(
    world: World, writing: Writing
) -> None:
    world.azure.seed(TOKEN, OLD, tags=TAGS)
    world.azure.set_policy(DENY)
    before = writing("--apply", "--continue-on-error") if writing.name == "migrate" else writing("--apply")
    assert (before.code, "refused by policy" in said(before)) == (4, True), before
    assert "requireExpiry, maxValidity and minValidity" in said(before)
    assert {name: len(world.azure.versions(name)) for name in NAMES} == {TOKEN: 1, PEM: 0}
    # Refused once and not sent again.
    puts = [request.path for request in world.azure.requests() if request.method == "PUT"]
    assert len(puts) == len(set(puts))

    settle(world)
    after = writing("--apply")
    assert after.code == 0, after
    assert writing.standing() == {**VALUES, "N": 1.5}
    assert all(364.9 < days_left(world, name) < 365 - 1 / 48 for name in NAMES)
    assert world.azure.versions(TOKEN)[-1].tags == {**TAGS, "ValidityPeriodDays": "365"}
    again = writing("--apply")
    assert (again.code, "2 keys unchanged" in again.out) == (0, True), again
    undone = writing.undo("--apply")
    assert (undone.code, world.azure.value(TOKEN)) == (0, OLD), undone
    assert 364.9 < days_left(world, TOKEN) < 365


@pytest.mark.parametrize("name", COMMANDS)
def test_a_deleted_secret_is_recovered_and_has_its_date(world: World, tmp_path: Path, name: str) -> None:
    writing = Writing(world, tmp_path, name)
    world.azure.seed_deleted(TOKEN, json.dumps({"GITHUB_TOKEN": VALUES["GITHUB_TOKEN"]}))
    world.azure.set_policy(DENY)
    settle(world)
    done = writing("--recover", "--apply")
    assert (done.code, writing.standing()) == (0, VALUES), done
    # The value was there already: what it lacked was the date.
    assert all(364.9 < days_left(world, each) < 365 for each in NAMES)


def test_there_and_back_the_date_is_that_of_the_value(world: World, tmp_path: Path) -> None:
    rotate(world)
    settle(world)
    world.azure.set_policy(DENY)
    put = Writing(world, tmp_path, "put")
    assert put("--apply").code == 0
    assert all(89.9 < days_left(world, name) <= 90 for name in NAMES)
    made = int((datetime.now(UTC) - timedelta(days=40)).timestamp())
    for name in NAMES:
        version = world.azure.versions(name)[-1]
        version.created, version.expires = made, made + 90 * DAY
    assert world.migrate("--from", "azure", "--only", "github", "--apply", to="vault").code == 0
    with world.azure.lock:
        world.azure.state._secrets.clear()
    back = world.report("--from", "vault", "--only", "github", "--apply")
    assert back["exitCode"] == 0
    dates = {each["name"]: datetime.fromisoformat(each["expires"]) for each in back["expiries"]}
    assert {name: int(date.timestamp()) for name, date in dates.items()} == dict.fromkeys(NAMES, made + 90 * DAY)
    assert {name: world.azure.versions(name)[-1].expires for name in NAMES} == dict.fromkeys(NAMES, made + 90 * DAY)


def test_of_an_overdue_key_the_nearest_date_is_written_and_the_plan_names_it(world: World, tmp_path: Path) -> None:
    rotate(world)
    settle(world)
    world.azure.set_policy(DENY)
    writing = Writing(world, tmp_path, "migrate")
    old = (datetime.now(UTC) - timedelta(days=200)).isoformat(timespec="seconds")
    tagged = {"custom_metadata": {"value-since": f"{old} from version 1"}}
    world.bao.call("POST", f"{world.mount}/metadata/agents/github", tagged)
    done = writing("--apply")
    assert done.code == 0, done
    assert "note: GITHUB_TOKEN of github was due on" in said(done)
    assert "help: platform-secrets" in said(done)
    assert all(7 + 1 / 48 < days_left(world, name) < 7.1 for name in NAMES)
    # The date that Azure sees is fine, and the value is overdue all the same.
    world.serve_from("azure")
    assert world.ages()["GITHUB_TOKEN"].state is AgeState.OVERDUE
    # Who issues it and whom it belongs to is said in the catalogue alone.
    assert set(world.azure.versions(PEM)[-1].tags) == {"value-since"}
    report = world.report("--from", "vault", "--only", "github", "--on-conflict", "overwrite")
    assert report["expiries"] == []


def test_without_a_limit_and_without_maxvalidity_the_write_is_refused(world: World, writing: Writing) -> None:
    settle(world, "requireExpiry: true")
    done = writing("--apply")
    assert (done.code, 'no key of "agents-github" has a limit' in said(done)) == (1, True), done
    assert "add maxValidity to the store" in said(done)
    assert not world.azure.versions(TOKEN)


def test_a_setting_that_is_half_done_refuses_the_plan_and_the_whole_one_passes(world: World, writing: Writing) -> None:
    world.azure.set_policy(DENY)
    assert writing("--apply").code == 4
    settle(world, "requireExpiry: true")
    stuck = writing("--apply")
    assert (stuck.code, "add maxValidity to the store" in " ".join(stuck.out.split())) == (1, True), stuck
    base = world.root / "environments/base.yaml"
    base.write_text(base.read_text("utf-8").replace("requireExpiry: true", LIMITS), "utf-8")
    assert writing("--apply").code == 0


def test_put_takes_a_date_that_counts_before_all_others(world: World, tmp_path: Path) -> None:
    rotate(world)
    settle(world)
    world.azure.set_policy(DENY)
    put = Writing(world, tmp_path, "put")
    assert put("--expires", "30d", "--apply").code == 0
    assert all(29.9 < days_left(world, name) <= 30 for name in NAMES)
    again = put("--expires", "30d", "--apply")
    assert (again.code, "2 keys unchanged" in again.out) == (0, True), again
    # The same values with another date.
    day = (datetime.now(UTC) + timedelta(days=200)).date()
    assert put("--expires", str(day), "--apply").code == 0
    meant = int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp())
    assert {world.azure.versions(name)[-1].expires for name in NAMES} == {meant}
    assert put("--expires", "365d", "--apply").code == 0
    assert put("--expires", "7d", "--apply").code == 0


def test_the_clock_of_the_vault_counts(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settle(world)
    world.azure.set_policy(DENY)
    own = world.azure._clock
    for ahead in (-5 * 3_600, 5 * 3_600):
        later = lambda ahead=ahead: own() + ahead  # noqa: E731 - a clock
        for part in (world.azure, world.azure.state):
            monkeypatch.setattr(part, "_clock", later)
        with world.azure.lock:
            world.azure.state._secrets.clear()
        writing = Writing(world, tmp_path, "put")
        assert writing("--expires", "365d", "--apply").code == 0
        assert writing("--expires", "7d", "--apply").code == 0


@pytest.mark.parametrize("end", ["--undo", "--confirm-revoked"])
def test_a_rotation_is_dated_from_its_write_to_its_end(world: World, tmp_path: Path, end: str) -> None:
    rotate(world)
    settle(world)
    world.serve_from("azure")
    world.azure.seed(TOKEN, OLD, tags=TAGS)
    world.azure.set_policy(DENY)
    value = tmp_path / "value"
    value.write_text("new", "utf-8")
    value.chmod(0o600)
    done = world.run(
        "rotate", "prod", "github", "GITHUB_TOKEN", "--from-file", str(value), "--without-cluster", "--apply"
    )
    assert done.code == 0, done
    assert 89.9 < days_left(world, TOKEN) <= 90
    (journal,) = world.journals()
    ended = world.run("rotate", "prod", end, journal.stem, *(["--apply"] if end == "--undo" else []))
    assert (ended.code, world.azure_object(TOKEN)["GITHUB_TOKEN"]) == (0, "old" if end == "--undo" else "new"), ended
    assert 89 < days_left(world, TOKEN) <= 90
    tags = world.azure.versions(TOKEN)[-1].tags
    assert {name: text for name, text in tags.items() if name != "value-since"} == {**TAGS, "ValidityPeriodDays": "90"}


def test_what_was_recovered_before_a_refusal_is_dated_when_the_run_goes_on(world: World, writing: Writing) -> None:
    world.azure.seed_deleted(TOKEN, OLD)
    world.azure.set_policy(DENY)
    assert writing("--recover", "--apply").code == 4
    settle(world)
    done = writing("--recover", "--apply")
    assert done.code == 0, done
    assert writing.standing() == {**VALUES, "N": 1.5}
    assert all(364.9 < days_left(world, name) < 365 for name in NAMES)


def test_an_undo_that_was_refused_goes_on_too(world: World, writing: Writing) -> None:
    world.azure.seed(TOKEN, OLD)
    assert writing("--apply").code == 0
    world.azure.set_policy(DENY)
    refused = writing.undo("--apply")
    assert (refused.code, "refused by policy" in said(refused), len(world.azure.versions(TOKEN))) == (4, True, 2), (
        refused
    )
    settle(world)
    done = writing.undo("--apply")
    assert (done.code, world.azure.value(TOKEN)) == (0, OLD), done
    assert 364.9 < days_left(world, TOKEN) < 365
