import gc
import json
import shlex
import weakref
from collections.abc import Callable
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest

from compiler.model.store import StoreAddress
from compiler.stores.errors import Action, Code, ForbiddenError, StoreError, StoreLocation
from compiler.stores.interface import Use
from compiler.stores.vault.access import (
    ACCESS,
    Request,
    TokenFacts,
    VaultQuestions,
    on_same_path,
    path_accesses,
    policy_rule,
)
from compiler.stores.vault.client import form_error
from compiler.stores.vault.log_in import VaultLogin
from compiler.stores.vault.replies import NOT_INITIALISED, SEALED, RefusedError, error_of_reply
from tests import providers
from tests.refusals import is_refused


def rights(*uses: Use) -> dict[str, tuple[list[str], list[str]]]:
    return {
        each.path: (sorted(each.capabilities), sorted(each.required)) for each in path_accesses("kv", "a/b", set(uses))
    }


def test_every_use_is_in_the_table_and_none_asks_for_what_no_command_does() -> None:
    assert ACCESS.keys() == set(Use)
    needs = {(need.route, need.capability) for found in ACCESS.values() for need in found}
    assert needs == {
        *(("data", each) for each in ("create", "read", "update")),
        *(("metadata", each) for each in ("list", "read", "update")),
        *(("config", "read"), ("delete", "update"), ("undelete", "update"), ("subkeys", "read")),
    }


def test_uses_of_one_path_are_one_rule() -> None:
    assert rights(Use.READ) == {"kv/data/a/b": (["read"], ["read"])}
    assert rights(Use.CREATE) == {
        "kv/data/a/b": (["create", "read"],) * 2,
        "kv/metadata/a/b": (["read"], []),
        "kv/config": (["read"], []),
    }
    assert rights(Use.UPDATE, Use.TAG, Use.RECOVER) == {
        "kv/data/a/b": (["read", "update"],) * 2,
        "kv/metadata/a/b": (["read", "update"], ["update"]),
        # Of the mount, whatever the secret.
        "kv/config": (["read"], []),
        "kv/undelete/a/b": (["update"],) * 2,
    }
    assert rights(Use.DELETE_VERSIONS) == {
        "kv/data/a/b": (["read"],) * 2,
        "kv/metadata/a/b": (["read"],) * 2,
        "kv/delete/a/b": (["update"],) * 2,
    }
    assert rights() == {}


@pytest.mark.parametrize(
    ("route", "capability", "needed"),
    [
        ("data", "read", {"read"}),
        ("data", "create", {"create", "read"}),
        ("data", "update", {"read", "update"}),
        ("metadata", "read", {"read"}),
        ("metadata", "update", {"read", "update"}),
        ("delete", "update", {"update"}),
        ("auth", "read", {"read"}),
    ],
)
def test_a_write_also_reads_its_path(route: str, capability: str, needed: set[str]) -> None:
    assert on_same_path(route, capability) == needed


def test_a_rule_is_quoted_and_in_order() -> None:
    assert policy_rule("kv/data/a", {"update", "read"}) == 'path "kv/data/a" { capabilities = ["read", "update"] }'
    path = policy_rule('kv/data/a" { }', {"read"}).split(" {")[0].removeprefix("path ")
    assert path.startswith('"kv/data/a\\"')
    assert json.loads('"kv/data/a\\" { }"') == 'kv/data/a" { }'


ADDRESS = StoreAddress(providers.VAULT, "https://vault.example.com", mount="team/kv")
PLACE = StoreLocation(ADDRESS.absolute, "github")
READ = Request(Action.READ, "github", "team/kv/data/github", "read")
MOUNT = Request(Action.CONNECT, None, "sys/internal/ui/mounts/team/kv", "read")
LOOKUP, CAPABILITIES, SEAL = "auth/token/lookup-self", "sys/capabilities-self", "sys/seal-status"
POLICY_DENIES = RefusedError(403, ("1 error occurred:\n\t* permission denied\n\n",))
TOKEN_IS_DEAD = RefusedError(403, ("permission denied",))
DEAD_TO_VAULT = RefusedError(403, ("2 errors occurred:\n\t* permission denied\n\t* invalid token\n\n",))
INVALID_ALONE = RefusedError(403, ("1 error occurred:\n\t* invalid token\n\n",))
KV2 = {"path": "team/kv/", "type": "kv", "options": {"version": "2"}}


