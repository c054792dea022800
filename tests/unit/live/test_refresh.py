from pathlib import Path

from compiler.live.read_many import refresh_times
from compiler.model.environment import Environment
from tests.unit.conftest import taking


def test_only_secrets_that_read_that_store_are_named_with_their_interval(environment: Environment) -> None:
    times = refresh_times(environment)
    assert times.secrets_of([("vault", "agents/jira")]) == ("jira",)
    assert times.secrets_of([("vault", "agents/jira"), ("vault", "agents/github")]) == ("github", "jira")
    # What another store holds changes no Secret.
    assert times.secrets_of([("azure", "agents-jira"), ("vault", "agents/none")]) == ()
    assert times.seconds["jira"] == 3600


def test_a_value_that_several_secrets_take_is_read_by_all_of_them(tmp_path: Path) -> None:
    times = refresh_times(taking(tmp_path))
    assert times.secrets_of([("vault", "agents/jira")]) == ("jira", "board", "report")
