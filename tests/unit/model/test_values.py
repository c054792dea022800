import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from compiler.model.environment import Environment
from compiler.model.facts import ValuesData
from compiler.model.values import (
    SecretChange,
    SecretOutline,
    compare,
    find_values,
    manifests_of,
    nest,
    nesting_change,
    outlines_of_manifests,
    outlines_of_values,
    place_text,
    subchart_of,
    values_of,
)
from compiler.pipeline import compile_project
from compiler.stages.emit import values_text
from compiler.stages.load import load_text
from compiler.stages.resolve import Resolver, catalogue_of, merge
from tests.conftest import Helm
from tests.parity import differences, expected_manifests
from tests.platforms import BASE

CATALOGUE = """\
secrets:
  github:
    target: agent-github-secrets
    remote: {vault: platform/github, azurekv: platform-github}
    syncWave: -49
    keys:
      TOKEN: {}
      URL: {remote: {vault: {property: HOST}}}
      APP_KEY: {remote: {vault: {name: app, property: KEY}, azurekv: {name: app-key, whole: true}}}
"""


def environment(text: str, catalogue: str = CATALOGUE) -> Environment:
    documents = [load_text(name, each)[0] for name, each in (("base", BASE), ("prod", text), ("catalogue", catalogue))]
    base, prod, secrets = (document for document in documents if document is not None)
    root, _ = merge([base, prod])
    return Resolver(catalogue_of(secrets)).environment("prod", root, [base, prod])


def github(text: str) -> Any:  # noqa: ANN401 - plain data
    secrets = values_of(environment(text))["externalSecrets"]
    assert isinstance(secrets, dict)
    return secrets["github"]


def test_a_secret_is_fully_resolved() -> None:
    said = "labels: {a: b}\nannotations: {c: d}\nsecretLabels: {e: f}\nsecretAnnotations: {g: h}\n"
    assert github(said) == {
        "name": "agent-github-secrets",
        "namespace": "ai-platform",
        "labels": {"a": "b"},
        "annotations": {"c": "d"},
        "secretLabels": {"a": "b", "e": "f"},
        "secretAnnotations": {"g": "h"},
        "storeRef": {"kind": "ClusterSecretStore", "name": "vault-store"},
        "refreshInterval": "1h0m0s",
        "syncWave": "-49",
        "fetch": "perKey",
        "remoteKey": "platform/github",
        "keys": ["TOKEN"],
        "data": {
            "URL": {"key": "platform/github", "property": "HOST"},
            "APP_KEY": {"key": "app", "property": "KEY"},
        },
    }


def test_optional_parts_are_absent_and_a_whole_has_no_property() -> None:
    secret = github("store: azure\n")
    assert not {"labels", "annotations", "secretLabels", "secretAnnotations"} & secret.keys()
    assert secret["keys"] == ["TOKEN", "URL"]
    assert secret["data"] == {"APP_KEY": {"key": "app-key"}}


def test_without_a_key_in_its_own_remote_secret_there_is_no_remote_key() -> None:
    catalogue = CATALOGUE.replace("TOKEN: {}", "TOKEN: {remote: {vault: token}}")
    data = values_of(environment("", catalogue))["externalSecrets"]
    assert isinstance(data, dict)
    assert isinstance(data["github"], dict)
    assert not {"remoteKey", "keys"} & data["github"].keys()


@pytest.mark.parametrize(
    ("operator", "written"),
    [("0.16", False), ("2.2", False), ("2.3", True), ("2.6", True), ("2.7", False), ("2.9", False), ("2.10", False)],
)
def test_a_defaulted_field_is_written_for_the_minors_that_have_it(operator: str, *, written: bool) -> None:
    defaults = values_of(environment(f'externalSecretsOperator: "{operator}"\n'))["remoteRefDefaults"]
    assert isinstance(defaults, dict)
    assert ("nullBytePolicy" in defaults) == written
    assert defaults["conversionStrategy"] == "Default"


@pytest.mark.parametrize("operator", ["2.10", "2.11", "2.12", "2.13", "2.14", "3.0"])
def test_newer_minors_have_the_values_of_2_9(operator: str) -> None:
    rendered = "stores: {vault: {render: true}, azure: {render: true, kind: SecretStore}}\n"
    known, newer = (f'{rendered}externalSecretsOperator: "{minor}"\n' for minor in ("2.9", operator))
    assert values_of(environment(newer)) == values_of(environment(known))


def test_the_label_of_all_is_there_where_an_environment_says_it() -> None:
    assert "partOf" not in values_of(environment(""))
    assert values_of(environment("partOf: shop\n"))["partOf"] == "shop"
    assert values_of(environment("partOf: ai-platform-engineering\n"))["partOf"] == "ai-platform-engineering"