class Server:
    """Answers by path, or refuses; keeps each request, with the capability that it was said to need."""

    def __init__(self, **answers: object) -> None:
        self.answers = {LOOKUP: answers.get("lookup"), CAPABILITIES: answers.get("capabilities")}
        self.answers |= {MOUNT.path: answers.get("mount"), SEAL: answers.get("seal")}
        self.asked: list[Request] = []
        self.batches: list[tuple[str, ...]] = []

        self.client = SimpleNamespace(
            auth=SimpleNamespace(token=SimpleNamespace(lookup_self=lambda: self._answer(LOOKUP))),
            sys=SimpleNamespace(get_capabilities=lambda paths: self._answer(CAPABILITIES, *paths)),
            adapter=SimpleNamespace(get=lambda url: self._answer(url.removeprefix("/v1/"))),
        )

    def attempt(self, request: Request, send: Callable[[], Any]) -> Any:  # noqa: ANN401 - as the connection has it
        self.asked.append(request)
        place = StoreLocation(ADDRESS.absolute, request.name)
        try:
            return send()
        except RefusedError as refusal:
            reply = refusal
        except (KeyError, TypeError, ValueError, AttributeError):
            raise form_error(place, request.action) from None
        raise error_of_reply(reply, place, request.action)

    def _answer(self, path: str, *of: str) -> object:
        self.batches += [of] if of else []
        answer = self.answers[path]
        if isinstance(answer, RefusedError):
            raise answer
        return answer


def asking(**answers: object) -> tuple[VaultQuestions, Server]:
    server = Server(**answers)
    login = VaultLogin({"VAULT_TOKEN": "t"}, StoreLocation(ADDRESS.absolute))
    return VaultQuestions(ADDRESS, login, server.client, server.attempt), server


def explained(request: Request, **answers: object) -> StoreError:
    questions, _ = asking(**answers)
    error = questions.explain_denied(request, PLACE)
    assert error.place == PLACE
    assert error.action == request.action
    return error


def test_a_live_token_tells_of_itself() -> None:
    shown = {"display_name": "ada", "ttl": 60, "renewable": True, "policies": ["root"]}
    questions, server = asking(lookup={"data": {**shown, "expire_time": "2026-01-01T12:00:00.5+02:00"}})
    end = datetime(2026, 1, 1, 10, microsecond=500_000, tzinfo=UTC)
    assert questions.token_facts(Action.READ) == TokenFacts("ada", end, 60.0, renewable=True, is_root=True)
    assert server.asked == [Request(Action.READ, None, LOOKUP, "read")]


def test_a_token_without_name_and_end_is_unknown_and_lives_on() -> None:
    for shown in ({}, {"display_name": "", "ttl": 0, "expire_time": None, "policies": None}):
        expected = TokenFacts("unknown", None, 0.0, renewable=False, is_root=False)
        assert asking(lookup={"data": shown})[0].token_facts(Action.READ) == expected


@pytest.mark.parametrize("shown", [{"ttl": "x"}, {"ttl": [1]}, {"expire_time": "soon"}, {"expire_time": 7}])
def test_facts_of_another_shape_are_no_vaults(shown: dict[str, object]) -> None:
    with pytest.raises(StoreError, check=is_refused(Code.UNEXPECTED_REPLY)):
        asking(lookup={"data": shown})[0].token_facts(Action.READ)


def test_a_live_token_that_may_not_look_at_itself_tells_nothing() -> None:
    assert asking(lookup=POLICY_DENIES)[0].token_facts(Action.READ) is None


@pytest.mark.parametrize("refusal", [TOKEN_IS_DEAD, DEAD_TO_VAULT, INVALID_ALONE, RefusedError(403)])
def test_a_dead_token_is_told_from_a_missing_policy(refusal: RefusedError) -> None:
    questions, _ = asking(lookup=refusal)
    with pytest.raises(StoreError, check=is_refused(Code.EXPIRED_TOKEN)) as caught:
        questions.token_facts(Action.WRITE)
    error = caught.value
    assert (error.place, error.action) == (StoreLocation(ADDRESS.absolute), Action.WRITE)
    assert "expired, revoked or used up" in error.reason
    assert "log in again" in error.remedy


