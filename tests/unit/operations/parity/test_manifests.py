from pathlib import Path

from compiler.operations.parity import manifests_of
from compiler.pipeline import compile_project

ROOT = Path(__file__).resolve().parents[4]


def test_the_external_secrets_of_an_environment_are_found_by_name_and_stores_are_none() -> None:
    project = compile_project(ROOT, ["dev"]).project
    assert project is not None
    (environment,) = project.environments
    found = manifests_of(environment)
    assert set(found) == {secret.entry.target for secret in environment.secrets.values()}
    assert {each["kind"] for each in found.values()} == {"ExternalSecret"}
