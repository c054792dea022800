import pytest

from tests.unit.consumers.conftest import Bench, deployment

JIRA = "envFrom: [{secretRef: {name: agent-jira-secrets}}]"


@pytest.mark.parametrize(
    ("mounted_by", "name", "head", "said"),
    [
        ("[mcp-jira]", "mcp-jira", "", None),
        ("[mcp-jira]", "release-mcp-jira", "", None),
        ("[mcp-jira]", "release-x", ", labels: {app.kubernetes.io/name: mcp-jira}", None),
        ("[llm]", "release-x", "", None),
        ("[mcp-jira]", "release-x", "", 'leaves out Deployment "release-x"'),
        ("[mcp-jira, other]", "release-mcp-jira", "", 'names "other", which does not read it'),
        (
            "[other, another]",
            "x",
            "",
            'leaves out Deployment "x", and names "other", "another", which do not read it',
        ),
        ("[mcp-jira, absent]", "release-mcp-jira", "", None),
    ],
)
def test_the_catalogues_assertion_is_held_against_what_reads(
    bench: Bench, mounted_by: str, name: str, head: str, said: str | None
) -> None:
    bench.change(
        "catalogue", "    keys:\n      JIRA_TOKEN", f"    mountedBy: {mounted_by}\n    keys:\n      JIRA_TOKEN"
    )
    idle = deployment("image: a", name="release-other"), deployment("image: a", name="another")
    found = bench.of("wrong-mounted-by", deployment(JIRA, name=name, head=head), *idle)
    assert found == ([f'`mountedBy` of "jira" {said}'] if said is not None else [])


def test_it_is_found_at_its_line_of_the_catalogue_and_where_it_is_read(bench: Bench) -> None:
    bench.change("catalogue", "    keys:\n      JIRA_TOKEN", "    mountedBy: [x-y]\n    keys:\n      JIRA_TOKEN")
    found = bench.one("wrong-mounted-by", deployment(JIRA))
    assert found.span.where == "environments/catalogue.yaml:17:5"
    assert [each.span.path for each in found.related] == ["m0.yaml"]