def test_a_refusal_of_a_token_is_not_kept_with_the_request_that_sent_it() -> None:
    questions, server = asking()
    kept: list[weakref.ref[RefusedError]] = []

    def refusal() -> RefusedError:
        made = RefusedError(403, ("permission denied",))
        kept.append(weakref.ref(made))
        return made

    def refuse() -> None:
        raise refusal()

    server.client.auth.token.lookup_self = refuse
    gc.disable()
    try:
        with pytest.raises(StoreError, check=is_refused(Code.EXPIRED_TOKEN)):
            questions.token_facts(Action.READ)
        assert [each() for each in kept] == [None]
    finally:
        gc.enable()


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_server_in_trouble_is_not_taken_for_a_refusal_of_the_token(status: int) -> None:
    for question in (
        asking(lookup=RefusedError(status))[0].token_facts,
        lambda _action: explained(READ, lookup={"data": {}}, capabilities=RefusedError(status)),
    ):
        with pytest.raises(StoreError) as caught:
            question(Action.READ)
        assert caught.value.retryable


def test_kv_version_2_at_exactly_the_mount_is_sound() -> None:
    for engine in ("kv", "generic"):
        questions, server = asking(mount={"data": {**KV2, "type": engine}})
        questions.check_mount()
        assert server.asked == [MOUNT]


@pytest.mark.parametrize(
    ("shown", "code", "words"),
    [
        ({"path": "team/"}, Code.WRONG_MOUNT, 'the mount is "team"'),
        ({"path": "team/kv/deeper/"}, Code.WRONG_MOUNT, 'the mount is "team/kv/deeper"'),
        ({"path": ""}, Code.WRONG_MOUNT, 'the mount is ""'),
        ({"type": "cubbyhole", "options": None}, Code.WRONG_MOUNT, "is not KV"),
        ({"type": "pki"}, Code.WRONG_MOUNT, "is not KV"),
        ({"options": {"version": "1"}}, Code.UNSUPPORTED_ENGINE, "KV version 1"),
        ({"options": {}}, Code.UNSUPPORTED_ENGINE, "KV version 1"),
        ({"options": None}, Code.UNSUPPORTED_ENGINE, "KV version 1"),
    ],
)
def test_any_other_mount_is_told_by_what_it_is(shown: dict[str, object], code: Code, words: str) -> None:
    questions, _ = asking(mount={"data": {**KV2, **shown}})
    with pytest.raises(StoreError, match=words, check=is_refused(code)) as caught:
        questions.check_mount()
    assert (caught.value.place, caught.value.action) == (StoreLocation(ADDRESS.absolute), Action.CONNECT)


def test_a_line_for_a_mount_with_shell_characters_runs_nothing_else() -> None:
    mount = "a;touch${IFS}pwn"
    address = ADDRESS._replace(mount=mount, vault_namespace="team a")
    server = Server(mount={"data": {**KV2, "path": f"{mount}/", "options": {"version": "1"}}})
    server.answers[f"sys/internal/ui/mounts/{mount}"] = server.answers[MOUNT.path]
    questions = VaultQuestions(address, VaultLogin({"VAULT_TOKEN": "t"}, PLACE), server.client, server.attempt)
    with pytest.raises(StoreError, check=is_refused(Code.UNSUPPORTED_ENGINE)) as caught:
        questions.check_mount()
    line = caught.value.remedy.split("`")[1]
    assert shlex.split(line) == ["bao", "kv", "enable-versioning", "-namespace=team a", mount]


@pytest.mark.parametrize("body", [None, {}, {"data": None}, {"data": []}, {"data": "team/kv/"}])
def test_a_success_that_is_no_vaults_is_told_as_such_by_every_question(body: object) -> None:
    questions, _ = asking(mount=body, lookup=body)
    with pytest.raises(StoreError, check=is_refused(Code.UNEXPECTED_REPLY)):
        questions.check_mount()
    with pytest.raises(StoreError, check=is_refused(Code.UNEXPECTED_REPLY)):
        questions.token_facts(Action.READ)
    with pytest.raises(StoreError, check=is_refused(Code.UNEXPECTED_REPLY)):
        explained(READ, lookup={"data": {}}, capabilities=body)


