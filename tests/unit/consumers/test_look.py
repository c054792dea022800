import errno
import io
import os
import threading
from pathlib import Path

import pytest

import compiler.consumers.look
from compiler.cluster.client import KubernetesCluster
from compiler.cluster.view import ClusterView
from compiler.consumers.look import (
    UpgradeNeed,
    look_at_chart,
    look_at_cluster,
    look_at_manifests,
    look_at_rendered,
    needs_of_upgrade,
    read_manifests,
    read_texts,
    unneeded_secrets,
)
from compiler.consumers.readers import OPTIONAL
from compiler.helm import Helm, HelmError
from compiler.refusal import Refusal
from tests.fake_cluster import ESO, FakeCluster
from tests.unit.consumers.conftest import BOTH, Bench, deployment, gathered


def written(folder: Path, name: str, text: str) -> list[str]:
    (folder / name).write_text(text, "utf-8")
    return [str(folder / name)]


def test_manifests_are_judged_in_the_environments_namespace(bench: Bench, tmp_path: Path) -> None:
    paths = written(tmp_path, "new.yaml", deployment(BOTH))
    environment = bench.environment()
    look = look_at_manifests(environment, paths, [], None)
    assert (look.diagnostics, look.needs) == ((), None)
    elsewhere = look_at_manifests(environment, paths, [], "elsewhere")
    assert [each.rule for each in elsewhere.diagnostics] == ["unmade-secret"] * 2


def test_what_was_found_while_reading_is_told_too(bench: Bench, tmp_path: Path) -> None:
    paths = written(tmp_path, "new.yaml", deployment(BOTH) + "---\na: 1\na: 2\n")
    look = look_at_manifests(bench.environment(), paths, [], None)
    assert [each.rule for each in look.diagnostics] == ["repeated-key"]


def test_two_sets_are_compared(bench: Bench, tmp_path: Path) -> None:
    old = written(tmp_path, "old.yaml", deployment("envFrom: [{secretRef: {name: agent-github-secrets}}]"))
    look = look_at_manifests(bench.environment(), written(tmp_path, "new.yaml", deployment(BOTH)), old, None)
    assert look.needs is not None
    assert [each.secret for each in look.needs] == ["jira"]


@pytest.mark.parametrize("broken", ["new", "old"])
def test_of_manifests_that_are_refused_nothing_else_is_said(bench: Bench, tmp_path: Path, broken: str) -> None:
    texts = {"new": deployment(BOTH), "old": deployment(BOTH), broken: "a: ["}
    new, old = (written(tmp_path, f"{name}.yaml", texts[name]) for name in ("new", "old"))
    look = look_at_manifests(bench.environment(), new, old, None)
    assert look.gathered is None
    assert [each.rule for each in look.diagnostics] == ["invalid-yaml"]


def test_without_a_workload_nothing_is_called_unread(bench: Bench, tmp_path: Path) -> None:
    paths = written(tmp_path, "new.yaml", "apiVersion: v1\nkind: Service\n")
    with pytest.raises(Refusal, match="there is no workload"):
        look_at_manifests(bench.environment(), paths, [], None)


def test_the_cluster_is_asked_in_the_environments_namespaces(bench: Bench, tmp_path: Path) -> None:
    with FakeCluster() as fake:
        fake.objects[f"{ESO}/namespaces/agents/externalsecrets"] = {"items": []}
        spec = {"template": {"spec": {"containers": [{"name": "a", "envFrom": [{"secretRef": {"name": "x"}}]}]}}}
        item = {"metadata": {"name": "d", "namespace": "agents"}, "spec": spec}
        fake.objects["/apis/apps/v1/namespaces/agents/deployments"] = {"items": [item]}
        fake.refused["/rollouts"] = 403
        view = ClusterView(KubernetesCluster({"KUBECONFIG": str(fake.kubeconfig(tmp_path))}), OPTIONAL)
        look = look_at_cluster(bench.environment(), view, None)
        assert {each.rule for each in look.diagnostics} == {"unmade-secret", "unread-secret"}
        assert look.notes[0].startswith("rollouts are not looked at")
        fake.objects[f"{ESO}/namespaces/other/externalsecrets"] = {"items": []}
        with pytest.raises(Refusal, match="there is no workload"):
            look_at_cluster(bench.environment(), view, "other")


