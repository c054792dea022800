"""Policies that the guide has people generate are, on a real server, enough for their work and for no more."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from compiler.demo.local_openbao import LocalOpenBao
from compiler.generate.access import access_text
from compiler.model.store import StoreAddress
from compiler.pipeline import compile_project
from compiler.stores.errors import ForbiddenError
from compiler.stores.interface import Role, SecretWriter, StoreState, open_store
from compiler.stores.secret_value import SecretValue
from tests import providers
from tests.platforms import write_agents_project

NAME = "agents/github"
VALUES = {"TOKEN": SecretValue("sentinel-4711")}


def opened(openbao: LocalOpenBao, root: Path, *roles: Role) -> Iterator[SecretWriter]:
    project = compile_project(root, ["prod"]).project
    assert project is not None
    for role in roles:
        policy = access_text(project.environments[0], role, "hcl", [], is_wide=False)
        openbao.call("PUT", f"sys/policies/acl/{role}", {"policy": policy})
    answer = openbao.call("POST", "auth/token/create", {"policies": [str(role) for role in roles]})
    store = open_store(StoreAddress(providers.VAULT, openbao.url), {"VAULT_TOKEN": answer["auth"]["client_token"]})
    yield store
    store.close()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    write_agents_project(tmp_path / "project")
    return tmp_path / "project"


@pytest.fixture
def people(openbao: LocalOpenBao, root: Path) -> Iterator[SecretWriter]:
    yield from opened(openbao, root, Role.READER, Role.WRITER, Role.RETIRER)


@pytest.fixture
def operator(openbao: LocalOpenBao, root: Path) -> Iterator[SecretWriter]:
    yield from opened(openbao, root, Role.OPERATOR)


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


def test_nobody_may_end_a_secret_for_good(openbao: LocalOpenBao, people: SecretWriter) -> None:
    del people
    paths = [f"secret/{route}/{NAME}" for route in ("data", "destroy", "metadata")]
    token = openbao.call("POST", "auth/token/create", {"policies": [str(role) for role in Role]})
    found = openbao.call("POST", "sys/capabilities", {"token": token["auth"]["client_token"], "paths": paths})["data"]
    assert found[paths[1]] == ["deny"]
    assert not any({"delete", "sudo"} & set(found[path]) for path in paths)
