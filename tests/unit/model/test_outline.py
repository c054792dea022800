from typing import Any

import pytest

from compiler.model.facts import ValuesData
from compiler.model.values import (
    SecretChange,
    SecretOutline,
    compare,
    outlines_of_manifests,
    outlines_of_values,
    place_text,
)

SECRET: dict[str, ValuesData] = {
    "name": "agent",
    "namespace": "ai",
    "labels": {"team": "a"},
    "annotations": {"example.com/b": "c"},
    "secretLabels": {"team": "a", "tier": "1"},
    "secretAnnotations": {"example.com/reload": "true"},
    "storeRef": {"kind": "ClusterSecretStore", "name": "vault"},
    "refreshInterval": "1h0m0s",
    "syncWave": "-49",
    "fetch": "perKey",
    "remoteKey": "p/agent",
    "keys": ["TOKEN"],
    "data": {"URL": {"key": "p/agent", "property": "HOST"}, "KEY": {"key": "app-key"}},
}
OUTLINE = SecretOutline(
    {
        "refreshInterval": "1h0m0s",
        "syncWave": "-49",
        "fetch": "perKey",
        "store": "ClusterSecretStore/vault",
        "partOf": "ai-platform-engineering",
        "secret metadata": "its own",
        "label team": "a",
        "annotation example.com/b": "c",
        "secret label team": "a",
        "secret label tier": "1",
        "secret annotation example.com/reload": "true",
    },
    {"TOKEN": ("p/agent", "TOKEN"), "URL": ("p/agent", "HOST"), "KEY": ("app-key", None)},
)


CHART_LABELS = {
    "app.kubernetes.io/name": "agent",
    "app.kubernetes.io/part-of": "ai-platform-engineering",
    "app.kubernetes.io/managed-by": "Helm",
}
TEMPLATE = {
    "metadata": {
        "labels": {**CHART_LABELS, "team": "a", "tier": "1"},
        "annotations": {"example.com/reload": "true"},
    }
}


def manifest(**spec: Any) -> dict[str, Any]:  # noqa: ANN401 - plain data
    return {
        "kind": "ExternalSecret",
        "metadata": {
            "name": "agent",
            "namespace": "ai",
            "labels": {**CHART_LABELS, "team": "a"},
            "annotations": {"argocd.argoproj.io/sync-wave": "-49", "example.com/b": "c"},
        },
        "spec": {
            "refreshInterval": "1h0m0s",
            "secretStoreRef": {"kind": "ClusterSecretStore", "name": "vault"},
            "target": {"name": "agent", "template": TEMPLATE},
            **spec,
        },
    }


DATA = [
    {"secretKey": "TOKEN", "remoteRef": {"key": "p/agent", "property": "TOKEN"}},
    {"secretKey": "URL", "remoteRef": {"key": "p/agent", "property": "HOST"}},
    {"secretKey": "KEY", "remoteRef": {"key": "app-key"}},
]


def test_values_and_manifests_of_one_secret_are_one_outline() -> None:
    expected = {("ai", "agent"): OUTLINE}
    assert outlines_of_values({"externalSecrets": {"agent": SECRET}}) == expected
    assert outlines_of_manifests([{"kind": "ClusterSecretStore"}, None, manifest(data=DATA)]) == expected


def test_a_bundle_is_one_outline_too() -> None:
    bundle: dict[str, ValuesData] = {**SECRET, "fetch": "bundle", "keys": ["A", "B"]}
    del bundle["data"]
    target = {"name": "agent", "template": {**TEMPLATE, "data": {"A": "{{ .A }}", "B": "{{ .B }}"}}}
    rendered = manifest(target=target, dataFrom=[{"extract": {"key": "p/agent"}}])
    found = outlines_of_manifests([rendered])
    assert found == outlines_of_values({"externalSecrets": {"agent": bundle}})
    assert found["ai", "agent"].keys == {"A": ("p/agent", "A"), "B": ("p/agent", "B")}


