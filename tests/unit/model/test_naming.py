from compiler.model.environment import filled, placeholders


def test_placeholders_are_replaced_once() -> None:
    assert placeholders("{name}/{secret}/{name}") == ("name", "secret", "name")
    # What is put in is not looked at again.
    assert filled("{name}-{secret}", {"name": "{secret}", "secret": "db"}) == "{secret}-db"
