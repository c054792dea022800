import os
from pathlib import Path
from typing import Any

import hvac  # type: ignore[import-untyped]
import hvac.adapters  # type: ignore[import-untyped]
import pytest

from compiler.stores.errors import Action, Code, StoreError, StoreLocation
from compiler.stores.vault.log_in import VaultLogin, is_from_home, name_problem, property_problem
from compiler.stores.vault.provider import variable
from tests.refusals import is_refused

PLACE = StoreLocation("https://vault.example.com/secret")
SENTINEL = "s3ntinel-4711"
METHOD, MOUNT = "PLATFORM_SECRETS_VAULT_AUTH", "PLATFORM_SECRETS_VAULT_AUTH_MOUNT"
ROLE = {METHOD: "approle", "VAULT_ROLE_ID": "role-4711", "VAULT_SECRET_ID": SENTINEL}
USER = {METHOD: "userpass", "VAULT_USERNAME": "ada", "VAULT_PASSWORD": SENTINEL}
JWT = {METHOD: "jwt", "VAULT_ROLE": "ci", "VAULT_JWT": SENTINEL}
POD = {METHOD: "kubernetes", "VAULT_ROLE": "app", "VAULT_JWT": SENTINEL}


class Recorder(hvac.adapters.Adapter):  # type: ignore[misc] # hvac has no types
    """Stands for the server below hvac: keeps what would be sent, and answers each log-in."""

    def __init__(self, **given: Any) -> None:  # noqa: ANN401 - hvac's signature
        super().__init__(**given)
        self.sent: list[tuple[str, str, Any]] = []
        self.auth: object = {"client_token": "t0ken", "lease_duration": 90, "renewable": True}

    def get_login_token(self, response: Any) -> str:  # noqa: ANN401 - hvac has no types
        return str(response["auth"]["client_token"])

    def request(self, method: str, url: str, headers: Any = None, raise_exception: bool = True, **given: Any) -> Any:  # noqa: ANN401, FBT001, FBT002 - hvac's signature
        del headers, raise_exception
        self.sent.append((method, url, given.get("json")))
        return {"auth": self.auth}


@pytest.fixture
def client() -> hvac.Client:
    return hvac.Client(url="https://vault.example.com", token="", adapter=Recorder)


def refusal(environ: dict[str, str], client: hvac.Client | None = None) -> StoreError:
    with pytest.raises(StoreError, check=is_refused(Code.UNAUTHENTICATED)) as caught:
        VaultLogin(environ, PLACE).ready()(client)
    error = caught.value
    assert (error.place, error.action) == (PLACE, Action.LOG_IN)
    assert error.__context__ is None
    assert SENTINEL not in f"{error!r}{error}"
    if client is not None:
        assert client.adapter.sent == []
    return error


@pytest.mark.parametrize(
    ("environ", "path", "body"),
    [
        (ROLE, "approle", {"role_id": "role-4711", "secret_id": SENTINEL}),
        (USER, "userpass", {"password": SENTINEL}),
        (JWT, "jwt", {"role": "ci", "jwt": SENTINEL}),
        (POD, "kubernetes", {"role": "app", "jwt": SENTINEL}),
    ],
)
@pytest.mark.parametrize("mount", [None, "team/own"])
def test_each_method_sends_its_credentials_to_its_mount_and_nothing_else(
    client: hvac.Client, environ: dict[str, str], path: str, body: dict[str, str], mount: str | None
) -> None:
    login = VaultLogin(environ if mount is None else {**environ, MOUNT: mount}, PLACE)
    token = login.ready()(client)
    end = "/ada" if path == "userpass" else ""
    assert client.adapter.sent == [("post", f"/v1/auth/{mount or path}/login{end}", body)]
    assert (token.text.reveal(), token.lease, token.renewable) == ("t0ken", 90.0, True)
    assert login.method == path
    # The connection gives the token to the client, once it knows that no other worker has done so.
    assert client.token == ""


def test_a_given_token_is_taken_as_it_is_without_a_request(client: hvac.Client) -> None:
    for environ in ({"VAULT_TOKEN": "hvs.x"}, {"VAULT_TOKEN": " hvs.x\n", METHOD: ""}):
        token = VaultLogin(environ, PLACE).ready()(client)
        assert (token.text.reveal(), token.lease, token.renewable) == ("hvs.x", 0.0, False)
    assert client.adapter.sent == []


def test_the_token_is_the_variables_else_the_named_files_else_the_homes(tmp_path: Path) -> None:
    (tmp_path / ".vault-token").write_text("hvs.home\n")
    (tmp_path / "named").write_text("\thvs.named \r\n")
    environ = {"VAULT_TOKEN": "hvs.given", "VAULT_TOKEN_FILE": str(tmp_path / "named"), "HOME": str(tmp_path)}
    found = []
    while environ.keys() != {"HOME"}:
        found.append(VaultLogin(environ, PLACE).ready()(None).text.reveal())
        environ.pop("VAULT_TOKEN_FILE" if "VAULT_TOKEN" not in environ else "VAULT_TOKEN")
    found.append(VaultLogin(environ, PLACE).ready()(None).text.reveal())
    assert found == ["hvs.given", "hvs.named", "hvs.home"]


