from pathlib import Path

from compiler.live.read_many import refresh_times
from compiler.model.environment import Environment
from tests.unit.conftest import taking


def test_only_secrets_that_read_that_store_are_named_with_their_interval(environment: Environment) -> None:
    times = refresh_times(environment)
    # What another store holds changes no Secret.
    assert times["jira"] == (3600, (("vault", "agents/jira"),))
    assert [secret for secret in times if secret in {"github", "jira"}] == ["github", "jira"]


def test_a_value_that_several_secrets_take_is_read_by_all_of_them(tmp_path: Path) -> None:
    times = refresh_times(taking(tmp_path))
    readers = [secret for secret, (_, places) in times.items() if ("vault", "agents/jira") in places]
    assert readers == ["jira", "board", "report"]