def test_a_rendered_text_is_judged_in_the_environments_namespace(bench: Bench) -> None:
    look = look_at_rendered(bench.environment(), "<shop>", deployment(BOTH))
    assert (look.diagnostics, look.needs) == ((), None)
    assert look.gathered is not None
    broken = look_at_rendered(bench.environment(), "<shop>", "a: [")
    assert (broken.gathered, [each.rule for each in broken.diagnostics]) == (None, ["invalid-yaml"])
    with pytest.raises(Refusal, match="there is no workload"):
        look_at_rendered(bench.environment(), "<shop>", "apiVersion: v1\nkind: Service\n")


# Says what it was given, and prints what lies beside it in place of a rendered chart.
PROGRAM = """#!/bin/sh
echo "$@" > "{folder}/arguments"
for each in "$@"; do case "$each" in --values=*) cat "${{each#--values=}}" >> "{folder}/values";; esac; done
cat "{folder}/manifests.yaml"
"""


def helm(folder: Path, manifests: str) -> Helm:
    (folder / "manifests.yaml").write_text(manifests, "utf-8")
    program = folder / "helm"
    program.write_text(PROGRAM.format(folder=folder), "utf-8")
    program.chmod(0o755)
    return Helm(program, "3.22")


def test_the_values_are_the_last_and_what_is_rendered_is_judged(bench: Bench, tmp_path: Path) -> None:
    own = tmp_path / "own.yaml"
    own.write_text("own: 1\n", "utf-8")
    environment = bench.environment()
    look = look_at_chart(environment, helm(tmp_path, deployment(BOTH)), tmp_path / "shop", "made: 2\n", [own], "one")
    assert look.diagnostics == ()
    assert look.gathered is not None
    assert (tmp_path / "values").read_text("utf-8") == "own: 1\nmade: 2\n"
    arguments = (tmp_path / "arguments").read_text("utf-8").split()
    assert f"--namespace={environment.root.text('namespace')}" in arguments
    assert arguments[-3:] == ["--", "one", str(tmp_path / "shop")]


def test_places_are_those_in_what_helm_printed(bench: Bench, tmp_path: Path) -> None:
    text = deployment(BOTH + "\n          env: [{name: A, valueFrom: {secretKeyRef: {name: other, key: B}}}]")
    look = look_at_chart(bench.environment(), helm(tmp_path, text), tmp_path / "shop", "", [], "one")
    (found,) = (each for each in look.diagnostics if each.rule == "unmade-secret")
    assert (found.span.path, found.span.line) == ("<shop>", len(text.rstrip("\n").split("\n")))


def test_a_helm_that_cannot_be_run_is_told(bench: Bench, tmp_path: Path) -> None:
    with pytest.raises(HelmError):
        look_at_chart(bench.environment(), Helm(tmp_path / "no", "3.22"), tmp_path, "", [], "one")


POD = "apiVersion: v1\nkind: Pod\nmetadata: {name: %s}\n"


def names(*paths: Path | str) -> list[str]:
    found, diagnostics = read_manifests([str(path) for path in paths], "n")
    assert found is not None, diagnostics
    return [each.name for each in found.workloads]