def test_a_file_that_was_named_and_cannot_be_used_is_not_passed_over_for_another(tmp_path: Path) -> None:
    (tmp_path / ".vault-token").write_text("hvs.home")
    (tmp_path / "empty").write_text(" \n")
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    (tmp_path / "long").write_bytes(b"x" * (256 * 1024 + 1))
    reasons = {
        f"{tmp_path}/absent": "cannot be read: no such file or directory",
        f"{tmp_path}/empty": "is empty",
        f"{tmp_path}/binary": "is no text file",
        f"{tmp_path}/long": "is larger than 256 KiB",
        f"{tmp_path}/": "cannot be read: is a directory",
        "/dev/zero": "is a device, not a file",
    }
    for path, reason in reasons.items():
        error = refusal({"VAULT_TOKEN_FILE": path, "HOME": str(tmp_path)})
        assert error.reason == f"VAULT_TOKEN is not set, and the file that VAULT_TOKEN_FILE names {reason}"
        assert "set VAULT_TOKEN or VAULT_TOKEN_FILE" in error.remedy


def test_without_a_token_and_a_home_both_places_are_named() -> None:
    missing = "VAULT_TOKEN is not set, and ~/.vault-token cannot be read: no such file or directory"
    assert refusal({}).reason == missing


def test_a_token_may_come_from_a_command_of_the_shell() -> None:
    reading, writing = os.pipe()
    os.write(writing, b"hvs.piped\n")
    os.close(writing)
    login = VaultLogin({"VAULT_TOKEN_FILE": f"/dev/fd/{reading}"}, PLACE)
    assert login.ready()(None).text.reveal() == "hvs.piped"
    os.close(reading)


@pytest.mark.parametrize("blank", ["", " \n"])
def test_a_token_that_is_set_but_empty_does_not_fall_to_what_lies_in_the_home(tmp_path: Path, blank: str) -> None:
    (tmp_path / ".vault-token").write_text(SENTINEL)
    error = refusal({"VAULT_TOKEN": blank, "HOME": str(tmp_path)})
    assert (error.reason, error.remedy) == (
        "VAULT_TOKEN is set but empty",
        "fill it, or unset it to use ~/.vault-token",
    )
    # A file that is named is no accident.
    (tmp_path / "named").write_text("hvs.named")
    login = VaultLogin({"VAULT_TOKEN": blank, "VAULT_TOKEN_FILE": f"{tmp_path}/named", "HOME": str(tmp_path)}, PLACE)
    assert login.ready()(None).text.reveal() == "hvs.named"


@pytest.mark.parametrize(
    ("environ", "source", "token"),
    [
        ({"VAULT_TOKEN": SENTINEL}, "VAULT_TOKEN", "the token of VAULT_TOKEN"),
        (
            {"VAULT_TOKEN_FILE": SENTINEL},
            "the file that VAULT_TOKEN_FILE names",
            "the token of the file that VAULT_TOKEN_FILE names",
        ),
        ({"HOME": SENTINEL}, "~/.vault-token", "the token of ~/.vault-token"),
        (ROLE, "", "the token of the approle log-in"),
    ],
)
def test_where_a_token_comes_from_is_told_without_what_it_is(environ: dict[str, str], source: str, token: str) -> None:
    login = VaultLogin(environ, PLACE)
    assert (login.token_source, login.token) == (source, token)


def test_only_a_token_that_lies_there_is_from_the_home(tmp_path: Path) -> None:
    home = {"HOME": str(tmp_path)}
    assert not is_from_home(home, "VAULT_TOKEN")
    (tmp_path / ".vault-token").write_text("hvs.home")
    assert is_from_home(home, "VAULT_TOKEN")
    for environ in ({"VAULT_TOKEN": "t"}, {"VAULT_TOKEN": ""}, {"VAULT_TOKEN_FILE": "f"}, ROLE):
        assert not is_from_home({**home, **environ}, "VAULT_TOKEN")


@pytest.mark.parametrize("inside", [" ", "\n", "\r\nX-Vault-Namespace: root\r\n", "\0", "\x7f", "ü", "\u200b", "\t"])
def test_a_token_that_is_no_header_is_refused_without_being_shown(inside: str) -> None:
    error = refusal({"VAULT_TOKEN": f"{SENTINEL}{inside}x"})
    assert error.reason == "VAULT_TOKEN has a line break or a character that tokens cannot have"


