import pytest

from compiler.rules.names import (
    find_invalid_environment_variable_name,
    find_invalid_kubernetes_name,
    find_invalid_naming_pattern,
    find_reserved_label,
)
from compiler.stores.registry import PATTERNS
from tests.unit.rules.conftest import BASE, CATALOGUE, Judge


@pytest.mark.parametrize("namespace", ["AI", "a_b", "a.b", "-a", "a-", "a" * 64])
def test_finds_a_namespace(judge: Judge, namespace: str) -> None:
    assert judge(find_invalid_kubernetes_name, f"namespace: {namespace}").marked == [namespace]
    found = judge(find_invalid_kubernetes_name, f"secrets: {{github: {{namespace: {namespace}}}}}")
    assert found.marked == [namespace]
    assert found.scopes == [("secrets", "github")]


@pytest.mark.parametrize("target", ["Agent", "a_b", "a..b", ".a", "a" * 64])
def test_finds_a_target_whose_name_is_a_label_too(judge: Judge, target: str) -> None:
    found = judge(find_invalid_kubernetes_name, catalogue=CATALOGUE.replace("agent-aws-secrets", target))
    assert found.marked == [target]


@pytest.mark.parametrize("key", ["a b", "a/b", "..a", ".", "k" * 254])
def test_finds_a_key_of_a_secret(judge: Judge, key: str) -> None:
    found = judge(find_invalid_kubernetes_name, catalogue=CATALOGUE.replace("AWS_REGION: {}", f'"{key}": {{}}'))
    assert found.marked == [f'"{key}"']


def test_finds_a_store(judge: Judge) -> None:
    found = judge(find_invalid_kubernetes_name, "stores: {vault: {name: Vault_Store}}")
    assert found.messages[0].startswith('the store\'s name "Vault_Store" may only have')
    assert found.scopes == [("stores", "vault")]


def test_a_rendered_stores_name_is_a_label_too(judge: Judge) -> None:
    name = "-".join(["vault"] * 11)
    assert not judge(find_invalid_kubernetes_name, f"stores: {{vault: {{name: {name}}}}}")
    found = judge(find_invalid_kubernetes_name, f"stores: {{vault: {{name: {name}, render: true}}}}")
    assert found.messages == [f'the store\'s name "{name}" has 65 characters, and Kubernetes allows 63']


def test_finds_what_a_rendered_store_refers_to(judge: Judge) -> None:
    store = """
stores:
  vault:
    render: %s
    conditions: {namespaces: [Bad]}
    auth: {token: {name: Bad_Name, key: "bad key", namespace: Bad_Ns}}
    caProvider: {type: Secret, name: ca, key: "ca key"}
"""
    assert not judge(find_invalid_kubernetes_name, store % "false")
    assert judge(find_invalid_kubernetes_name, store % "true").marked == [
        "Bad",
        "Bad_Ns",
        "Bad_Name",
        '"bad key"',
        '"ca key"',
    ]


@pytest.mark.parametrize(
    ("labels", "marked"),
    [
        ("{Bad.Domain/x: y}", "Bad.Domain/x"),
        ("{-a: y}", "-a"),
        ("{a/b/c: y}", "a/b/c"),
        ("{a: b c}", "b c"),
        ("{a: -b}", "-b"),
        ("{%s: b}" % ("a" * 64), "a" * 64),
    ],
)
def test_finds_a_label(judge: Judge, labels: str, marked: str) -> None:
    for member in ("labels", "secretLabels"):
        assert judge(find_invalid_kubernetes_name, f"{member}: {labels}").marked == [marked]
        assert judge(find_invalid_kubernetes_name, f"secrets: {{github: {{{member}: {labels}}}}}").marked == [marked]


def test_finds_an_annotations_key_but_not_its_value(judge: Judge) -> None:
    for member in ("annotations", "secretAnnotations"):
        assert judge(find_invalid_kubernetes_name, member + ': {"a b": c}').marked == ['"a b"']
        assert not judge(find_invalid_kubernetes_name, member + ': {a: "any text, of any form"}')


