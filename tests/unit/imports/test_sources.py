import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from compiler.imports.forms import read_object
from compiler.imports.found_stores import Stores
from compiler.imports.sources import OPTIONAL, parse_stores
from compiler.model.document import Node
from compiler.model.values import Manifest, manifests_of
from compiler.pipeline import compile_project
from compiler.refusal import Refusal
from compiler.stages.load import load_manifests
from tests.commands import Done, run_command
from tests.fake_cluster import ESO, FakeCluster
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
        STORE + external_secret("a", f"target: {{template: {{data: {{A: 'https://u:{SENTINEL}@h'}}}}}}\n{KEY}"),
        STORE + external_secret("a", f"target: {{creationPolicy: {SENTINEL}-x}}\n{KEY}"),
        STORE + external_secret("a", f"refreshInterval: {SENTINEL}\n{KEY}"),
        f"a: [{SENTINEL}\n",
        f"a: {SENTINEL}\na: {SENTINEL}\n" + CLEAR,
    ],
)
def test_no_text_of_a_file_that_may_be_a_value_is_shown(bring: Bring, text: str) -> None:
    for form in ("text", "json", "sarif", "github"):
        done = bring(text, "--format", form, "--apply")
        assert done.code == 1
        assert SENTINEL not in done.out + done.err


def test_a_text_of_a_template_is_kept_and_not_shown(bring: Bring) -> None:
    text = STORE + external_secret("a", f"target: {{template: {{data: {{A: '{SENTINEL} {{{{ .A }}}}'}}}}}}\n{KEY}")
    for form in ("text", "json", "sarif"):
        done = bring(text, "--format", form)
        assert done.code == 0, done
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
        parse_stores([word], {})
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
        (f"target: {{creationPolicy: Merge}}\n{KEY}", "target.creationPolicy: Merge"),
        (f"target: {{template: {{mergePolicy: Merge}}}}\n{KEY}", "target.template.mergePolicy: Merge"),
        (f"target: {{template: {{metadata: {{finalizers: [a]}}}}}}\n{KEY}", "target.template.metadata.finalizers"),
        (f"target: {{manifest: {{kind: Secret, name: x}}}}\n{KEY}", "target.manifest.name"),
        (
            KEY.replace("property: A", "property: A, conversionStrategy: Other"),
            "data.remoteRef.conversionStrategy: Other",
        ),
        (KEY.replace("property: A", "property: A, nullBytePolicy: Fail"), "data.remoteRef.nullBytePolicy: Fail"),
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


REFERENCE = {"name": "backend", "kind": "ClusterSecretStore"}


@pytest.fixture
def cluster(project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeCluster]:
    """Three ExternalSecrets in two namespaces; the keys of two are known by their Secrets alone."""
    with FakeCluster() as found:
        monkeypatch.setenv("KUBECONFIG", str(found.kubeconfig(tmp_path)))
        found.store("backend", ready=True)
        found.secret("shop", "db", {"USER": SENTINEL, "PASSWORD": SENTINEL})
        specs: dict[tuple[str, str], dict[str, Any]] = {
            ("shop", "db"): {"dataFrom": [{"extract": {"key": "shop/db"}}]},
            ("shop", "mail"): {"dataFrom": [{"extract": {"key": "shop/mail"}}]},
            ("web", "api"): {"data": [{"secretKey": "TOKEN", "remoteRef": {"key": "web/api", "property": "TOKEN"}}]},
        }
        for (namespace, name), spec in specs.items():
            found.external_secret(namespace, name, spec={"secretStoreRef": REFERENCE, **spec})
        paths = [f"{ESO}/namespaces/{each}/externalsecrets" for each in ("shop", "web")]
        found.objects[f"{ESO}/externalsecrets"] = {
            "items": [item for path in paths for item in found.objects[path]["items"]]
        }
        pushed = {"metadata": {"name": "push", "namespace": "shop"}, "spec": {"data": []}}
        found.objects["/apis/external-secrets.io/v1alpha1/pushsecrets"] = {"items": [pushed]}
        yield found