@pytest.mark.parametrize(
    ("environ", "variable"),
    [
        (ROLE, "VAULT_ROLE_ID"),
        (ROLE, "VAULT_SECRET_ID"),
        (USER, "VAULT_USERNAME"),
        (USER, "VAULT_PASSWORD"),
        (JWT, "VAULT_ROLE"),
        (JWT, "VAULT_JWT"),
    ],
)
@pytest.mark.parametrize("inside", ["\n", "\r", "\0", "\x1b", "\x85", "\u2028"])
def test_a_credential_of_several_lines_is_refused_by_name_and_nothing_is_sent(
    client: hvac.Client, tmp_path: Path, environ: dict[str, str], variable: str, inside: str
) -> None:
    error = refusal({**environ, variable: f"{SENTINEL}{inside}x"}, client)
    assert error.reason == f"{variable} has a line break or a control character"
    (tmp_path / "credential").write_text(f"{SENTINEL}{inside}x", newline="")
    error = refusal({**environ, variable: "", f"{variable}_FILE": str(tmp_path / "credential")}, client)
    assert error.reason == f"the file that {variable}_FILE names has a line break or a control character"


@pytest.mark.parametrize(
    ("environ", "variable"),
    [(ROLE, "VAULT_ROLE_ID"), (ROLE, "VAULT_SECRET_ID"), (USER, "VAULT_PASSWORD"), (JWT, "VAULT_JWT")],
)
def test_a_credential_may_stand_in_a_file_that_is_read_again_at_each_log_in(
    client: hvac.Client, tmp_path: Path, environ: dict[str, str], variable: str
) -> None:
    file = tmp_path / "credential"
    login = VaultLogin({**environ, variable: "", f"{variable}_FILE": str(file)}, PLACE)
    for content in ("first", "second\n"):
        file.write_text(content)
        login.ready()(client)
    assert ["first" in body.values() for _, _, body in client.adapter.sent] == [True, False]
    assert ["second" in body.values() for _, _, body in client.adapter.sent] == [False, True]


def test_a_variable_comes_before_its_file(client: hvac.Client, tmp_path: Path) -> None:
    (tmp_path / "jwt").write_text("other")
    VaultLogin({**JWT, "VAULT_JWT_FILE": str(tmp_path / "jwt")}, PLACE).ready()(client)
    assert client.adapter.sent[0][2]["jwt"] == SENTINEL


@pytest.mark.parametrize(
    ("environ", "variable"),
    [
        (ROLE, "VAULT_ROLE_ID"),
        (ROLE, "VAULT_SECRET_ID"),
        (USER, "VAULT_USERNAME"),
        (USER, "VAULT_PASSWORD"),
        (JWT, "VAULT_ROLE"),
        (JWT, "VAULT_JWT"),
        (POD, "VAULT_ROLE"),
    ],
)
def test_what_a_method_lacks_is_named_and_nothing_is_sent(
    client: hvac.Client, environ: dict[str, str], variable: str
) -> None:
    for rest in ({**environ, variable: ""}, {name: text for name, text in environ.items() if name != variable}):
        error = refusal(rest, client)
        assert error.reason == f"{variable} is not set"
        assert f"set {variable} or {variable}_FILE, or choose another log-in with {METHOD}" in error.remedy


@pytest.mark.parametrize("method", ["ldap", "Token", "token ", "../token", "kubernetes\n"])
def test_an_unknown_method_is_refused_with_those_that_are_known(method: str) -> None:
    error = refusal({METHOD: method, "VAULT_TOKEN": "hvs.x"})
    assert error.reason == "PLATFORM_SECRETS_VAULT_AUTH is not a log-in method"
    assert error.remedy == "set it to one of token, approle, kubernetes, jwt, userpass"


@pytest.mark.parametrize(
    ("environ", "variable", "text"),
    [
        (USER, "VAULT_USERNAME", "../../sys/x"),
        (USER, "VAULT_USERNAME", "a%2fb"),
        (USER, "VAULT_USERNAME", "ada?x=1"),
        (ROLE, MOUNT, "../sys"),
        (ROLE, MOUNT, "/approle"),
        (ROLE, MOUNT, "a//b"),
    ],
)
def test_a_mount_or_user_that_leaves_its_place_in_the_path_is_refused(
    client: hvac.Client, environ: dict[str, str], variable: str, text: str
) -> None:
    error = refusal({**environ, variable: text}, client)
    assert error.reason.startswith(variable)
    assert error.remedy == "correct it"


@pytest.mark.parametrize(
    "auth", [{}, {"client_token": None, "lease_duration": 1, "renewable": True}, {"client_token": "t"}, [], None]
)
def test_an_answer_of_another_shape_is_one_of_the_exceptions_that_the_connection_turns_into_its_error(
    client: hvac.Client, auth: object
) -> None:
    client.adapter.auth = auth
    with pytest.raises((KeyError, TypeError)):
        VaultLogin(ROLE, PLACE).ready()(client)


