import pytest

from compiler.rules.invalid_kubernetes_name import check
from tests.unit.rules.conftest import BASE, CATALOGUE, Judge


@pytest.mark.parametrize("namespace", ["AI", "a_b", "a.b", "-a", "a-", "a" * 64])
def test_finds_a_namespace(judge: Judge, namespace: str) -> None:
    assert judge(check, f"namespace: {namespace}").marked == [namespace]
    found = judge(check, f"secrets: {{github: {{namespace: {namespace}}}}}")
    assert found.marked == [namespace]
    assert found.scopes == [("secrets", "github")]


@pytest.mark.parametrize("target", ["Agent", "a_b", "a..b", ".a", "a" * 64])
def test_finds_a_target_whose_name_is_a_label_too(judge: Judge, target: str) -> None:
    found = judge(check, catalogue=CATALOGUE.replace("agent-aws-secrets", target))
    assert found.marked == [target]


@pytest.mark.parametrize("key", ["a b", "a/b", "..a", ".", "k" * 254])
def test_finds_a_key_of_a_secret(judge: Judge, key: str) -> None:
    found = judge(check, catalogue=CATALOGUE.replace("AWS_REGION: {}", f'"{key}": {{}}'))
    assert found.marked == [f'"{key}"']


def test_finds_a_store(judge: Judge) -> None:
    found = judge(check, "stores: {vault: {name: Vault_Store}}")
    assert found.messages[0].startswith('the store\'s name "Vault_Store" may only have')
    assert found.scopes == [("stores", "vault")]


def test_a_rendered_stores_name_is_a_label_too(judge: Judge) -> None:
    name = "-".join(["vault"] * 11)
    assert not judge(check, f"stores: {{vault: {{name: {name}}}}}")
    found = judge(check, f"stores: {{vault: {{name: {name}, render: true}}}}")
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
    assert not judge(check, store % "false")
    assert judge(check, store % "true").marked == ["Bad", "Bad_Ns", "Bad_Name", '"bad key"', '"ca key"']


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
        assert judge(check, f"{member}: {labels}").marked == [marked]
        assert judge(check, f"secrets: {{github: {{{member}: {labels}}}}}").marked == [marked]


def test_finds_an_annotations_key_but_not_its_value(judge: Judge) -> None:
    for member in ("annotations", "secretAnnotations"):
        assert judge(check, member + ': {"a b": c}').marked == ['"a b"']
        assert not judge(check, member + ': {a: "any text, of any form"}')


def test_what_is_the_secrets_is_named_so(judge: Judge) -> None:
    found = judge(check, 'secretLabels: {a: b c}\nsecretAnnotations: {"a b": c}')
    assert found.messages == [
        'the value of the Secret\'s label "a" may only have letters, digits, and inner -, _ and .',
        'the Secret\'s annotation "a b" may only have letters, digits, and inner -, _ and .',
    ]


@pytest.mark.parametrize("part_of", ["a b", "-a", "a" * 64])
def test_finds_what_cannot_be_the_value_of_part_of(judge: Judge, part_of: str) -> None:
    found = judge(check, f"partOf: {part_of}")
    assert found.marked == [part_of]
    assert found.messages[0].startswith("the value of `partOf` ")
    assert not judge(check, "partOf: Shop_1.0-a")


@pytest.mark.parametrize("project", ["Shop", "shop_secrets", "a" * 64])
def test_finds_what_cannot_be_the_name_of_an_app_project(judge: Judge, project: str) -> None:
    found = judge(check, f"argocdProject: {project}")
    assert found.marked == [project]
    assert found.messages[0].startswith("the AppProject's name ")
    assert not judge(check, "argocdProject: shop-secrets")


@pytest.mark.parametrize(
    ("member", "kind"), [("annotations", "annotations"), ("secretAnnotations", "Secret's annotations")]
)
def test_finds_annotations_that_are_too_large_together(judge: Judge, member: str, kind: str) -> None:
    base = "".join(f"  a{index}: {'x ' * 32000}\n" for index in range(4))
    found = judge(
        check, "secrets: {github: {" + member + ": {b: " + "y " * 3200 + "}}}", base=f"{BASE}{member}:\n{base}"
    )
    assert len(found) == 1
    assert found.messages[0].startswith(f'the {kind} of "github" have ')
    assert "bytes, and Kubernetes allows 262144" in found.messages[0]
    assert found.marked == [member]


def test_leaves_good_names_alone(judge: Judge) -> None:
    assert not judge(check, 'labels: {example.com/team: "", b: A.b_c-1}\nsecrets: {github: {namespace: other-1}}')


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
    assert judge(check, f"namespace: {name}").helps == [way_out]


@pytest.mark.parametrize(
    "text", ["namespace: ai\u2013platform", "labels: {ai\u2013team: a}", "labels: {a: ai\u2013team}"]
)
def test_names_the_character_that_is_not_ascii(judge: Judge, text: str) -> None:
    assert judge(check, text).helps == ['character 3 is U+2013 (en dash): type "-" in its place']


def test_names_it_in_a_key_of_a_secret_too(judge: Judge) -> None:
    found = judge(check, catalogue=CATALOGUE.replace("AWS_REGION", "AWS\u00a0REGION"))
    assert [(each or "").partition(":")[0] for each in found.helps] == ["character 4 is U+00A0 (no-break space)"]