def test_only_an_environment_without_a_secret_or_a_store_may_render_nothing() -> None:
    assert values_of(environment("secrets: {github: null}\n"))["allowEmpty"] is True
    assert "allowEmpty" not in values_of(environment(""))
    rendered = "stores: {vault: {render: true}}\nsecrets: {github: null}\n"
    assert "allowEmpty" not in values_of(environment(rendered))


def test_stores_are_there_where_they_are_rendered() -> None:
    assert not {"clusterSecretStores", "secretStores"} & values_of(environment("")).keys()
    rendered = "stores: {vault: {render: true}, azure: {render: true, kind: SecretStore}}\n"
    data = values_of(environment(rendered))
    assert isinstance(data["clusterSecretStores"], dict)
    assert isinstance(data["secretStores"], dict)
    assert list(data["clusterSecretStores"]) == ["vault"]
    assert list(data["secretStores"]) == ["azure"]


def test_an_environment_without_secrets_has_an_empty_map() -> None:
    assert values_of(environment("secrets: {github: null}\n"))["externalSecrets"] == {}


@pytest.mark.parametrize("text", ["store: gcp\n", "namespace: null\n", "refreshInterval: soon\n"])
def test_an_environment_that_passed_no_rule_has_no_values(text: str) -> None:
    with pytest.raises(ValueError, match="passed every rule"):
        values_of(environment(text))


def test_a_key_without_a_place_has_no_values() -> None:
    with pytest.raises(ValueError, match="passed every rule"):
        values_of(environment("store: azure\n", CATALOGUE.replace(", azurekv: platform-github", "")))


ROOT = Path(__file__).resolve().parents[3]
# Keys that lie elsewhere stand between those that do not, and not in the order of their names.
MIXED = """\
secrets:
  github:
    target: agent-github-secrets
    remote: {vault: platform/github, azurekv: platform-github}
    syncWave: -49
    keys:
      URL: {remote: {vault: {property: HOST}}}
      TOKEN: {}
      APP_KEY: {remote: {vault: {name: app, property: KEY}, azurekv: {name: app-key, whole: true}}}
      ID: {}
"""
SAID = [
    "",
    'labels: {a: b}\nannotations: {c: "1"}\nsecretLabels: {e: f}\nsecretAnnotations: {g: "h: i"}\npartOf: shop\n',
    "store: azure\nexternalSecretsOperator: '2.4'\n",
]


def of_names(made: Environment) -> dict[str, Any]:
    return {each.name: each.object for each in manifests_of(made).values()}


@pytest.mark.parametrize("said", SAID)
def test_they_are_what_the_chart_renders_item_by_item(said: str, helms: tuple[Helm, ...], tmp_path: Path) -> None:
    made = environment(said, MIXED)
    values = tmp_path / "values.yaml"
    values.write_text(values_text(values_of(made), "prod", ("prod.yaml",)), "utf-8")
    for helm in helms:
        rendered = list(yaml.safe_load_all(helm.template(values)))
        assert {each["metadata"]["name"]: each for each in rendered} == of_names(made)


def test_the_order_of_keys_is_that_of_the_chart() -> None:
    (found,) = manifests_of(environment("", MIXED)).values()
    assert [each["secretKey"] for each in found.object["spec"]["data"]] == ["TOKEN", "ID", "APP_KEY", "URL"]


@pytest.mark.parametrize("name", ["dev", "staging", "prod"])
def test_they_are_what_separate_code_derives_from_catalogue_and_environment(name: str) -> None:
    project = compile_project(ROOT, [name]).project
    assert project is not None
    (made,) = project.environments
    root: Any = made.root.plain_data()
    catalogue: Any = made.catalogue.document.root.plain_data()
    expected = [each for each in expected_manifests(root, catalogue) if each["kind"] == "ExternalSecret"]
    assert list(differences(expected, of_names(made).values())) == []


def test_each_names_its_secret_its_store_and_its_line() -> None:
    made = environment("", MIXED)
    assert manifests_of(made, ["none"]) == {}
    (found,) = manifests_of(made, ["github"]).values()
    assert (found.secret, found.store.id, found.title) == ("github", "vault", "ai-platform/agent-github-secrets")
    assert found.span == made.secrets["github"].node.key_span


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
        "externalSecret": "",
        "type": "",
        "creationPolicy": "Owner",
        "deletionPolicy": "Retain",
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


EXTRACTED: dict[str, ValuesData] = {
    **{name: value for name, value in SECRET.items() if name != "data"},
    "fetch": "extract",
    "keys": ["A", "B"],
}