@pytest.mark.parametrize("shown", [{}, {**KV2, "path": 1}, {**KV2, "options": ["2"]}])
def test_a_mount_of_another_shape_is_no_vaults(shown: object) -> None:
    with pytest.raises(StoreError, check=is_refused(Code.UNEXPECTED_REPLY)):
        asking(mount={"data": shown})[0].check_mount()


def test_capabilities_that_are_no_list_are_no_vaults_either() -> None:
    with pytest.raises(StoreError, check=is_refused(Code.UNEXPECTED_REPLY)):
        explained(READ, lookup={"data": {}}, capabilities={"data": {READ.path: None}})


@pytest.mark.parametrize(
    ("capabilities", "rule"),
    [
        ({"data": {READ.path: ["deny"]}}, '["read"]'),
        # A rule of the exact path takes the place of a wider one: what that gave stays.
        ({"data": {READ.path: ["list", "create", "update"]}}, '["create", "list", "read", "update"]'),
        ({"data": {}}, '["read"]'),
        (POLICY_DENIES, '["read"]'),
    ],
)
@pytest.mark.parametrize("lookup", [{"data": {"policies": ["default"]}}, POLICY_DENIES])
def test_a_missing_policy_is_told_with_the_line_that_gives_it(lookup: object, capabilities: object, rule: str) -> None:
    error = explained(READ, lookup=lookup, capabilities=capabilities)
    assert isinstance(error, ForbiddenError)
    assert error.permission == "read on team/kv/data/github"
    assert error.remedy == f'add to a policy: path "team/kv/data/github" {{ capabilities = {rule} }}'


@pytest.mark.parametrize("capability", ["create", "update"])
def test_the_line_of_a_denied_write_keeps_reading(capability: str) -> None:
    write = Request(Action.WRITE, "github", READ.path, capability)
    error = explained(write, lookup={"data": {}}, capabilities=POLICY_DENIES)
    assert error.remedy == f'add to a policy: path "{READ.path}" {{ capabilities = ["{capability}", "read"] }}'.replace(
        '"update", "read"', '"read", "update"'
    )


@pytest.mark.parametrize(
    ("told", "lacks"),
    # A name with metadata is no longer created but updated.
    [(["read", "update"], "create"), (["create", "read"], "update")],
)
def test_a_denied_creation_takes_the_capability_that_it_lacks(told: list[str], lacks: str) -> None:
    create = Request(Action.WRITE, "github", READ.path, "create")
    error = explained(create, lookup={"data": {}}, capabilities={"data": {READ.path: told}})
    assert isinstance(error, ForbiddenError)
    assert error.permission == f"{lacks} on {READ.path}"
    assert error.remedy.endswith('["create", "read", "update"] }')


def test_a_refusals_help_has_all_that_the_command_takes() -> None:
    metadata, delete = "team/kv/metadata/github", "team/kv/delete/github"
    told = {READ.path: ["deny"], metadata: ["list"], delete: ["deny"]}
    questions, _ = asking(lookup={"data": {}}, capabilities={"data": told})
    questions.expect({"github": {Use.DELETE_VERSIONS}, "jira": {Use.UPDATE}})
    error = questions.explain_denied(READ, PLACE)
    assert error.remedy == (
        f'add to a policy: path "{READ.path}" {{ capabilities = ["read"] }} '
        f'path "{metadata}" {{ capabilities = ["list", "read"] }} path "{delete}" {{ capabilities = ["update"] }}'
    )
    # What is granted already has no rule.
    questions, _ = asking(lookup={"data": {}}, capabilities={"data": {**told, delete: ["update"], metadata: ["root"]}})
    questions.expect({"github": {Use.UPDATE}})
    assert questions.explain_denied(READ, PLACE).remedy == (
        f'add to a policy: path "{READ.path}" {{ capabilities = ["read", "update"] }}'
    )


def test_of_a_path_where_nothing_is_known_no_rule_is_printed() -> None:
    # It would take the place of a wider one, and away what that may give.
    questions, _ = asking(lookup={"data": {}}, capabilities=POLICY_DENIES)
    questions.expect({"github": {Use.DELETE_VERSIONS}})
    assert questions.explain_denied(READ, PLACE).remedy == (
        f'add to a policy: path "{READ.path}" {{ capabilities = ["read"] }}'
    )