def test_what_is_the_secrets_is_named_so(judge: Judge) -> None:
    found = judge(find_invalid_kubernetes_name, 'secretLabels: {a: b c}\nsecretAnnotations: {"a b": c}')
    assert found.messages == [
        'the value of the Secret\'s label "a" may only have letters, digits, and inner -, _ and .',
        'the Secret\'s annotation "a b" may only have letters, digits, and inner -, _ and .',
    ]


@pytest.mark.parametrize("part_of", ["a b", "-a", "a" * 64])
def test_finds_what_cannot_be_the_value_of_part_of(judge: Judge, part_of: str) -> None:
    found = judge(find_invalid_kubernetes_name, f"partOf: {part_of}")
    assert found.marked == [part_of]
    assert found.messages[0].startswith("the value of `partOf` ")
    assert not judge(find_invalid_kubernetes_name, "partOf: Shop_1.0-a")


@pytest.mark.parametrize("project", ["Shop", "shop_secrets", "a" * 64])
def test_finds_what_cannot_be_the_name_of_an_app_project(judge: Judge, project: str) -> None:
    found = judge(find_invalid_kubernetes_name, f"argocdProject: {project}")
    assert found.marked == [project]
    assert found.messages[0].startswith("the AppProject's name ")
    assert not judge(find_invalid_kubernetes_name, "argocdProject: shop-secrets")


@pytest.mark.parametrize(
    ("member", "kind"), [("annotations", "annotations"), ("secretAnnotations", "Secret's annotations")]
)
def test_finds_annotations_that_are_too_large_together(judge: Judge, member: str, kind: str) -> None:
    base = "".join(f"  a{index}: {'x ' * 32000}\n" for index in range(4))
    found = judge(
        find_invalid_kubernetes_name,
        "secrets: {github: {" + member + ": {b: " + "y " * 3200 + "}}}",
        base=f"{BASE}{member}:\n{base}",
    )
    assert len(found) == 1
    assert found.messages[0].startswith(f'the {kind} of "github" have ')
    assert "bytes, and Kubernetes allows 262144" in found.messages[0]
    assert found.marked == [member]


def test_leaves_good_names_alone(judge: Judge) -> None:
    assert not judge(
        find_invalid_kubernetes_name,
        'labels: {example.com/team: "", b: A.b_c-1}\nsecrets: {github: {namespace: other-1}}',
    )


@pytest.mark.parametrize(
    ("name", "way_out"),
    [
        ("AI_Platform", 'write "ai-platform"'),
        ("'{{ ns }}'", "templates are not supported: write the value itself"),
        ("\u201cai\u201d", "type straight quotes in place of typographic ones"),
        ("'a/b'", "write it in the form that Kubernetes accepts"),
    ],
)
def test_the_way_out_is_the_name_where_that_can_be_told(judge: Judge, name: str, way_out: str) -> None:
    assert judge(find_invalid_kubernetes_name, f"namespace: {name}").helps == [way_out]


@pytest.mark.parametrize(
    "text", ["namespace: ai\u2013platform", "labels: {ai\u2013team: a}", "labels: {a: ai\u2013team}"]
)
def test_names_the_character_that_is_not_ascii(judge: Judge, text: str) -> None:
    assert judge(find_invalid_kubernetes_name, text).helps == ['character 3 is U+2013 (en dash): type "-" in its place']


def test_names_it_in_a_key_of_a_secret_too(judge: Judge) -> None:
    found = judge(find_invalid_kubernetes_name, catalogue=CATALOGUE.replace("AWS_REGION", "AWS\u00a0REGION"))
    assert [(each or "").partition(":")[0] for each in found.helps] == ["character 4 is U+00A0 (no-break space)"]


@pytest.mark.parametrize("name", ["aws.region", "aws-region", "1AWS"])
def test_finds_a_key_that_no_shell_can_read(judge: Judge, name: str) -> None:
    found = judge(find_invalid_environment_variable_name, CATALOGUE.replace("AWS_REGION", f'"{name}"'))
    assert found.messages == [f'"{name}" is not a valid environment variable name: no shell can read it']
    assert found.marked == [f'"{name}"']