def test_a_label_of_the_users_own_below_the_charts_name_counts() -> None:
    rendered = manifest(data=DATA)
    rendered["metadata"]["labels"]["app.kubernetes.io/version"] = "1"
    assert outlines_of_manifests([rendered])["ai", "agent"].fields["label app.kubernetes.io/version"] == "1"


def test_without_a_template_the_metadata_is_copied() -> None:
    own, copied = (outlines_of_manifests([manifest(data=DATA, target=each)]) for each in ({"template": {"a": 1}}, {}))
    assert [change.fields for change in compare(copied, own)] == [
        (("secret metadata", "copied from the ExternalSecret", "its own"),)
    ]


def test_another_part_of_is_another_label_of_each() -> None:
    values: dict[str, ValuesData] = {"externalSecrets": {"agent": SECRET}}
    before, after = outlines_of_values(values), outlines_of_values({**values, "partOf": "shop"})
    expected = (("partOf", "ai-platform-engineering", "shop"),)
    assert [change.fields for change in compare(before, after)] == [expected]
    rendered = manifest(data=DATA)
    rendered["metadata"]["labels"]["app.kubernetes.io/part-of"] = "shop"
    assert outlines_of_manifests([rendered]) == after


@pytest.mark.parametrize(
    "data",
    [None, "text", {}, {"externalSecrets": None}, {"externalSecrets": []}, {"externalSecrets": {"a": "text"}}],
)
def test_data_of_another_form_has_no_secrets(data: Any) -> None:  # noqa: ANN401 - hostile data
    assert outlines_of_values(data) == {}


def test_what_has_another_form_inside_is_left_out() -> None:
    odd: dict[str, ValuesData] = {"name": "a", "storeRef": "x", "keys": "y", "data": {"K": "z"}, "labels": ["l"]}
    outline = outlines_of_values({"externalSecrets": {"a": odd}})["", "a"]
    assert outline.keys == {}
    assert outline.fields["store"] == "/"


def changed(**changes: ValuesData) -> tuple[SecretChange, ...]:
    before = outlines_of_values({"externalSecrets": {"agent": SECRET}})
    return compare(before, outlines_of_values({"externalSecrets": {"agent": {**SECRET, **changes}}}))


def test_the_same_is_no_change() -> None:
    assert changed() == ()
    # The order of keys means nothing.
    data = {"KEY": {"key": "app-key"}, "URL": {"key": "p/agent", "property": "HOST"}}
    assert changed(data=data) == ()  # type: ignore[arg-type]


def test_keys_are_added_removed_and_moved() -> None:
    (change,) = changed(keys=["OTHER"], data={"URL": {"key": "p/agent", "property": "URL"}, "KEY": {"key": "app-key"}})
    assert (change.title, change.kind) == ("ai/agent", "changed")
    assert (change.keys_added, change.keys_removed) == (("OTHER",), ("TOKEN",))
    assert change.keys_moved == (("URL", "p/agent[HOST]", "p/agent[URL]"),)
    assert change.fields == ()


def test_settings_are_changed_added_and_removed() -> None:
    (change,) = changed(fetch="bundle", labels={"other": "b"})
    assert change.fields == (("fetch", "perKey", "bundle"), ("label team", "a", ""), ("label other", "", "b"))


def test_secrets_are_added_removed_and_renamed_in_the_order_of_names() -> None:
    before = outlines_of_values({"externalSecrets": {"agent": SECRET}})
    after = outlines_of_values({"externalSecrets": {"agent": {**SECRET, "name": "a-new-name"}}})
    added, removed = compare(before, after)
    assert (added.title, added.kind, added.keys_added) == ("ai/a-new-name", "added", ("TOKEN", "URL", "KEY"))
    assert (removed.title, removed.kind, removed.keys_removed) == ("ai/agent", "removed", ("TOKEN", "URL", "KEY"))


def test_a_place_is_written_with_its_property() -> None:
    assert place_text(("a/b", "C")) == "a/b[C]"
    assert place_text(("a", None)) == "a"