def test_a_plans_access_is_asked_in_batches_and_what_lacks_is_named() -> None:
    uses = {f"s{number}": {Use.UPDATE} for number in range(250)}
    told = {f"team/kv/data/{name}": ["read", "update"] for name in uses}
    told["team/kv/data/s7"] = ["read", "list"]
    told["team/kv/data/s8"] = ["root"]
    questions, server = asking(capabilities={"data": told})
    (problem,) = questions.check_access(uses) or ()
    assert (problem.code, problem.name) == ("forbidden", "s7")
    assert problem.reason == 'no policy of the token of VAULT_TOKEN grants "update" on "team/kv/data/s7"'
    assert problem.remedy == ('add to a policy: path "team/kv/data/s7" { capabilities = ["list", "read", "update"] }')
    assert [request.path for request in server.asked] == [CAPABILITIES] * 3
    assert [len(paths) for paths in server.batches] == [100, 100, 50]


def test_what_several_questions_say_of_a_hundred_names_is_known_of_all() -> None:
    uses = {f"s{number}": {Use.DELETE} for number in range(100)}
    told = {
        f"team/kv/{route}/{name}": [need] for name in uses for route, need in (("data", "read"), ("delete", "update"))
    }
    questions, server = asking(capabilities={"data": told})
    assert questions.check_access(uses) == ()
    assert [len(paths) for paths in server.batches] == [100, 100]


ROUTES = ("data", "metadata", "delete", "undelete", "destroy")
OTHERS = {f"team/kv/{route}/any-other-secret-of-this-mount": ["deny"] for route in ROUTES}
EVERY = [*(f"team/kv/{route}/a" for route in ROUTES), "team/kv/config"]


THE = "the token of VAULT_TOKEN"


@pytest.mark.parametrize(
    ("held", "said"),
    [
        ({"data": ["read"]}, ""),
        ({"data": ["read"], "metadata": ["deny"]}, ""),
        ({"data": ["create", "read", "update"]}, 'the token of VAULT_TOKEN has "create", "update" on "team/kv/data/a"'),
        (
            {"data": ["read", "update"], "destroy": ["create", "update"], "config": ["read"]},
            THE + ' has "update" on "team/kv/data/a", and more than it takes on 2 other paths',
        ),
        ({"data": ["root"]}, "the token of VAULT_TOKEN is a root token, which may do everything"),
    ],
)
def test_what_a_token_may_do_beyond_is_named(held: dict[str, list[str]], said: str) -> None:
    told = OTHERS | {path: held.get(path.split("/")[2], ["deny"]) for path in EVERY}
    questions, server = asking(capabilities={"data": told})
    assert questions.excess_access({"a": {Use.READ}}) == said
    assert [sorted(batch) for batch in server.batches] == [sorted([*EVERY, *OTHERS])]


def test_what_a_role_takes_is_not_beyond_it() -> None:
    told = OTHERS | {path: ["deny"] for path in EVERY} | {"team/kv/data/a": ["create", "read", "update"]}
    told |= {"team/kv/config": ["read"], "team/kv/metadata/a": ["read"]}
    assert asking(capabilities={"data": told})[0].excess_access({"a": {Use.CREATE, Use.UPDATE}}) == ""


def test_a_rule_as_wide_as_the_mount_is_beyond_a_role() -> None:
    told = {path: ["read"] if "/data/" in path else ["deny"] for path in [*EVERY, *OTHERS]}
    questions, _ = asking(capabilities={"data": told})
    assert questions.excess_access({"a": {Use.READ}}) == THE + ' has "read" on all of "team/kv/data/"'
    assert questions.excess_access({}) == ""


def test_what_is_beyond_is_unknown_where_vault_does_not_say() -> None:
    assert asking(capabilities=POLICY_DENIES)[0].excess_access({"a": {Use.READ}}) is None


@pytest.mark.parametrize(
    "capabilities",
    [
        POLICY_DENIES,
        {"data": {}},
        {"data": {"team/kv/data/a": ["read", "update"]}},
        RefusedError(404, is_vaults=False),
        RefusedError(403, is_vaults=False),
    ],
)
def test_a_plans_access_that_is_not_told_is_unknown(capabilities: object) -> None:
    questions, _ = asking(capabilities=capabilities)
    assert questions.check_access({"a": {Use.UPDATE}, "b": {Use.UPDATE}}) is None