def test_files_and_folders_are_read_in_order(tmp_path: Path) -> None:
    (tmp_path / "b.yaml").write_text(POD % "b", "utf-8")
    (tmp_path / "a.json").write_text('{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a"}}', "utf-8")
    (tmp_path / "notes.txt").write_text("no manifest: [", "utf-8")
    (tmp_path / ".hidden.yaml").write_text("no manifest: [", "utf-8")
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub/c.yml").write_text(POD % "c", "utf-8")
    (tmp_path / ".git").mkdir()
    (tmp_path / ".git/d.yaml").write_text("no manifest: [", "utf-8")
    (tmp_path / "pipe.yaml").symlink_to(tmp_path / "sub")
    assert names(tmp_path) == ["a", "b", "c"]
    assert names(tmp_path / "sub", tmp_path / "b.yaml") == ["c", "b"]


def test_a_pipe_is_read_as_a_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    writer = threading.Thread(target=(tmp_path / "pipe").write_text, args=(POD % "a", "utf-8"))
    writer.start()
    assert names(tmp_path / "pipe") == ["a"]
    writer.join()


def test_standard_input_is_one_of_them(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "in").write_text("\ufeff" + POD % "a", "utf-8")
    with (tmp_path / "in").open("rb") as given:
        monkeypatch.setattr(
            "builtins.open", lambda file, *_, **__: io.BytesIO(given.read()) if file == 0 else pytest.fail("no file")
        )
        found, diagnostics = read_manifests(["-"], "n")
    assert diagnostics == ()
    assert found is not None
    assert [each.at.path for each in found.workloads if each.at] == ["<stdin>"]


def test_a_file_that_is_refused_says_why_and_the_rest_is_read(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("a: [", "utf-8")
    (tmp_path / "b.yaml").write_text(POD % "b" + "kind: Pod\n", "utf-8")
    found, diagnostics = read_manifests([str(tmp_path)], "n")
    assert found is None
    assert [each.rule for each in diagnostics] == ["invalid-yaml", "repeated-key"]


@pytest.mark.parametrize(
    ("text", "is_template"),
    [
        ("kind: Pod\nmetadata: {name: {{ .Release.Name }}}\n", True),
        ("{{- if .Values.on }}\nkind: Pod\n{{- end }}\n", True),
        ("kind: Pod\ntemplate: '{{ .token }}'\nmetadata: {[a]: b}\n", False),
    ],
)
def test_a_charts_template_is_to_be_rendered_first(tmp_path: Path, text: str, *, is_template: bool) -> None:
    (tmp_path / "a.yaml").write_text(text, "utf-8")
    found, (diagnostic, *_) = read_manifests([str(tmp_path)], "n")
    assert found is None
    render = "render it, `helm template NAME CHART | platform-secrets consumers ENV --manifests -`"
    assert (render in (diagnostic.help or "")) is is_template


@pytest.mark.parametrize(
    ("content", "said"),
    [(b"", "there is no manifest in "), (b"---\n# Source: a\n", "there is no manifest in "), (b"\xff", "is not UTF-8")],
)
def test_what_holds_no_manifest_is_refused(tmp_path: Path, content: bytes, said: str) -> None:
    (tmp_path / "a.yaml").write_bytes(content)
    with pytest.raises(Refusal) as refused:
        names(tmp_path / "a.yaml")
    assert said in refused.value.message
    assert refused.value.help == "check the command that writes " + ("it" if content == b"\xff" else "them")


def test_what_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Refusal, match="cannot be read: no such file"):
        names(tmp_path / "none.yaml")


def test_a_link_to_what_is_not_there_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(POD % "x", "utf-8")
    (tmp_path / "b.yaml").symlink_to("gone.yaml")
    with pytest.raises(Refusal, match=r"b\.yaml cannot be read: no such file"):
        names(tmp_path)