def test_leaves_a_secret_that_no_component_mounts_alone(judge: Judge) -> None:
    text = CATALOGUE.replace("AWS_REGION", "aws.region").replace("mountedBy: [mcp-aws]", "mountedBy: []")
    assert not judge(find_invalid_environment_variable_name, text)


def test_leaves_identifiers_alone(judge: Judge) -> None:
    assert not judge(find_invalid_environment_variable_name, CATALOGUE.replace("AWS_REGION", "_aws_1"))


@pytest.mark.parametrize("member", ["target", "vault", "azurekv"])
def test_finds_an_unknown_placeholder_where_it_stands(judge: Judge, member: str) -> None:
    found = judge(find_invalid_naming_pattern, f'{CATALOGUE}naming: {{{member}: "{{nam}}-{{secret}}"}}\n')
    assert (found.marked, found.helps) == (["{nam}"], ['did you mean "name"?'])


def test_marks_the_whole_of_a_text_that_the_file_has_otherwise(judge: Judge) -> None:
    found = judge(find_invalid_naming_pattern, CATALOGUE + 'naming: {target: "{\\x6eam}-{secret}"}\n')
    assert found.marked == ['"{\\x6eam}-{secret}"']


def test_finds_a_pattern_that_tells_no_secrets_apart(judge: Judge) -> None:
    found = judge(find_invalid_naming_pattern, CATALOGUE + 'naming:\n  vault: "{namespace}/all"\n')
    assert found.marked == ["{namespace}/all"]


def test_keeps_quiet_about_good_patterns_and_none(judge: Judge) -> None:
    assert not judge(find_invalid_naming_pattern, CATALOGUE)
    good = 'naming: {name: shop, target: "{name}-{secret}", vault: "{namespace}/{secret}", azurekv: "x-{secret}"}\n'
    assert not judge(find_invalid_naming_pattern, CATALOGUE + good)


@pytest.mark.parametrize("pattern", [*PATTERNS.values(), "{secret}", "agent-{secret}-secrets"])
def test_a_pattern_of_known_placeholders_has_no_fault(judge: Judge, pattern: str) -> None:
    assert not judge(find_invalid_naming_pattern, f"{CATALOGUE}naming: {{target: '{pattern}'}}\n")


@pytest.mark.parametrize(
    ("pattern", "marked", "message", "way_out"),
    [
        ("{nam}-{secret}", "{nam}", '"nam" is not a placeholder', 'did you mean "name"?'),
        ("{}{secret}", "{}", '"" is not a placeholder', 'the placeholders are "name", "namespace", "secret"'),
        ("{secret", "{", 'a "{" alone is not a placeholder', "the placeholders are {name}, {namespace}, {secret}"),
        ("{secret}}", "}", 'a "}" alone is not a placeholder', "the placeholders are {name}, {namespace}, {secret}"),
        (
            "{name}-x",
            "{name}-x",
            'the pattern has no "{secret}", so that every secret would have one name',
            "write {secret} where the secret's id belongs",
        ),
    ],
)
def test_what_is_wrong_is_marked_with_a_way_out(
    judge: Judge, pattern: str, marked: str, message: str, way_out: str
) -> None:
    found = judge(find_invalid_naming_pattern, f"{CATALOGUE}naming: {{target: '{pattern}'}}\n")
    assert (found.marked[0], found.messages[0], found.helps[0]) == (marked, message, way_out)


def test_every_fault_is_found(judge: Judge) -> None:
    assert judge(find_invalid_naming_pattern, CATALOGUE + 'naming: {target: "{a}{b}"}\n').messages == [
        '"a" is not a placeholder',
        '"b" is not a placeholder',
        'the pattern has no "{secret}", so that every secret would have one name',
    ]


@pytest.mark.parametrize("name", ["name", "component", "part-of", "managed-by"])
def test_finds_a_label_of_the_chart(judge: Judge, name: str) -> None:
    found = judge(find_reserved_label, f"labels: {{app.kubernetes.io/{name}: x}}")
    assert found.messages == [f'the label "app.kubernetes.io/{name}" is set by the chart']
    assert found.marked == [f"app.kubernetes.io/{name}"]


