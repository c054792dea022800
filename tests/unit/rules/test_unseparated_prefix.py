import pytest

from compiler.rules.unseparated_prefix import check
from tests.unit.rules.conftest import Judge


@pytest.mark.parametrize(("store", "separator"), [("vault", "/"), ("azure", "-")])
def test_finds_a_prefix_that_runs_into_the_names(judge: Judge, store: str, separator: str) -> None:
    found = judge(check, f"stores: {{{store}: {{prefix: prod}}}}")
    assert found.messages == ['the prefix "prod" does not end in a separator']
    assert found.helps == [f'write "prod{separator}"']
    assert found.marked == ["prod"]


@pytest.mark.parametrize("prefix", ["prod/", "prod-", "prod_"])
def test_leaves_a_separated_prefix_alone(judge: Judge, prefix: str) -> None:
    assert not judge(check, f"stores: {{vault: {{prefix: {prefix}}}}}")
