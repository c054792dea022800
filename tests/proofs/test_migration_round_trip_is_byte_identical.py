from hypothesis import given, settings
from hypothesis import strategies as st

from compiler.stores.secret_value import UNWRITABLE, SecretValue, traits
from tests.proofs.conftest import World

LIKE_JSON = st.sampled_from(['{"a": 1}', "[]", "null", "1e3", '"', "\\u0041", "true", "-----BEGIN-----\r\nx\n", " x "])
TEXT = st.one_of(st.text(max_size=300), LIKE_JSON, st.text(min_size=1, max_size=6).map(lambda part: part * 2_500))


@settings(max_examples=40)
@given(token=TEXT, url=TEXT)
def test_there_and_back_is_byte_identical_or_refused_before_the_first_write(world: World, token: str, url: str) -> None:
    name = "agents-jira"
    before = world.azure_versions()
    values = {"JIRA_TOKEN": token, "JIRA_URL": url}
    if any("lone-surrogate" in traits(SecretValue(value)) for value in values.values()):
        # Vault itself would store another character.
        return
    world.put("agents/github", {"GITHUB_TOKEN": "t"})
    world.put("agents/jira", values)
    done = world.migrate("--apply", "--on-conflict", "overwrite")
    fits = len(world.azure.value(name).encode()) <= 25_600 if done.code == 0 else False
    if done.code != 0:
        assert done.code == 1, done
        unfit = any(traits(SecretValue(value)) & UNWRITABLE for value in values.values())
        assert unfit or "bytes, and Key Vault allows 25600" in done.out
        assert world.azure_versions() == before
        return
    assert fits
    assert world.azure_object(name) == values
    world.put("agents/jira", {"JIRA_TOKEN": "gone", "JIRA_URL": "gone"})
    assert world.migrate("--apply", "--from", "azure", "--on-conflict", "overwrite", to="vault").code == 0
    assert world.get("agents/jira") == values
