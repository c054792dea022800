from copy import deepcopy
from typing import Any

import pytest

from compiler.operations.parity import differences, targets


def manifest(*keys: str) -> dict[str, Any]:
    return {
        "kind": "ExternalSecret",
        "metadata": {"name": "a", "namespace": "team", "labels": {"x": "sentinel"}},
        "spec": {
            "target": {"name": "a", "template": {"metadata": {"annotations": {"x": "sentinel"}}}},
            "count": 1,
            "list": ["x"],
            "data": [{"secretKey": key, "remoteRef": {"key": "r", "property": key}} for key in keys or ("K", "L")],
        },
    }


def changed(*path: str | int, to: object) -> dict[str, Any]:
    result = deepcopy(manifest())
    node: Any = result
    for part in path[:-1]:
        node = node[part]
    if to is None:
        del node[path[-1]]
    else:
        node[path[-1]] = to
    return result


def test_the_order_of_keys_and_manifests_does_not_matter() -> None:
    other = {"kind": "Other", "metadata": {"name": "b"}}
    assert list(differences([manifest("K", "L"), other], [other, manifest("L", "K")])) == []


@pytest.mark.parametrize(
    ("rendered", "message"),
    [
        (
            changed("spec", "data", 0, "remoteRef", "key", to="s"),
            'spec.data.K.remoteRef.key of ExternalSecret "team/a" is "s" and not "r"',
        ),
        (changed("spec", "target", to=None), 'spec.target of ExternalSecret "team/a" is missing'),
        (changed("spec", "more", to="m"), 'spec.more of ExternalSecret "team/a" should not be there'),
        (changed("metadata", "labels", "x", to="y"), 'metadata.labels.x of ExternalSecret "team/a" differs'),
        (
            changed("spec", "target", "template", "metadata", "annotations", "x", to="y"),
            'spec.target.template.metadata.annotations.x of ExternalSecret "team/a" differs',
        ),
        (changed("spec", "count", to=True), 'spec.count of ExternalSecret "team/a" differs'),
        (changed("spec", "list", to=["y"]), 'spec.list.0 of ExternalSecret "team/a" is "y" and not "x"'),
        (changed("spec", "list", to=["x", "x"]), 'spec.list of ExternalSecret "team/a" differs'),
        (manifest("K"), 'spec.data.L of ExternalSecret "team/a" is missing'),
        (manifest("K", "L", "L"), 'spec.data of ExternalSecret "team/a" differs'),
    ],
)
def test_a_difference_has_its_path(rendered: dict[str, Any], message: str) -> None:
    assert list(differences([manifest()], [rendered])) == [("a", message)]


def test_objects_too_few_too_many_and_twice() -> None:
    other = {"kind": "Other", "metadata": {"name": "b"}}
    assert [message for _, message in differences([manifest()], [])] == ['ExternalSecret "team/a" is not rendered']
    assert [message for _, message in differences([], [other])] == ['Other "b" is rendered, but not expected']
    assert [message for _, message in differences([other], [other, other])] == ['Other "b" is rendered 2 times']
    assert [message for _, message in differences([], ["text"])] == ["something is rendered that is not a manifest"]


def test_what_pods_see_of_keys_one_by_one_and_of_a_bundle() -> None:
    bundle = changed("spec", "target", to={"name": "b", "template": {"data": {"M": "{{ .M }}"}}})
    assert targets([manifest(), bundle, {"kind": "Other"}, None]) == {
        ("team", "a"): {"K", "L"},
        ("team", "b"): {"M"},
    }
