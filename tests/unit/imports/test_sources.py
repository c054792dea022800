from collections.abc import Callable
from pathlib import Path

import pytest

from compiler.imports.forms import Stores, read_object
from compiler.imports.sources import named_stores
from compiler.model.document import Node
from compiler.model.values import manifests_of
from compiler.pipeline import compile_project
from compiler.refusal import Refusal
from compiler.stages.load import load_manifests
from tests.commands import Done
from tests.unit.imports.conftest import STORE, external_secret

Bring = Callable[..., Done]
SENTINEL = "sentinel-4711"
CLEAR = "kind: Secret\napiVersion: v1\nmetadata: {name: s, namespace: b}\ndata: {A: b}\n"
KEY = "data: [{secretKey: A, remoteRef: {key: a, property: A}}]"


@pytest.mark.parametrize(
    "text",
    [
        f"kind: Secret\napiVersion: v1\nmetadata: {{name: a, namespace: b}}\ndata: {{A: {SENTINEL}}}\n",
        f"kind: Secret\napiVersion: v1\nmetadata: {{name: a, namespace: b}}\nstringData:\n  A: |\n    {SENTINEL}\n",
        STORE + external_secret("a", f"target: {{template: {{data: {{A: {SENTINEL}}}}}}}\n{KEY}"),
        STORE + external_secret("a", f"target: {{creationPolicy: {SENTINEL}-x}}\n{KEY}"),
        STORE + external_secret("a", f"refreshInterval: {SENTINEL}\n{KEY}"),
        f"a: [{SENTINEL}\n",
        f"a: {SENTINEL}\na: {SENTINEL}\n" + CLEAR,
    ],
)
def test_no_text_of_a_file_that_may_be_a_value_is_shown(bring: Bring, text: str) -> None:
    for form in ("text", "json", "sarif", "github", "junit"):
        done = bring(text, "--format", form, "--apply")
        assert done.code == 1
        assert SENTINEL not in done.out + done.err


def test_a_charts_template_leads_to_its_rendering(bring: Bring) -> None:
    done = bring("kind: ExternalSecret\nmetadata: {{ .Values.metadata }}\n")
    line = "`helm template NAME CHART | platform-secrets import external-secrets - --environment dev`"
    assert f"this is a chart's template: render it, {line}" in done.err


@pytest.mark.parametrize("name", ["''", "A"])
def test_a_key_without_a_name_of_its_own_is_refused(bring: Bring, name: str) -> None:
    data = KEY.replace("]", f", {{secretKey: {name}, remoteRef: {{key: a, property: B}}}}]")
    assert "a key has no name, or the same name as another" in bring(STORE + external_secret("a", data)).err
    items = f"[{{name: A, key: secret/data/a, property: A}}, {{name: {name}, key: secret/data/a, property: B}}]"
    old = "apiVersion: kubernetes-client.io/v1\nkind: ExternalSecret\nmetadata: {name: a, namespace: b}\n"
    done = bring(f"{old}spec: {{backendType: vault, data: {items}}}\n")
    assert (done.code, 'ExternalSecret "a" is refused' in done.err) == (1, True)


def test_one_object_in_two_files_is_taken_once(bring: Bring) -> None:
    done = bring(STORE + external_secret("a", KEY) + external_secret("a", KEY))
    assert "found 2 objects with 2 keys: 1 object with 1 key taken, 1 object with 1 key refused" in done.out


def test_an_object_without_a_key_is_refused(bring: Bring) -> None:
    done = bring(STORE + external_secret("a", "data: []"))
    assert 'ExternalSecret "a" is refused: it makes a Secret without keys' in done.err


def test_nothing_to_import_is_an_error(bring: Bring) -> None:
    done = bring("apiVersion: v1\nkind: Service\nmetadata: {name: a}\n")
    assert done.code == 3
    assert "in.yaml has no object of the form " in done.err


def test_a_key_without_a_property_on_vault_is_refused_at_its_line(bring: Bring) -> None:
    done = bring(STORE + external_secret("a", "data: [{secretKey: A, remoteRef: {key: a}}]"))
    assert (
        'in.yaml:11:42: warning[not-imported]: ExternalSecret "a" is refused: "A" cannot be a whole Vault secret'
        in done.err
    )


def test_a_store_without_a_path_has_the_mount_in_front_of_its_keys(bring: Bring) -> None:
    data = KEY.replace("key: a", "key: kv/a").replace(
        "]", ", {secretKey: B, remoteRef: {key: kv/data/b, property: B}}]"
    )
    done = bring(STORE.replace(", path: secret", "") + external_secret("a", data))
    assert "mount kv" in done.out
    assert "proof: 2 keys" in done.out


@pytest.mark.parametrize(
    ("word", "fault"),
    [
        *((word, "is not of the form NAME=PROVIDER") for word in ("vault", "=vault", "a=")),
        (f"a={SENTINEL}", "names no provider"),
    ],
)
def test_a_store_option_of_another_form_is_refused_unseen(word: str, fault: str) -> None:
    with pytest.raises(Refusal, match=f"--store {fault}") as raised:
        named_stores([word], {})
    assert SENTINEL not in str(raised.value.help)


def test_an_object_without_a_namespace_is_in_the_environments(bring: Bring) -> None:
    done = bring(STORE + external_secret("a", KEY).replace(", namespace: shop", ""))
    assert "secret a: p/a" in done.out
    assert (
        "secret a: x/a"
        in bring(STORE + external_secret("a", KEY).replace(", namespace: shop", ""), "--namespace", "x").out
    )


