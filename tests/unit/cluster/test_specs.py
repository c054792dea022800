import copy
import json
from dataclasses import replace
from typing import Any

import pytest

from compiler.cluster.specs import patch_of_spec
from compiler.model.values import Manifest, manifests_of
from tests.platforms import environment_of
from tests.unit.cli.conftest import ROOT

SLACK = manifests_of(environment_of(ROOT, "dev"))["slack"]
LINE = f"kubectl -n {SLACK.namespace} patch externalsecret {SLACK.name} --type json -p "
OWNED: dict[str, Any] = {name: {} for name in ("f:data", "f:refreshInterval", "f:secretStoreRef", "f:target")}
RELEASE = {"meta.helm.sh/release-name": "platform", "meta.helm.sh/release-namespace": "here"}


def written(*managers: tuple[str, str, dict[str, Any]], **metadata: Any) -> dict[str, Any]:  # noqa: ANN401 - any fields
    """The compiled object as it is live; each of `managers` has a name, a time and the fields that it set."""
    fields = [{"manager": name, "time": time, "fieldsV1": {"f:spec": own}} for name, time, own in managers]
    spec = copy.deepcopy(SLACK.object["spec"])
    return {"metadata": {"name": SLACK.name, "managedFields": fields, **metadata}, "spec": spec}


def left_over(former: str = "2026-01-01T00:00:00Z") -> dict[str, Any]:
    """After a take-over: Helm and Argo CD leave there what the former owner alone had set."""
    annotations: dict[str, Any] = {"f:annotations": {"f:a~b/c": {}}}
    own = {"f:target": {"f:template": {"f:metadata": annotations}}, "f:dataFrom": {}}
    found = written(("kubectl-client-side-apply", former, own), ("helm", "2026-02-01T00:00:00Z", OWNED))
    found["spec"]["target"]["template"]["metadata"]["annotations"] = {"a~b/c": "x"}
    found["spec"]["dataFrom"] = [{"extract": {"key": "old"}}]
    return found


def operations(manifest: Manifest, found: dict[str, Any]) -> tuple[list[dict[str, Any]], bool]:
    patch = patch_of_spec(manifest, found)
    assert patch is not None
    assert patch.line.startswith(LINE)
    return json.loads(patch.line.removeprefix(LINE).strip("'")), patch.is_needed


def test_what_the_former_owner_alone_has_set_is_removed_by_a_line() -> None:
    paths = ["/spec/target/template/metadata/annotations", "/spec/dataFrom"]
    assert operations(SLACK, left_over()) == ([{"op": "remove", "path": each} for each in paths], True)


def test_a_key_of_a_map_is_named_as_a_json_patch_does() -> None:
    compiled: dict[str, Any] = copy.deepcopy(dict(SLACK.object))
    compiled["spec"]["target"]["template"]["metadata"]["annotations"] = {"own": "y"}
    found = left_over()
    found["spec"]["target"]["template"]["metadata"]["annotations"]["own"] = "y"
    (first, _), _ = operations(replace(SLACK, object=compiled), found)
    assert first["path"] == "/spec/target/template/metadata/annotations/a~0b~1c"


def test_what_a_deployment_may_still_remove_is_deployed_first() -> None:
    assert operations(SLACK, left_over("2026-03-01T00:00:00Z"))[1] is False


def test_what_a_deployment_sets_or_the_api_server_has_added_is_not_patched() -> None:
    changed, unowned = left_over(), left_over()
    changed["spec"]["refreshInterval"] = "5m0s"
    del unowned["metadata"]["managedFields"][0]["fieldsV1"]["f:spec"]["f:dataFrom"]
    assert patch_of_spec(SLACK, changed) is None
    assert patch_of_spec(SLACK, unowned) is None


@pytest.mark.parametrize(
    ("time", "annotations", "is_patched"),
    [
        ("2026-03-01T00:00:00Z", RELEASE, True),
        ("2026-01-01T00:00:00Z", RELEASE, False),  # Helm has set it since
        ("2026-03-01T00:00:00Z", {}, False),  # Argo CD compares the live object
    ],
)
def test_what_was_edited_since_helm_deployed_it_is_set_back(
    time: str, annotations: dict[str, str], *, is_patched: bool
) -> None:
    """Helm compares the new manifest with the last one alone: an upgrade leaves what was edited."""
    edit: dict[str, Any] = {"f:secretStoreRef": {"f:name": {}}, "f:data": {}}
    found = written(("helm", "2026-02-01T00:00:00Z", OWNED), ("kubectl-edit", time, edit), annotations=annotations)
    name = found["spec"]["secretStoreRef"]["name"]
    found["spec"]["secretStoreRef"]["name"] = "other"
    key = found["spec"]["data"][0]["remoteRef"].pop("key")
    patch = patch_of_spec(SLACK, found)
    assert (patch is not None) is is_patched
    if patch is not None:
        assert operations(SLACK, found) == (
            [
                {"op": "replace", "path": "/spec/secretStoreRef/name", "value": name},
                {"op": "add", "path": "/spec/data/0/remoteRef/key", "value": key},
            ],
            True,
        )
