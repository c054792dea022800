"""How old a key is, on both stores: a date that is moved, or another key's new value, makes none younger."""

import json
import time
from datetime import datetime, timedelta

import pytest

from compiler.live.ages import AgeState, KeyAge
from tests.proofs.conftest import World, on_stores

IN_TIME, OVERDUE, NOT_KNOWN, NO_LIMIT = AgeState.IN_TIME, AgeState.OVERDUE, AgeState.NOT_KNOWN, AgeState.NO_LIMIT
DAY = timedelta(days=1)
KEYS = ("KEY_A", "KEY_B", "KEY_C", "KEY_D", "KEY_E")
# A day is the shortest limit: the versions are made now, and the clock that judges them stands a day later.
ENTRIES = """\
  five:
    description: Five keys, and one that has no limit
    target: agent-five-secrets
    remote: {vault: agents/five, azurekv: agents-five}
    syncWave: -49
    rotate: 1d
    keys:
      KEY_A: {description: A}
      KEY_B: {description: B}
      KEY_C: {description: C}
      KEY_D: {description: D}
      KEY_E: {description: E}
  taker:
    description: Takes a value
    target: agent-taker-secrets
    syncWave: -49
    keys: {TAKEN: {from: five/KEY_A}}
  free:
    description: No limit
    target: agent-free-secrets
    remote: {vault: agents/five, azurekv: agents-five}
    syncWave: -49
    keys: {FREE: {description: Free}}
"""


class Aged:
    """`prod` reads five keys from `store`; `moments` are times between the versions that were written."""

    def __init__(self, world: World, store: str) -> None:
        self.world, self.store = world, store
        catalogue = world.root / "environments/catalogue.yaml"
        catalogue.write_text(catalogue.read_text("utf-8") + ENTRIES, "utf-8")
        secrets = "{github: {enabled: false}, jira: {enabled: false}, five: {}, taker: {}, free: {}}"
        (world.root / "environments/prod.yaml").write_text(f"store: {store}\nsecrets: {secrets}\n", "utf-8")
        self.values = {**dict.fromkeys(KEYS, "old"), "FREE": "old"}

    def write(self, **values: str) -> None:
        """One version with these values and those of before, with a date of its own."""
        self.values |= values
        if self.store == "vault":
            time.sleep(0.02)
            self.world.put("agents/five", self.values)
            time.sleep(0.02)
            return
        # A Key Vault's dates are whole seconds.
        self.world.azure.seed("agents-five", json.dumps(self.values), content_type="application/json")
        versions = self.world.azure.versions("agents-five")
        for number, version in enumerate(reversed(versions)):
            version.created = version.updated = int(time.time()) - 10 * number

    def made(self, number: int) -> datetime:
        """When a version was made, counted from the oldest as 1."""
        if self.store == "vault":
            found = self.world.bao.call("GET", f"{self.world.mount}/data/agents/five?version={number}")
            return datetime.fromisoformat(found["data"]["metadata"]["created_time"])
        return datetime.fromtimestamp(self.world.azure.versions("agents-five")[number - 1].created).astimezone()

    def ages(self, now: datetime, variables: dict[str, str] | None = None) -> dict[str, KeyAge]:
        """By key, as judged at `now`."""
        return self.world.ages(now, variables)

    def states(self, now: datetime) -> dict[str, AgeState]:
        return {key: age.state for key, age in self.ages(now).items()}

    def just_after(self, number: int) -> datetime:
        """The time at which a limit of a day ends for what was made with that version, and not for the next one."""
        return self.made(number) + DAY + timedelta(milliseconds=1)


@pytest.fixture(params=on_stores(["azure"], ["vault"]))
def aged(request: pytest.FixtureRequest, world: World) -> Aged:
    return Aged(world, request.param)


def test_changing_one_of_five_keys_makes_none_of_the_others_young(aged: Aged) -> None:
    aged.write()
    aged.write(KEY_C="new")
    expected = {**dict.fromkeys(KEYS, OVERDUE), "KEY_C": IN_TIME, "TAKEN": OVERDUE, "FREE": NO_LIMIT}
    assert aged.states(aged.just_after(1)) == expected
    assert aged.ages(aged.just_after(1))["KEY_A"].changed == aged.made(1)
    assert aged.ages(aged.just_after(1))["KEY_C"].due == aged.made(2) + DAY
    assert set(aged.states(aged.just_after(2)).values()) == {OVERDUE, NO_LIMIT}


def test_moving_a_date_makes_none_young(aged: Aged) -> None:
    aged.write()
    # A new version with the same values, as whoever only wants a new date writes it.
    aged.write()
    if aged.store == "azure":
        newest = aged.world.azure.versions("agents-five")[-1]
        newest.updated = newest.created = int(time.time())
        newest.expires = int(time.time()) + 365 * 86_400
    states = aged.states(aged.just_after(1))
    assert {states[key] for key in (*KEYS, "TAKEN")} == {OVERDUE}


def test_a_version_that_is_gone_is_not_known(aged: Aged) -> None:
    aged.write()
    aged.write(KEY_C="new")
    moment = aged.just_after(1)
    if aged.store == "vault":
        aged.world.bao.call("POST", f"{aged.world.mount}/delete/agents/five", {"versions": [1]})
    else:
        aged.world.azure.versions("agents-five")[0].enabled = False
    found = aged.ages(moment)
    assert {found[key].state for key in (*KEYS, "TAKEN")} == {NOT_KNOWN}
    reason = "version 1 is deleted" if aged.store == "vault" else "is disabled"
    assert reason in found["KEY_A"].why
    assert found["FREE"].state is NO_LIMIT


def test_a_version_that_is_denied_is_not_known(aged: Aged) -> None:
    aged.write()
    aged.write(KEY_C="new")
    moment = aged.just_after(1)
    if aged.store == "vault":
        # A policy cannot tell versions of one secret apart: the whole of it is denied.
        policy = f'path "{aged.world.mount}/data/agents/other" {{ capabilities = ["read"] }}'
        aged.world.bao.call("PUT", "sys/policies/acl/nothing", {"policy": policy})
        token = aged.world.bao.call("POST", "auth/token/create", {"policies": ["nothing"]})["auth"]["client_token"]
        found = aged.ages(moment, {**aged.world.variables, "VAULT_TOKEN": str(token)})
        assert "no policy" in found["KEY_A"].why
    else:
        aged.world.azure.deny("list", "ForbiddenByRbac")
        found = aged.ages(moment)
        assert "its versions cannot be listed" in found["KEY_A"].why
    assert {found[key].state for key in (*KEYS, "TAKEN")} == {NOT_KNOWN}