@pytest.fixture
def bring_live(cluster: FakeCluster, capsys: pytest.CaptureFixture[str]) -> Callable[..., Done]:
    def run(*words: str) -> Done:
        done = run_command(capsys, "import", "external-secrets", "--cluster", "--environment", "dev", *words)
        assert SENTINEL not in done.out + done.err
        return done

    return run


def test_a_clusters_objects_are_imported_without_any_value(
    project: Path, cluster: FakeCluster, bring_live: Callable[..., Done]
) -> None:
    done = bring_live("--apply")
    assert done.code == 0, done.err
    assert "secret db: shop/db with PASSWORD, USER" in done.out
    assert "secret mail: shop/mail with every property of shop/mail" in done.out
    assert "found 4 objects with 3 keys: 3 objects with 3 keys taken, 1 object refused" in done.out
    assert "proof: 3 keys" in done.out
    assert "proof: every property of 1 remote secret read as before: same store and name" in done.out
    assert 'PushSecret "push" is refused' in done.err
    # The double answers a whole Secret with an error.
    assert any(each.path.endswith("/shop/secrets") for each in cluster.asked)
    assert {each.method for each in cluster.asked} == {"GET"}
    catalogue = (project / "environments/catalogue.yaml").read_text("utf-8")
    assert SENTINEL not in catalogue
    # Known keys must be there; the Secret keeps all others.
    assert catalogue.count("    extract: true\n") == 2
    assert "    extract: true\n    keys:\n      PASSWORD: {}\n      USER: {}\n" in catalogue


def test_a_key_that_the_operator_may_have_renamed_is_not_called_equal(
    cluster: FakeCluster, bring_live: Callable[..., Done], capsys: pytest.CaptureFixture[str]
) -> None:
    cluster.objects["/api/v1/namespaces/shop/secrets"]["items"].clear()
    cluster.secret("shop", "db", {"USER": SENTINEL, "MY_KEY": SENTINEL, "MY_OTHER": SENTINEL})
    done = bring_live("--apply", "--format", "json")
    assert (json.loads(done.out)["counts"]["taken"]["keys"], json.loads(done.out)["equalKeys"]) == (4, 2)
    # What is there already is read in the same way.
    done = bring_live()
    assert "proof: 2 keys read as before" in done.out
    assert 'not proved: 2 keys of `dataFrom`: their names have "_", which the operator writes for other' in done.out
    (line,) = re.findall(r"`(platform-secrets verify dev db)`", done.out)
    assert run_command(capsys, "compile", "dev").code == 0
    # No store is there: but the command line is right.
    assert run_command(capsys, *line.split()[1:]).code == 3


@pytest.mark.parametrize("namespace", [(), ("--namespace", "shop")])
def test_labels_and_annotations_of_live_objects_are_read(
    project: Path, cluster: FakeCluster, bring_live: Callable[..., Done], namespace: tuple[str, ...]
) -> None:
    items = cluster.objects[f"{ESO}/externalsecrets"]["items"]
    db = next(each for each in items if each["metadata"]["name"] == "db")
    db["metadata"] |= {"labels": {"team": "shop"}, "annotations": {"example.com/on-call": "shop"}}
    assert bring_live("--apply", *namespace).code == 0
    listed = (project / "environments/dev.yaml").read_text("utf-8")
    assert "labels: {team: shop}" in listed
    assert "secretAnnotations: {example.com/on-call: shop}" in listed


def test_one_namespace_is_asked_alone(cluster: FakeCluster, bring_live: Callable[..., Done]) -> None:
    done = bring_live("--namespace", "web")
    assert "found 1 object with 1 key: all taken" in done.out
    assert f"{ESO}/externalsecrets" not in {each.path for each in cluster.asked}


