"""The guide's policies, as they are written there, on a real server: each is enough for its work, and for no more."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from compiler.demo.local_openbao import LocalOpenBao
from compiler.model.store import StoreAddress
from compiler.stores.errors import ForbiddenError
from compiler.stores.interface import SecretWriter, StoreState, Use, open_store
from compiler.stores.secret_value.secret import SecretValue
from compiler.stores.vault.replies import ACCESS
from tests import providers

PAGE = (Path(__file__).resolve().parents[2] / "docs/how-to/set-up-stores.md").read_text("utf-8")
OPERATOR, PEOPLE = re.findall(r"```hcl\n(.*?)```", PAGE.replace("\n   ", "\n"), re.DOTALL)
NAME = "ai-platform-engineering/github-secret"
VALUES = {"TOKEN": SecretValue("sentinel-4711")}


@pytest.fixture(scope="module")
def openbao(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalOpenBao]:
    with LocalOpenBao.start_dev(tmp_path_factory.mktemp("openbao")) as server:
        yield server


def opened(openbao: LocalOpenBao, name: str, policy: str) -> Iterator[SecretWriter]:
    openbao.call("PUT", f"sys/policies/acl/{name}", {"policy": policy})
    answer = openbao.call("POST", "auth/token/create", {"policies": [name]})
    store = open_store(StoreAddress(providers.VAULT, openbao.url), {"VAULT_TOKEN": answer["auth"]["client_token"]})
    yield store
    store.close()


@pytest.fixture
def people(openbao: LocalOpenBao) -> Iterator[SecretWriter]:
    yield from opened(openbao, "people", PEOPLE)


@pytest.fixture
def operator(openbao: LocalOpenBao) -> Iterator[SecretWriter]:
    yield from opened(openbao, "operator", OPERATOR)


def test_people_may_write_roll_back_and_recover_and_the_operator_may_read(
    people: SecretWriter, operator: SecretWriter
) -> None:
    written = people.write(NAME, VALUES, None)
    assert set(operator.read(NAME).properties) == {"TOKEN"}
    people.write(NAME, VALUES, people.read(NAME))
    people.restore(people.read_version(NAME, written.version), people.read(NAME))
    latest = people.read(NAME).version
    people.soft_delete(NAME, latest)
    assert people.describe(NAME).state is StoreState.SOFT_DELETED
    assert people.recover(NAME).state is StoreState.PRESENT
    versions = tuple(people.version_states(NAME))
    people.delete_versions(NAME, versions)
    people.recover_versions(NAME, versions)
    assert tuple(people.version_states(NAME)) == versions
    for refused in (
        lambda: operator.delete_versions(NAME, versions),
        lambda: operator.recover_versions(NAME, versions),
        lambda: operator.write(NAME, VALUES, operator.read(NAME)),
        lambda: operator.soft_delete(NAME, latest),
        lambda: operator.read("elsewhere/secret"),
        lambda: people.read("elsewhere/secret"),
    ):
        with pytest.raises(ForbiddenError):
            refused()


@pytest.mark.parametrize("path", ["destroy", "metadata"])
def test_nobody_may_end_a_secret_for_good(path: str) -> None:
    assert f'"secret/{path}/' not in OPERATOR
    granted = re.search(rf'"secret/{path}/[^"]*"\s*{{ capabilities = \[(.*?)\]', PEOPLE)
    assert granted is None or not {"delete", "update", "sudo"} & set(re.findall(r"\w+", granted[1]))


def test_people_get_what_the_commands_use_and_no_more() -> None:
    granted = {
        (path.split("/")[1], capability)
        for path, capabilities in re.findall(r'path "([^"]+)"\s*\{ capabilities = \[(.*?)\]', PEOPLE)
        for capability in re.findall(r"\w+", capabilities)
    }
    # Tags are for those who are said to need them.
    uses = set(Use) - {Use.TAG}
    assert granted == {(need.route, need.capability) for use in uses for need in ACCESS[use]}
