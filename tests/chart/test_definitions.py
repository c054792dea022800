"""What is printed for a version of External Secrets Operator is accepted by it strictly, and stored as it is."""

import copy
from collections.abc import Callable, Iterator
from typing import Any

import jsonschema
import pytest

from tests.chart.conftest import DEFINITIONS, ROOT
from tests.custom_resources import Definition

Manifest = dict[str, Any]

MINORS = [
    *(f"0.{minor}" for minor in range(16, 21)),
    "1.0",
    "1.1",
    "1.2",
    "1.3",
    *(f"2.{minor}" for minor in range(10)),
]
# The definitions of the two store kinds are at hand for these only.
STORE_MINORS = ["2.9"]
# What was counted on other platforms, as it compiles.
SHAPES = ROOT / "tests/golden/ok/shapes-of-other-platforms/expected/values-prod"
SAMPLES = ("mixed", "templates", "vault-auth", "azure-auth")
WITH_NULL_BYTE_POLICY = ("2.3", "2.4", "2.5", "2.6")


def options(minor: str) -> tuple[str, ...]:
    """The sample's three defaulted fields, and the fourth where the version has it."""
    return ("--set", "remoteRefDefaults.nullBytePolicy=Ignore") if minor in WITH_NULL_BYTE_POLICY else ()


@pytest.mark.parametrize("minor", MINORS)
def test_external_secrets_are_accepted_and_stored_as_printed(
    minor: str, rendered: Callable[..., list[Manifest]], definition: Callable[[str], Definition]
) -> None:
    operator = definition(f"externalsecret-{minor}")
    samples = (each for name in ("mixed", "templates", str(SHAPES)) for each in rendered(name, *options(minor)))
    secrets = [each for each in samples if each["kind"] == "ExternalSecret"]
    assert len(secrets) == 18
    for secret in secrets:
        assert operator.refusals(secret) == []
        assert operator.stored(secret) == secret


@pytest.mark.parametrize("sample", ["mixed", "vault-auth", "azure-auth"])
@pytest.mark.parametrize("minor", STORE_MINORS)
def test_stores_are_accepted_and_stored_as_printed(
    minor: str, sample: str, rendered: Callable[..., list[Manifest]], definition: Callable[[str], Definition]
) -> None:
    stores = [each for each in rendered(sample) if each["kind"] != "ExternalSecret"]
    assert {each["kind"] for each in stores} == {"ClusterSecretStore", "SecretStore"}
    for store in stores:
        operator = definition(f"{store['kind'].lower()}-{minor}")
        assert operator.refusals(store) == []
        assert operator.stored(store) == store


def test_every_definition_at_hand_is_looked_at() -> None:
    if not DEFINITIONS.is_dir():
        pytest.skip("External Secrets Operator's definitions are not beside this repository (../shared/crds)")
    looked_at = {f"externalsecret-{minor}" for minor in MINORS}
    looked_at |= {f"{kind}-{minor}" for kind in ("clustersecretstore", "secretstore") for minor in STORE_MINORS}
    assert {path.stem for path in DEFINITIONS.glob("*.yaml")} == looked_at


@pytest.mark.parametrize("minor", ["2.2", "2.3", "2.6", "2.7"])
def test_the_fourth_defaulted_field_is_needed_in_its_versions_only(
    minor: str, rendered: Callable[..., list[Manifest]], definition: Callable[[str], Definition]
) -> None:
    operator = definition(f"externalsecret-{minor}")
    three = rendered("mixed")[1]
    four = rendered("mixed", *options("2.3"))[1]
    assert (operator.stored(three) == three) is (minor not in WITH_NULL_BYTE_POLICY)
    assert (operator.refusals(four) == []) is (minor != "2.2")


def test_the_azure_sdk_field_is_needed(
    rendered: Callable[..., list[Manifest]], definition: Callable[[str], Definition]
) -> None:
    store = next(each for each in rendered("azure-auth") if each["kind"] == "SecretStore")
    del store["spec"]["provider"]["azurekv"]["useAzureSDK"]
    assert definition("secretstore-2.9").stored(store) != store


@pytest.mark.parametrize("sample", SAMPLES)
def test_the_project_s_own_schema_accepts_what_is_printed(
    sample: str, rendered: Callable[..., list[Manifest]], manifests_schema: jsonschema.Draft7Validator
) -> None:
    for manifest in rendered(sample):
        manifests_schema.validate(manifest)


def test_a_stray_field_anywhere_is_refused_by_both(
    rendered: Callable[..., list[Manifest]],
    definition: Callable[[str], Definition],
    manifests_schema: jsonschema.Draft7Validator,
) -> None:
    """Maps whose keys people choose (labels, annotations, a template's data) are the only open places."""
    manifests = [each for sample in SAMPLES for each in rendered(sample)]
    spoilt = [each for manifest in manifests for each in with_stray_field(manifest)]
    assert len(spoilt) > 100
    for manifest in spoilt:
        assert not manifests_schema.is_valid(manifest)
        assert definition(f"{manifest['kind'].lower()}-2.9").refusals(manifest) != []


def with_stray_field(manifest: Manifest) -> Iterator[Manifest]:
    """Copies of a manifest, each with one field more in one of its objects."""
    open_places = ("labels", "annotations")
    for path in object_paths(manifest):
        if path and (path[-1] in open_places or path[-2:] == ("template", "data")):
            continue
        spoilt = copy.deepcopy(manifest)
        place: Any = spoilt
        for step in path:
            place = place[step]
        place["strayField"] = "x"
        yield spoilt


def object_paths(node: object, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if isinstance(node, dict):
        yield path
        for name, child in node.items():
            yield from object_paths(child, (*path, name))
    elif isinstance(node, list):
        for index, child in enumerate(node):
            yield from object_paths(child, (*path, index))