@pytest.mark.parametrize(
    ("member", "key", "kind", "owner"),
    [
        ("labels", "app.kubernetes.io/instance", "label", "Argo CD"),
        ("secretLabels", "app.kubernetes.io/instance", "Secret's label", "Argo CD"),
        ("labels", "argocd.argoproj.io/instance", "label", "Argo CD"),
        ("secretLabels", "argocd.argoproj.io/instance", "Secret's label", "Argo CD"),
        ("secretAnnotations", "argocd.argoproj.io/tracking-id", "Secret's annotation", "Argo CD"),
        ("secretAnnotations", "argocd.argoproj.io/sync-wave", "Secret's annotation", "Argo CD"),
        ("labels", "reconcile.external-secrets.io/managed", "label", "External Secrets Operator"),
        ("secretLabels", "reconcile.external-secrets.io/created-by", "Secret's label", "External Secrets Operator"),
        (
            "secretAnnotations",
            "reconcile.external-secrets.io/data-hash",
            "Secret's annotation",
            "External Secrets Operator",
        ),
        ("secretLabels", "app.kubernetes.io/name", "Secret's label", "the chart"),
        ("annotations", "force-sync", "annotation", "live commands"),
    ],
)
def test_finds_what_others_write(judge: Judge, member: str, key: str, kind: str, owner: str) -> None:
    found = judge(find_reserved_label, f"{member}: {{{key}: x}}")
    assert found.messages == [f'the {kind} "{key}" is set by {owner}']
    assert found.marked == [key]
    own = judge(find_reserved_label, f"secrets: {{github: {{{member}: {{{key}: x}}}}}}")
    assert own.messages == found.messages
    assert own.scopes == [("secrets", "github")]


def test_part_of_has_a_setting_of_its_own(judge: Judge) -> None:
    assert judge(find_reserved_label, "labels: {app.kubernetes.io/part-of: x}").helps == [
        "set `partOf` in the environment"
    ]
    assert judge(find_reserved_label, "labels: {app.kubernetes.io/instance: x}").helps == ["use a key of your own"]


@pytest.mark.parametrize(
    "text",
    [
        "annotations: {argocd.argoproj.io/sync-options: Prune=confirm}",
        "secretAnnotations: {reloader.stakater.com/match: 'true', app.kubernetes.io/instance: x}",
        "secretLabels: {argocd.argoproj.io.example.com/x: y, reconcile: z, argocd.argoproj.io: z}",
    ],
)
def test_leaves_what_belongs_there_alone(judge: Judge, text: str) -> None:
    assert not judge(find_reserved_label, text)


def test_finds_the_sync_wave(judge: Judge) -> None:
    found = judge(find_reserved_label, 'secrets: {github: {annotations: {argocd.argoproj.io/sync-wave: "1"}}}')
    assert found.helps == ["set `syncWave` in the catalogue"]
    assert found.scopes == [("secrets", "github")]


def test_leaves_others_alone(judge: Judge) -> None:
    assert not judge(
        find_reserved_label,
        "labels: {app.kubernetes.io/version: x}\nannotations: {a: b}\nsecrets: {github: {labels: {a: b}}}",
    )
    assert not judge(find_reserved_label, "secrets: null")


@pytest.mark.parametrize(
    ("member", "key", "is_found"),
    [
        ("labels", "secret-type", False),
        ("secretLabels", "secret-type", False),
        ("secretAnnotations", "sync-options", False),
        ("secretAnnotations", "compare-options", False),
        ("secretAnnotations", "secret-type", True),
        ("secretLabels", "sync-options", True),
    ],
)
def test_three_keys_of_argo_cd_make_a_secret_no_part_of_an_application(
    judge: Judge,
    member: str,
    key: str,
    is_found: bool,  # noqa: FBT001 - a case's verdict
) -> None:
    text = f"{member}: {{argocd.argoproj.io/{key}: x}}"
    assert bool(judge(find_reserved_label, text)) is is_found