def test_a_server_that_fails_is_no_vault_that_does_not_say() -> None:
    questions, _ = asking(capabilities=RefusedError(500))
    with pytest.raises(StoreError, check=is_refused(Code.UNAVAILABLE)):
        questions.check_access({"a": {Use.UPDATE}})


def test_a_refusal_in_spite_of_the_capability_is_something_elses() -> None:
    capabilities = {"data": {READ.path: ["create", "read"]}}
    error = explained(READ, lookup={"data": {}}, capabilities=capabilities)
    assert isinstance(error, ForbiddenError)
    assert error.permission == "read on team/kv/data/github"
    assert "something else denies it" in error.reason


def test_a_dead_token_explains_a_refusal_before_any_policy_is_asked_about() -> None:
    questions, server = asking(lookup=TOKEN_IS_DEAD)
    with pytest.raises(StoreError, check=is_refused(Code.EXPIRED_TOKEN)):
        questions.explain_denied(READ, PLACE)
    assert [request.path for request in server.asked] == [LOOKUP]


def test_a_refused_mount_is_missing_to_root_and_unknown_to_everyone_else() -> None:
    for lookup, code in (
        ({"data": {"policies": ["root"]}}, Code.WRONG_MOUNT),
        ({"data": {"policies": ["root-like", "default"]}}, ForbiddenError.code),
        ({"data": {"policies": None}}, ForbiddenError.code),
        (POLICY_DENIES, ForbiddenError.code),
    ):
        questions, server = asking(lookup=lookup)
        error = questions.explain_denied(MOUNT, PLACE)
        assert error.code == code
        assert 'there is no mount "team/kv"' in error.reason
        assert "correct the store's mount" in error.remedy
        assert [request.path for request in server.asked] == [LOOKUP]
        if isinstance(error, ForbiddenError):
            assert error.permission == "any capability below team/kv/"
            assert error.is_of_store
            assert "does not say which" in error.reason


@pytest.mark.parametrize(
    "capabilities",
    [
        {"data": {READ.path: ["list", "read"]}},
        {"data": {READ.path: ["root"]}},
        # Not told: only the request itself will show.
        {"data": {}},
        POLICY_DENIES,
        TOKEN_IS_DEAD,
    ],
)
def test_what_a_token_is_not_known_to_lack_is_not_refused_beforehand(capabilities: object) -> None:
    questions, server = asking(capabilities=capabilities)
    questions.require(READ, PLACE)
    assert server.asked == [Request(Action.READ, "github", CAPABILITIES, "update")]


@pytest.mark.parametrize("told", [["deny"], []])
def test_what_a_token_is_known_to_lack_is_refused_beforehand_with_the_permission(told: list[str]) -> None:
    questions, _ = asking(capabilities={"data": {READ.path: told}})
    with pytest.raises(ForbiddenError) as caught:
        questions.require(READ, PLACE)
    error = caught.value
    assert (error.place, error.action) == (PLACE, Action.READ)
    assert error.permission == f"read on {READ.path}"
    assert error.remedy == f'add to a policy: path "{READ.path}" {{ capabilities = ["read"] }}'


@pytest.mark.parametrize(
    ("state", "told"),
    [
        ({"initialized": False, "progress": 0, "t": 0}, NOT_INITIALISED),
        ({"initialized": True, "progress": 0, "t": 1}, SEALED),
        ({"initialized": True, "progress": 2, "t": 3}, (f"{SEALED[0]} (2 of 3 unseal keys are entered)", SEALED[1])),
        # Of another shape, or refused: no more is known.
        ({"initialized": True}, ("as it said", "do")),
        (RefusedError(503, is_vaults=False), ("as it said", "do")),
    ],
)
def test_a_sealed_server_tells_how_far_it_is_from_open(state: object, told: tuple[str, str]) -> None:
    questions, server = asking(seal=state)
    error = questions.explain_sealed(StoreError(PLACE, Action.READ, "as it said", "do", Code.SEALED))
    assert (error.code, error.place, error.action) == (Code.SEALED, PLACE, Action.READ)
    assert (error.reason, error.remedy) == told
    assert server.asked == [Request(Action.READ, None, SEAL, "read")]