def test_what_the_operator_of_another_group_reads_is_not_its() -> None:
    found: list[Node] = []
    texts = ("external-secrets.io/v1", "generators.external-secrets.io/v1alpha1", "example.com/v1")
    load_manifests("a", "---".join(f"\napiVersion: {each}\nkind: ExternalSecret\n" for each in texts), found.append)
    read = [read_object("external-secrets", each, "shop", Stores({}), lambda *_: frozenset()) for each in found]
    assert [each is not None for each in read] == [True, True, False]


@pytest.mark.parametrize(("provider", "option"), [("vault", "--server"), ("azurekv", "--vault-url")])
def test_a_store_that_lacks_its_address_names_the_option_for_it(bring: Bring, provider: str, option: str) -> None:
    done = bring(external_secret("a", KEY), "--store", f"backend={provider}")
    assert "--store:1:1: warning[not-imported]" in done.err
    assert f"give its address with `{option} URL`" in done.err


def test_what_else_is_wrong_with_a_store_has_its_own_way_out(bring: Bring) -> None:
    done = bring(external_secret("a", KEY).replace("name: backend", "name: Back"), "--store", "Back=vault")
    assert "give its address with `--server URL`" in done.err
    assert 'help: write "back"' in done.err


TARGET = "target: {name: a, template: {metadata: {labels: {team: shop}}}}"


@pytest.mark.parametrize(
    ("spec", "field"),
    [
        (f"target: {{deletionPolicy: Delete}}\n{KEY}", "target.deletionPolicy: Delete"),
        (f"target: {{creationPolicy: Orphan}}\n{KEY}", "target.creationPolicy: Orphan"),
        (f"target: {{template: {{metadata: {{finalizers: [a]}}}}}}\n{KEY}", "target.template.metadata.finalizers"),
        (f"target: {{manifest: {{kind: Secret, name: x}}}}\n{KEY}", "target.manifest.name"),
        (KEY.replace("property: A", "property: A, conversionStrategy: Other"), "conversionStrategy: Other"),
        (KEY.replace("property: A", "property: A, nullBytePolicy: Fail"), "nullBytePolicy: Fail"),
        (KEY.replace("property: A", "property: A, isNew: true"), "data.remoteRef.isNew"),
        (f"{KEY}\ncomingSoon: true", "comingSoon"),
        (f"{KEY}\n'sentinel 4711': true", "a field of it"),
    ],
)
def test_a_field_that_is_not_read_refuses_the_object(bring: Bring, spec: str, field: str) -> None:
    done = bring(STORE + external_secret("a", spec))
    assert f'ExternalSecret "a" is refused: `{field}` is not supported' in done.err
    assert "found 1 object with 1 key: none taken" in done.out
    assert "4711" not in done.err


def with_metadata(spec: str, metadata: str) -> str:
    return STORE + external_secret("a", spec).replace("namespace: shop}", f"namespace: shop, {metadata}}}")


def test_the_owner_of_an_object_refuses_it(bring: Bring) -> None:
    done = bring(with_metadata(KEY, "ownerReferences: [{kind: ClusterExternalSecret, name: all}]"))
    assert "`metadata.ownerReferences` is not supported" in done.err


def test_labels_annotations_and_the_wave_are_taken(project: Path, bring: Bring) -> None:
    own = (
        'annotations: {argocd.argoproj.io/sync-wave: "-1", example.com/on-call: shop, meta.helm.sh/release-name: x}, '
        "labels: {team: shop, app.kubernetes.io/instance: x, app.kubernetes.io/name: y}"
    )
    assert bring(with_metadata(KEY, own), "--apply").code == 0
    assert "syncWave: -1" in (project / "environments/catalogue.yaml").read_text("utf-8")
    compiled = compile_project(project, ["dev"]).project
    assert compiled is not None
    (manifest,) = manifests_of(compiled.environments[0]).values()
    own_metadata, copied = manifest.object["metadata"], manifest.object["spec"]["target"]["template"]["metadata"]
    wave = {"argocd.argoproj.io/sync-wave": "-1"}
    assert own_metadata["annotations"] == {"example.com/on-call": "shop", **wave}
    # As the operator copies them without a template.
    assert copied["annotations"] == {"example.com/on-call": "shop"}
    assert (own_metadata["labels"]["team"], copied["labels"]["team"]) == ("shop", "shop")


def test_with_a_template_the_objects_annotations_stay_its_own(project: Path, bring: Bring) -> None:
    spec = f"{TARGET.replace('team: shop', 'team: secrets')}\n{KEY}"
    assert bring(with_metadata(spec, "annotations: {example.com/on-call: shop}"), "--apply").code == 0
    listed = (project / "environments/dev.yaml").read_text("utf-8")
    assert "annotations: {example.com/on-call: shop}" in listed
    assert "secretAnnotations" not in listed
    assert "secretLabels: {team: secrets}" in listed


def test_labels_that_a_template_keeps_from_the_secret_refuse_the_object(bring: Bring) -> None:
    done = bring(with_metadata(f"{TARGET}\n{KEY}", "labels: {team: shop, tier: one}"))
    assert "is refused: it has labels that its template keeps from the Secret" in done.err
    assert bring(with_metadata(f"{TARGET}\n{KEY}", "labels: {team: shop}")).code == 0


def test_a_wave_that_is_none_and_one_unlike_the_entrys_refuse_the_object(bring: Bring) -> None:
    wave = "annotations: {{argocd.argoproj.io/sync-wave: '{}'}}"
    assert "its sync wave is not a number" in bring(with_metadata(KEY, wave.format("first"))).err
    assert bring(with_metadata(KEY, wave.format(-3)), "--apply").code == 0
    done = bring(with_metadata(KEY, wave.format(-4)), environment="prod")
    assert 'is refused: its sync wave is -4, and that of "a" is -3' in done.err
    assert bring(with_metadata(KEY, wave.format(-3)), environment="prod").code == 0