def test_what_is_extracted_is_one_outline_whatever_keys_are_listed() -> None:
    rendered = manifest(dataFrom=[{"extract": {"key": "p/agent"}}])
    found = outlines_of_manifests([rendered])
    assert found == outlines_of_values({"externalSecrets": {"agent": EXTRACTED}})
    assert found == outlines_of_values({"externalSecrets": {"agent": {**EXTRACTED, "keys": ["B"]}}})
    assert found["ai", "agent"].keys == {}
    # With a template of its own it is no more than a bundle with that one.
    own: dict[str, ValuesData] = {"templateData": {"A": "{{ .A }}", "X": "{{ .B }}"}, "keys": ["A"]}
    extract, bundle = (
        outlines_of_values({"externalSecrets": {"agent": {**EXTRACTED, **own, "fetch": fetch}}})
        for fetch in ("extract", "bundle")
    )
    assert extract == bundle


def test_between_listed_keys_and_all_of_them_none_is_said_to_be_removed() -> None:
    (to_all,) = changed(fetch="extract", keys=["TOKEN"], data={})
    assert (to_all.keys_added, to_all.keys_removed, to_all.keys_moved) == ((), (), ())
    assert {("fetch", "perKey", "extract"), ("fetched", "", "p/agent")} <= set(to_all.fields)
    assert ("keys", "TOKEN, URL, KEY", "every property") in to_all.fields
    all_of_it = outlines_of_values({"externalSecrets": {"agent": EXTRACTED}})
    elsewhere = outlines_of_values({"externalSecrets": {"agent": {**EXTRACTED, "remoteKey": "p/b"}}})
    (moved,) = compare(all_of_it, elsewhere)
    assert moved.fields == (("fetched", "p/agent", "p/b"),)


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


VALUES: dict[str, ValuesData] = {"externalSecrets": {"github": {"name": "g"}}, "partOf": "shop"}


@pytest.mark.parametrize("name", [None, "secrets", "platform-secrets", "y", "Shop_1"])
def test_what_is_nested_is_found_again(name: str | None) -> None:
    assert find_values(nest(VALUES, name)) == (name, VALUES)
    assert find_values(nest(VALUES, name), "other") == (name, VALUES)
    assert find_values(nest({"secretStores": {}}, name)) == (name, {"secretStores": {}})


@pytest.mark.parametrize(
    "data",
    [
        None,
        "text",
        [],
        {},
        {"secrets": None},
        {"secrets": {"other": 1}},
        {"secrets": ["externalSecrets"]},
        {7: VALUES},
        # Two members: another chart's values stand beside.
        {"secrets": VALUES, "shop": {"replicas": 3}},
        # Helm's own, and other charts have such a key below it.
        {"global": {"externalSecrets": {"enabled": False}}},
    ],
)
def test_where_there_are_no_values_of_this_chart_alone_none_are_found(data: Any) -> None:  # noqa: ANN401
    assert find_values(data) is None


def test_a_secret_with_an_id_like_a_member_is_no_nesting() -> None:
    values: dict[str, ValuesData] = {"externalSecrets": {"secretStores": {}}}
    assert find_values(values) == (None, values)
    assert subchart_of({"externalSecrets": ["secretStores"]}) is None


def test_under_a_name_that_is_known_they_are_found_beside_others() -> None:
    parent = {"shop": {"password": "x"}, "secrets": VALUES, "more": VALUES}
    assert find_values(parent, "secrets") == ("secrets", VALUES)
    assert find_values(parent, "shop") is None
    assert find_values(parent, "missing") is None
    assert find_values({"global": VALUES, "shop": {}}, "global") is None
    # The chart's own values come first: what they are nested under is no member of theirs.
    assert find_values({**VALUES, "secrets": VALUES}, "secrets") == (None, {**VALUES, "secrets": VALUES})


@pytest.mark.parametrize(
    ("before", "after", "field"),
    [(None, "a", ("subchart", "", "a")), ("a", None, ("subchart", "a", "")), ("a", "b", ("subchart", "a", "b"))],
)
def test_another_nesting_is_a_change(before: str | None, after: str | None, field: tuple[str, str, str]) -> None:
    assert nesting_change(before, after) == (SecretChange("the values file", "changed", fields=(field,)),)
    assert nesting_change(after, after) == ()


def test_no_member_of_the_values_and_none_of_helms_own_names_is_taken_for_a_chart() -> None:
    values = json.loads((ROOT / "schemas/values.schema.json").read_text("utf-8"))["properties"]
    schema = json.loads((ROOT / "schemas/environment.schema.json").read_text("utf-8"))
    refused = set(schema["definitions"]["chartName"]["not"]["enum"])
    assert refused == {"global", "tags", *values}
    assert [name for name in refused if subchart_of({name: ["externalSecrets"]}) is not None] == []