SET = ("ADDR", "TOKEN", "NAMESPACE", "CACERT")


@pytest.mark.parametrize("bao", [*({f"BAO_{name}": "b"} for name in SET), {"BAO_ADDR": "", "BAO_TOKEN": "b"}])
def test_openbaos_variables_are_read_as_one_set(bao: dict[str, str]) -> None:
    assert [variable(bao, name) for name in SET] == [f"BAO_{name}" for name in SET]


@pytest.mark.parametrize("vault", ["VAULT_ADDR", "VAULT_TOKEN", "VAULT_NAMESPACE"])
@pytest.mark.parametrize("held", ["v", ""])
def test_one_of_vaults_own_variables_puts_openbaos_set_out_of_use(vault: str, held: str) -> None:
    environ = {vault: held, **{f"BAO_{name}": "b" for name in SET}}
    assert [variable(environ, name) for name in SET] == [f"VAULT_{name}" for name in SET]


def test_vaults_authorities_alone_decide_nothing() -> None:
    assert variable({"VAULT_CACERT": "v", "BAO_TOKEN": "b"}, "TOKEN") == "BAO_TOKEN"
    assert variable({"VAULT_CACERT": "v"}, "TOKEN") == "VAULT_TOKEN"


def test_a_token_of_openbaos_set_is_named_by_its_own_variable(client: hvac.Client, tmp_path: Path) -> None:
    assert VaultLogin({"BAO_TOKEN": SENTINEL}, PLACE).ready()(client).text.reveal() == SENTINEL
    assert VaultLogin({"BAO_TOKEN": SENTINEL}, PLACE).token_source == "BAO_TOKEN"
    (tmp_path / ".vault-token").write_text(SENTINEL)
    home = {"HOME": str(tmp_path), "BAO_ADDR": "https://b"}
    assert VaultLogin(home, PLACE).ready()(client).text.reveal() == SENTINEL
    assert is_from_home(home, "BAO_TOKEN")
    assert not is_from_home({**home, "BAO_TOKEN": ""}, "BAO_TOKEN")
    assert "BAO_TOKEN is set but empty" in refusal({**home, "BAO_TOKEN": ""}).reason
    # A token of one server is not sent to another one.
    assert "VAULT_TOKEN is not set" in refusal({"VAULT_ADDR": "https://v", "BAO_TOKEN": SENTINEL}).reason
    (tmp_path / "token").write_text(SENTINEL)
    by_file = {"BAO_ADDR": "https://b", "VAULT_TOKEN_FILE": str(tmp_path / "token")}
    assert VaultLogin(by_file, PLACE).ready()(client).text.reveal() == SENTINEL
    assert VaultLogin(by_file, PLACE).token_source == "the file that VAULT_TOKEN_FILE names"


@pytest.mark.parametrize("quote", ["'", '"'])
def test_quotes_around_a_token_are_noticed(quote: str, tmp_path: Path) -> None:
    quoted = f"{quote}{SENTINEL}{quote}"
    error = refusal({"VAULT_TOKEN": quoted})
    assert (error.reason, error.remedy) == (
        "VAULT_TOKEN has quotes around the token",
        "write the token without them",
    )
    (tmp_path / ".vault-token").write_text(quoted)
    assert refusal({"HOME": str(tmp_path)}).reason == "~/.vault-token has quotes around the token"


@pytest.mark.parametrize(
    "name", ["a", "ai-platform-engineering/github-secret", "a b/c", "ü/ß", "a..b", "...", "x" * 512, "a-/-b"]
)
def test_ordinary_names_are_taken(name: str) -> None:
    assert name_problem(name) is None


@pytest.mark.parametrize(
    ("name", "cause"),
    [
        ("", "empty"),
        ("x" * 513, "longer"),
        ("a\nb", "control"),
        ("a\0", "control"),
        ("a\x85", "control"),
        ("a%2e", "%"),
        ("a\\b", "%"),
        ("a?b", "%"),
        ("a#b", "%"),
        ("a*", "%"),
        ("\udfff", "surrogate"),
        ("/a", "starts or ends"),
        ("a/", "starts or ends"),
        ("a//b", "//"),
        ("a/../b", "is . or .."),
        ("..", "is . or .."),
        ("a/./b", "is . or .."),
        ("a/ b", "white space"),
        ("-a/b", "option"),
        ("-mount=other", "option"),
    ],
)
def test_names_that_could_mean_another_path_are_refused(name: str, cause: str) -> None:
    assert cause in (name_problem(name) or "")


def test_property_names() -> None:
    assert property_problem("tls.crt") is None
    for bad in ("", "a\nb", "\ud800"):
        assert property_problem(bad)
