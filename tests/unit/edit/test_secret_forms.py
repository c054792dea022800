import pytest

from compiler.edit.secret_forms import FORMS, find_form
from compiler.model.environment import pass_text
from compiler.refusal import Refusal
from compiler.text.go_template import read_template

SERVERS = ("ghcr.io", "registry.example.com:5000", "https://index.docker.io/v1/", "example.azurecr.io/team")


@pytest.mark.parametrize("name", FORMS)
def test_a_form_fetches_what_its_texts_need_and_no_more(name: str) -> None:
    form = find_form(name, "ghcr.io" if name == "dockerconfigjson" else None)
    texts = [read_template(text) for text in form.data.values()]
    assert not any(each.mistake or each.unread for each in texts)
    needed = {key for each in texts for key in each.keys}
    assert not form.data or needed == form.keys.keys()
    assert find_form(form.type, "ghcr.io" if name == "dockerconfigjson" else None) == form


@pytest.mark.parametrize("server", SERVERS)
def test_a_registry_is_named_as_docker_does(server: str) -> None:
    assert f'"{server}": ' in find_form("dockerconfigjson", server).data[".dockerconfigjson"]


@pytest.mark.parametrize("server", ["", 'a"b', "a b", "{{ .x }}", "-a", "ghcr.io\n", "http://x", "a:123456"])
def test_what_is_not_a_registry_is_refused(server: str) -> None:
    with pytest.raises(Refusal, match="--server is not the name of a registry"):
        find_form("dockerconfigjson", server)


def test_keys_of_a_certificate_need_no_property_with_a_dot() -> None:
    assert find_form("tls", None).data == {"tls.crt": pass_text("certificate"), "tls.key": pass_text("private_key")}