def test_who_may_not_list_secrets_gets_the_line_for_who_may(
    cluster: FakeCluster, bring_live: Callable[..., Done]
) -> None:
    cluster.refused["/shop/secrets"] = 403
    cluster.refused["/pushsecrets"] = 403
    items = cluster.objects[f"{ESO}/externalsecrets"]["items"]
    db = next(each for each in items if each["metadata"]["name"] == "db")
    db["spec"]["data"] = [{"secretKey": "HOST", "remoteRef": {"key": "shop/host", "property": "HOST"}}]
    done = bring_live()
    assert done.code == 0
    line = "kubectl --namespace shop get secret db -o 'go-template={{range $key, $value := .data}}"
    assert done.err.count(line) == 1
    assert "2 objects with 1 key taken, 1 object refused" in done.out
    assert "secrets" in OPTIONAL


def test_a_cluster_that_refuses_is_said_so(cluster: FakeCluster, bring_live: Callable[..., Done]) -> None:
    cluster.refused["/externalsecrets"] = 403
    done = bring_live()
    assert done.code == 3
    assert "the cluster cannot be asked" in done.err


def test_a_cluster_without_any_is_said_so(cluster: FakeCluster, bring_live: Callable[..., Done]) -> None:
    cluster.objects[f"{ESO}/externalsecrets"] = {"items": []}
    cluster.objects["/apis/external-secrets.io/v1alpha1/pushsecrets"] = {"items": []}
    assert "the cluster has no ExternalSecret there" in bring_live().err


@pytest.mark.parametrize("kind", ["ClusterSecretStore", "SecretStore"])
def test_the_name_of_a_store_leads_to_no_other_object(
    cluster: FakeCluster, bring_live: Callable[..., Done], kind: str
) -> None:
    for name in ("../" * 5 + "api/v1/namespaces/shop/secrets/db", "..", "a/b", "a?b", "a%2fb"):
        (item, *_) = cluster.objects[f"{ESO}/externalsecrets"]["items"]
        item["spec"] = {"secretStoreRef": {"name": name, "kind": kind}, "dataFrom": [{"extract": {"key": "a"}}]}
        assert "is not among what was read" in bring_live().err
    paths = [each.path for each in cluster.asked]
    assert not [path for path in paths if "stores/" in path and not path.endswith("stores/backend")]
    assert not [path for path in paths if path.endswith("/db")]


def test_an_object_that_is_nested_too_deeply_is_named(cluster: FakeCluster, bring_live: Callable[..., Done]) -> None:
    deep: Any = SENTINEL
    for _ in range(900):
        deep = {"a": deep}
    cluster.objects[f"{ESO}/externalsecrets"]["items"][0]["spec"]["x"] = deep
    done = bring_live()
    assert (done.code, "ExternalSecret shop/db is nested too deeply" in done.err) == (3, True)


def manifest_of(project: Path) -> Manifest:
    found = compile_project(project, ["dev"]).project
    assert found is not None
    (manifest,) = manifests_of(found.environments[0]).values()
    return manifest


def test_an_object_is_taken_with_its_name_type_policies_and_template(bring: Bring, project: Path) -> None:
    text = """
target:
  name: registry
  deletionPolicy: Delete
  template:
    type: kubernetes.io/dockerconfigjson
    data:
      .dockerconfigjson: '{"auths": {"ghcr.io": {"auth": "{{ .A | b64enc }}"}}}'
"""
    done = bring(STORE + external_secret("pull", f"{text.strip()}\n{KEY}"), "--apply")
    assert done.code == 0, done
    assert "hand it over" not in done.out
    manifest = manifest_of(project)
    assert (manifest.name, manifest.target) == ("pull", "registry")
    target = manifest.object["spec"]["target"]
    assert (target["deletionPolicy"], target["creationPolicy"]) == ("Delete", "Owner")
    assert target["template"]["type"] == "kubernetes.io/dockerconfigjson"
    assert target["template"]["data"] == {".dockerconfigjson": '{"auths": {"ghcr.io": {"auth": "{{ .A | b64enc }}"}}}'}
    assert [each["secretKey"] for each in manifest.object["spec"]["data"]] == ["A"]
    # Once more nothing is to do, and what has become another is refused.
    again = bring(STORE + external_secret("pull", f"{text.strip()}\n{KEY}"))
    assert "nothing to write" in again.out
    other = bring(STORE + external_secret("pull", f"{text.strip().replace('Delete', 'Merge')}\n{KEY}"))
    assert 'its deletionPolicy is not that of "registry" in the catalogue' in other.err


