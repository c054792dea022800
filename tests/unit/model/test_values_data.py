from pathlib import Path

from compiler.model.facts import EXTERNAL_SECRETS, ValuesData
from compiler.model.values import values_of
from compiler.pipeline import compile_project

ROOT = Path(__file__).resolve().parents[3]


def kinds(data: ValuesData) -> set[type]:
    if isinstance(data, dict):
        return set().union({str}, *map(kinds, data.values()))
    return set().union(*map(kinds, data)) if isinstance(data, list) else {type(data)}


def test_the_shipped_environments_hold_nothing_that_helm_reads_otherwise() -> None:
    result = compile_project(ROOT)
    assert result.project is not None
    values = [values_of(environment) for environment in result.project.environments]
    assert len(values) == 3
    assert all(EXTERNAL_SECRETS in data for data in values)
    assert set().union(*map(kinds, values)) <= {str, bool}