def test_a_file_that_is_named_twice_is_read_once(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(POD % "x", "utf-8")
    assert names(tmp_path, tmp_path / "a.yaml", tmp_path / "../" / tmp_path.name) == ["x"]


@pytest.mark.parametrize("what", ["inner", "inner/a.yaml"])
def test_what_cannot_be_read_of_a_folder_is_refused_by_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    (tmp_path / "inner").mkdir()
    for name in ("inner/a.yaml", "b.yaml"):
        (tmp_path / name).write_text(POD % "x", "utf-8")
    closed = str(tmp_path / what)

    def allowed(path: str | Path) -> str | Path:
        if str(path) == closed:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), closed)
        return path

    scandir, opened = os.scandir, io.open
    # Root may read everything, so permissions alone would not keep the tests from it.
    monkeypatch.setattr(os, "scandir", lambda path: scandir(allowed(path)))
    monkeypatch.setattr(io, "open", lambda path, *given: opened(allowed(path), *given))
    with pytest.raises(Refusal, match="permission denied") as refused:
        names(tmp_path)
    assert refused.value.message.startswith(f"{closed} cannot be read")


def test_all_together_keep_one_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiler.consumers.look, "MAX_MANIFEST_BYTES", 100)
    for name in "ab":
        (tmp_path / f"{name}.yaml").write_text(POD % "x" * 1, "utf-8")
    assert names(tmp_path) == ["x", "x"]
    (tmp_path / "c.yaml").write_text("# " + "x" * 40, "utf-8")
    with pytest.raises(Refusal, match="more than 100 bytes"):
        names(tmp_path)


def test_a_text_at_hand_is_read_as_a_file_is() -> None:
    gathered, found = read_texts([("<shop>", deployment(BOTH))], "<shop>", "agents")
    assert found == ()
    assert gathered is not None
    assert [each.namespace for each in gathered.workloads] == ["agents"]
    nothing, (refused,) = read_texts([("<shop>", "a: [")], "<shop>", "agents")
    assert (nothing, refused.span.path) == (None, "<shop>")
    with pytest.raises(Refusal, match="there is no manifest in <shop>"):
        read_texts([("<shop>", "")], "<shop>", "agents")


GITHUB = "envFrom: [{secretRef: {name: agent-github-secrets}}]"
ENV = "env: [{name: A, valueFrom: {secretKeyRef: {name: %s, key: %s}}}]"


def needs(bench: Bench, old: str, new: str) -> list[UpgradeNeed]:
    return list(needs_of_upgrade(bench.own(), gathered(old), gathered(new)))


def unneeded(bench: Bench, old: str, new: str) -> list[str]:
    return list(unneeded_secrets(bench.own(), gathered(old), gathered(new)))


def one(bench: Bench, old: str, new: str) -> UpgradeNeed:
    (need,) = needs(bench, old, new)
    return need


def test_equal_manifests_need_nothing(bench: Bench) -> None:
    manifests = deployment(BOTH), deployment(BOTH)
    assert (needs(bench, *manifests), unneeded(bench, *manifests)) == ([], [])


def test_a_secret_that_is_newly_read_must_be_in_its_store(bench: Bench) -> None:
    need = one(bench, deployment(GITHUB), deployment(BOTH))
    assert (need.secret, need.name, need.namespace) == ("jira", "agent-jira-secrets", "agents")
    assert (need.keys, need.is_optional) == ((), False)
    assert need.steps == ("platform-secrets put prod jira",)
    assert [each.title for each in need.workloads] == ['Deployment "platform-agent"']


def test_what_is_no_longer_read_is_told(bench: Bench) -> None:
    manifests = deployment(BOTH), deployment(GITHUB)
    assert (needs(bench, *manifests), unneeded(bench, *manifests)) == ([], ["jira"])
    ingress = "---\napiVersion: v1\nkind: Ingress\nspec: {tls: [{secretName: agent-jira-secrets}]}\n"
    assert unneeded(bench, deployment(BOTH), deployment(GITHUB) + ingress) == []


def test_a_new_secret_is_made_with_the_keys_that_are_named(bench: Bench) -> None:
    new = deployment(BOTH) + deployment(ENV % ("caipe-mongo-secret", "URI"), name="db")
    need = one(bench, deployment(BOTH), new)
    assert need.secret is None
    assert need.steps == (
        "platform-secrets new secret caipe-mongo --target caipe-mongo-secret --key URI --into prod",
        "platform-secrets put prod caipe-mongo",
    )