def test_a_template_of_an_extract_is_taken_by_the_properties_that_it_reads(bring: Bring, project: Path) -> None:
    template = """target: {template: {data: {URL: 'https://{{ .host }}:{{ index . "tls.port" }}', PORT: "5432"}}}"""
    done = bring(STORE + external_secret("a", f"{template}\ndataFrom: [{{extract: {{key: a}}}}]"), "--apply")
    assert done.code == 0, done
    manifest = manifest_of(project)
    read = {each["secretKey"]: each["remoteRef"]["property"] for each in manifest.object["spec"]["data"]}
    assert read == {"host": "host", "tls.port": "tls.port"}
    text = template.replace("{{ .host }}", "{{ range $k, $v := . }}{{ $v }}{{ end }}")
    unknown = bring(STORE + external_secret("b", f"{text}\ndataFrom: [{{extract: {{key: a}}}}]"))
    assert "reads of its `dataFrom` is not known" in unknown.err


EXTRACT = "dataFrom: [{extract: {key: team/app, conversionStrategy: Default, decodingStrategy: None}}]"


def test_one_extract_is_an_entry_of_every_property(bring: Bring, project: Path) -> None:
    policies = "target: {name: app, creationPolicy: Owner, deletionPolicy: Delete}"
    done = bring(STORE + external_secret("app-es", f"{policies}\n{EXTRACT}"), "--apply")
    assert (done.code, done.err) == (0, ""), done
    assert "secret app: " in done.out
    assert " with every property of team/app" in done.out
    assert "proof: every property of 1 remote secret read as before" in done.out
    manifest = manifest_of(project)
    assert (manifest.name, manifest.target, manifest.listed) == ("app-es", "app", ())
    spec = manifest.object["spec"]
    assert [each["extract"]["key"] for each in spec["dataFrom"]] == ["team/app"]
    assert (spec["target"]["deletionPolicy"], "data" in spec["target"]["template"]) == ("Delete", False)
    assert "nothing to write" in bring(STORE + external_secret("app-es", f"{policies}\n{EXTRACT}")).out
    # What would be another Secret is refused.
    other = bring(STORE + external_secret("app-es", f"{policies}\n{KEY}"))
    assert 'its extract is not that of "app" in the catalogue' in other.err
    orphan = bring(STORE + external_secret("app-es", f"{policies.replace('Delete', 'Merge')}\n{EXTRACT}"))
    assert 'its deletionPolicy is not that of "app" in the catalogue' in orphan.err


def test_an_entry_of_single_keys_is_not_one_of_every_property(bring: Bring) -> None:
    assert bring(STORE + external_secret("app", KEY), "--apply").code == 0
    done = bring(STORE + external_secret("app", EXTRACT))
    assert 'its extract is not that of "app" in the catalogue' in done.err


def test_the_keys_that_a_type_needs_are_listed(bring: Bring, project: Path) -> None:
    done = bring(
        STORE + external_secret("tls", f"target: {{template: {{type: kubernetes.io/tls}}}}\n{EXTRACT}"), "--apply"
    )
    assert done.code == 0, done
    assert manifest_of(project).listed == ("tls.crt", "tls.key")


def test_no_key_is_listed_for_a_type_of_which_one_of_two_is_enough(bring: Bring, project: Path) -> None:
    template = "target: {template: {type: kubernetes.io/basic-auth}}"
    done = bring(STORE + external_secret("git", f"{template}\n{EXTRACT}"), "--apply")
    assert done.code == 0, done
    assert manifest_of(project).listed == ()


