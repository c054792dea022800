from compiler.rules.forms.schema_error import Surroundings


def test_the_environment_of_a_command_is_the_documents_own_or_one_that_exists() -> None:
    assert Surroundings(["dev", "prod"], "prod").put("a") == "platform-secrets put prod a"
    assert Surroundings(["dev", "prod"]).put("a") == "platform-secrets put dev a"
    assert Surroundings(["eu", "us"]).put("a") == "platform-secrets put eu a"
    assert Surroundings().put("a") == "platform-secrets put ENV a"


def test_the_projects_names_are_asked_for_once_and_only_where_a_mistake_is_found() -> None:
    asked = []

    def words() -> tuple[str, ...]:
        asked.append(1)
        return ("github",)

    surroundings = Surroundings(words=words, secrets=words)
    assert asked == []
    assert {"github", "vault"} <= surroundings.words
    assert "secret" not in surroundings.words
    assert asked == [1]
    assert surroundings.secrets == surroundings.secrets == {"github"}
    assert asked == [1, 1]