def test_keys_that_nobody_names_are_left_to_a_person(bench: Bench) -> None:
    need = one(bench, deployment(BOTH), deployment(BOTH.replace("]", ", {secretRef: {name: web}}]")))
    assert need.steps == (
        "# the manifests do not name its keys: write them in place of KEY",
        "platform-secrets new secret web --target web --key KEY --into prod",
        "platform-secrets put prod web",
    )


def test_an_entry_that_the_environment_does_not_list_is_listed_first(bench: Bench) -> None:
    bench.add("secrets: {jira: {enabled: false}}")
    need = one(bench, deployment(GITHUB), deployment(BOTH))
    assert need.steps == (
        "# first list `jira: {}` under `secrets:` of prod",
        "platform-secrets put prod jira",
    )


def test_what_is_read_in_another_namespace_is_made_there(bench: Bench) -> None:
    there = ", namespace: other"
    made = one(bench, deployment("image: a", head=there), deployment(ENV % ("web", "K"), head=there))
    assert made.steps[0] == "platform-secrets new secret web --target web --namespace other --key K --into prod"
    bench.add("secrets: {github: {enabled: false}}")
    listed = one(bench, deployment("image: a", head=there), deployment(GITHUB, head=there))
    assert listed.steps[0] == "# first list `github: {namespace: other}` under `secrets:` of prod"


def test_a_new_key_of_a_secret_that_was_read_before_is_put_alone(bench: Bench) -> None:
    old, new = ENV % ("agent-jira-secrets", "JIRA_URL"), ENV % ("agent-jira-secrets", "JIRA_TOKEN")
    assert one(bench, deployment(old), deployment(new)).steps == ("platform-secrets put prod jira JIRA_TOKEN",)
    lacks = ENV % ("agent-jira-secrets", "NEW")
    assert one(bench, deployment(old), deployment(lacks)).steps == (
        "# first add to jira in environments/catalogue.yaml: NEW",
        "platform-secrets put prod jira",
    )


def test_a_remark_stays_one_whatever_a_key_is_called(bench: Bench) -> None:
    new = ENV % ("agent-jira-secrets", '"NEW\\nrm -rf ~\\u2028x"')
    remark = one(bench, deployment(GITHUB), deployment(new)).steps[0]
    assert remark == "# first add to jira in environments/catalogue.yaml: NEW\\x0arm -rf ~\\u2028x"


def test_what_was_optional_and_is_needed_now_is_new(bench: Bench) -> None:
    optional = GITHUB.replace("}}", ", optional: true}}")
    assert one(bench, deployment(optional), deployment(GITHUB)).is_optional is False
    assert needs(bench, deployment(GITHUB), deployment(optional)) == []
    assert one(bench, deployment("image: a"), deployment(optional)).is_optional is True


def test_what_others_make_needs_no_step(bench: Bench) -> None:
    new = deployment("envFrom: [{secretRef: {name: own}}, {secretRef: {name: theirs}}]")
    made = "---\napiVersion: v1\nkind: Secret\nmetadata: {name: own}\n"
    bench.add("madeElsewhere: {theirs: the administrators}")
    assert needs(bench, deployment("image: a"), new + made) == []


@pytest.mark.parametrize(
    ("target", "chosen"),
    [("github-secret", "github-secret"), ("a.b-secrets", "a-b"), ("jira", "NAME"), ("...", "NAME")],
)
def test_the_entrys_name_is_a_free_one(bench: Bench, target: str, chosen: str) -> None:
    need = one(bench, deployment(BOTH), deployment(ENV % (target, "K")))
    assert need.steps[0].startswith(f"platform-secrets new secret {chosen} --target {target} --key K ")