@pytest.mark.parametrize("text", ["{{ .A }}\\u2028", "{{ .A }}\\x7f"])
def test_a_text_that_no_file_may_have_refuses_its_own_object_alone(bring: Bring, project: Path, text: str) -> None:
    template = f'target: {{template: {{engineVersion: v2, data: {{B: "{text}"}}}}}}\n{KEY}'
    done = bring(STORE + external_secret("odd", template) + external_secret("plain", KEY), "--apply")
    assert 'ExternalSecret "odd" is refused: its template has a control character, which no file' in done.err
    assert manifest_of(project).target == "plain"


def test_metadata_that_the_chart_or_the_environment_writes_anew_is_told(bring: Bring, project: Path) -> None:
    labels = "{app.kubernetes.io/part-of: argocd, team: shop}"
    template = f"target: {{template: {{metadata: {{labels: {labels}}}, data: {{A: '{{{{ .A }}}}'}}}}}}\n{KEY}"
    copied = external_secret("copied", KEY).replace("namespace: shop}", f"namespace: shop, labels: {labels}}}")
    done = bring(STORE + external_secret("odd", template) + copied, "--apply")
    assert done.code == 0, done
    said = (
        'shop/odd, shop/copied: the label app.kubernetes.io/part-of becomes "ai-platform-engineering", was "argocd"\n'
    )
    assert said in done.out, done.out
    # Of an entry that is there, what the environment says beside the manifest is told too.
    own = project / "environments" / "dev.yaml"
    assert "  copied:\n" in own.read_text("utf-8")
    more = "    secretAnnotations: {reloader: on-change}\n"
    own.write_text(own.read_text("utf-8").replace("  copied:\n", f"  copied:\n{more}"), "utf-8")
    again = bring(STORE + copied, "--format", "json")
    assert again.code == 0, again
    assert json.loads(again.out)["changedMetadata"] == [
        {
            "name": "label app.kubernetes.io/part-of",
            "before": "argocd",
            "after": "ai-platform-engineering",
            "secrets": ["shop/copied"],
        },
        {"name": "annotation reloader", "before": None, "after": "on-change", "secrets": ["shop/copied"]},
    ]


def test_an_object_without_an_interval_is_read_again_each_hour_as_before(bring: Bring, project: Path) -> None:
    own = project / "environments" / "dev.yaml"
    own.write_text(f"{own.read_text('utf-8')}refreshInterval: 24h\n", "utf-8")
    text = external_secret("a", KEY)
    assert "refreshInterval" not in text
    done = bring(STORE + text, "--apply")
    assert done.code == 0, done
    assert manifest_of(project).object["spec"]["refreshInterval"] == "1h0m0s"


@pytest.mark.parametrize(
    ("extract", "message"),
    [
        ("{key: team/app, property: inner}", "`dataFrom.extract.property` is not supported"),
        (
            "{key: team/app, conversionStrategy: Unicode}",
            "`dataFrom.extract.conversionStrategy: Unicode` is not supported",
        ),
        ("{key: team/app, version: '3'}", "`dataFrom.extract.version` is not supported"),
        ('{key: ""}', "it names no remote secret, as before Kustomize completes it"),
        ("{key: '<TEAM>/app'}", "stands for a text that is not there yet"),
    ],
)
def test_an_extract_of_something_else_is_refused(bring: Bring, extract: str, message: str) -> None:
    done = bring(STORE + external_secret("app", f"dataFrom: [{{extract: {extract}}}]"))
    assert message in done.err
    assert "0 objects" not in done.out


@pytest.mark.parametrize("target", ["", "target: {template: {data: {X: 'a{{ .x }}{{ range . }}{{ end }}'}}}\n"])
def test_two_extracts_are_refused_for_one_reason(bring: Bring, target: str) -> None:
    done = bring(
        STORE + external_secret("app", f"{target}dataFrom: [{{extract: {{key: a}}}}, {{extract: {{key: b}}}}]")
    )
    assert done.err.count("`dataFrom` has several sources") == done.err.count("not-imported") == 1


