from __future__ import annotations

from compiler.cli.targets.interface import Target


def test_a_target_takes_environments_and_no_option_unless_it_says_so() -> None:
    target = Target(lambda _, __: 0)
    assert (target.takes_environments, dict(target.options)) == (True, {})
