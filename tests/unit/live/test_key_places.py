from compiler.live.stores import catalogue_places, key_places
from compiler.model.environment import Environment
from compiler.model.store import Place


def test_every_key_of_the_entry_has_its_place_in_any_store_of_the_environment(environment: Environment) -> None:
    github = environment.secrets["github"]
    assert key_places(environment, github, environment.stores["vault"]) == {
        "GITHUB_TOKEN": Place("agents/github", "GITHUB_TOKEN"),
        "GITHUB_APP_ID": Place("agents/github", "GITHUB_APP_ID"),
        "GITHUB_APP_KEY": Place("agents/github", "GITHUB_APP_KEY"),
    }
    assert key_places(environment, github, environment.stores["azure"]) == {
        "GITHUB_TOKEN": Place("agents-github", "GITHUB_TOKEN"),
        "GITHUB_APP_ID": Place("agents-github", "GITHUB_APP_ID"),
        "GITHUB_APP_KEY": Place("github-app-key", None),
    }


def test_the_places_of_the_catalogue_are_those_of_entries_too_that_are_not_in_use(
    environment: Environment, sharing: Environment
) -> None:
    names = ("GITHUB_TOKEN", "GITHUB_APP_ID", "JIRA_TOKEN", "JIRA_URL", "ONLY")
    shared = {Place("agents-shared", name) for name in names}
    assert catalogue_places(sharing, sharing.stores["azure"]) == shared | {Place("github-app-key", None)}
    # One that the provider has no place for has none.
    azure = {place.property for place in catalogue_places(environment, environment.stores["azure"])}
    assert azure == {"GITHUB_TOKEN", "GITHUB_APP_ID", "JIRA_TOKEN", "JIRA_URL", None}