@pytest.mark.parametrize(
    ("text", "is_taken"),
    [
        ("x-{{ .A }}", False),
        # Its values are bytes there, and Go prints bytes as a list of numbers.
        ("{{ .A }}", False),
        ('{{ index . "A" }}', False),
        ("{{ .A | toString }}", True),
    ],
)
def test_a_template_of_engine_1_is_taken_only_where_it_is_the_same_as_in_engine_2(
    bring: Bring, text: str, *, is_taken: bool
) -> None:
    beta = external_secret("a", f"target: {{template: {{data: {{A: '{text}'}}}}}}\n{KEY}").replace("/v1", "/v1beta1", 1)
    assert bring(STORE + beta).code == 0
    done = bring(STORE + beta.replace("/v1beta1", "/v1alpha1"))
    is_refused = "its template is of engine v1, the default of v1alpha1" in done.err
    assert (done.code == 0, is_refused) == (is_taken, not is_taken)


def test_an_older_object_is_taken(bring: Bring) -> None:
    assert bring(STORE + external_secret("a", KEY).replace("/v1", "/v1alpha1", 1)).code == 0


def test_a_broken_document_is_refused_alone_and_foreign_ones_are_counted(bring: Bring) -> None:
    broken = "---\nkind: ExternalSecret\nmetadata: {name: [\n"
    foreign = "".join(
        f"---\nkind: {kind}\nmetadata: {{name: x}}\n" for kind in ("Deployment", "Deployment", "SealedSecret")
    )
    done = bring(STORE + external_secret("a", KEY) + broken + foreign + "---\n{{ .Values.x }}\n")
    assert done.code == 0, done
    assert "secret a: shop/a with A" in done.out
    assert "in.yaml:14:18: " in done.err
    assert 'document "in.yaml" is refused' in done.err
    assert "4 other documents: Deployment 2, that is no YAML 1; SealedSecret 1 hold or move secrets" in done.out


def test_what_many_objects_lack_is_said_once_with_the_way_out(bring: Bring) -> None:
    done = bring("".join(external_secret(name, KEY).replace("backend", "elsewhere") for name in "abc"))
    assert done.err.count("is not among what was read") == 1
    assert 'ExternalSecret "a" and 2 more are refused: its store "elsewhere"' in done.err
    assert "`--store elsewhere=vault --server URL`" in done.err
    taken = bring(
        "".join(external_secret(name, KEY).replace("backend", "elsewhere") for name in "abc"),
        *("--store", "elsewhere=vault", "--server", "https://vault.example.com"),
    )
    assert taken.code == 0, taken


def test_a_token_of_a_template_is_to_be_filled_in_first(bring: Bring) -> None:
    done = bring(STORE + external_secret("a", KEY.replace("key: a", "key: clusters/<CLUSTER_NAME>/a")))
    assert '"<CLUSTER_NAME>" stands for a text that is not there yet' in done.err
    assert "fill in <CLUSTER_NAME> first" in done.err


def test_placeholders_of_another_tool_are_no_values(bring: Bring) -> None:
    head = "---\napiVersion: v1\nkind: Secret\nmetadata: {name: s, namespace: shop}\n"
    secret = f"{head}stringData: {{A: '<path:secret/data/a#A>'}}\n"
    done = bring(STORE + external_secret("a", KEY) + secret)
    assert (done.code, "values in the clear" in done.err) == (0, False)
    assert "Secret 1 hold or move secrets" in done.out


def test_an_object_without_a_namespace_names_the_one_it_gets(bring: Bring) -> None:
    done = bring(STORE + external_secret("a", KEY).replace(", namespace: shop", ""))
    assert '1 object without a namespace: "p"' in done.out
