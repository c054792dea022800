"""Logs in to Vault as the environment variables say, and refuses names that would leave their path.

    PLATFORM_SECRETS_VAULT_AUTH        token (default), approle, kubernetes, jwt or userpass
    PLATFORM_SECRETS_VAULT_AUTH_MOUNT  where the method is mounted; its own name when absent
    token       VAULT_TOKEN, else the file VAULT_TOKEN_FILE, else ~/.vault-token where VAULT_TOKEN is not set at all
    approle     VAULT_ROLE_ID and VAULT_SECRET_ID
    kubernetes  VAULT_ROLE; VAULT_JWT, else the pod's service account token
    jwt         VAULT_ROLE and VAULT_JWT
    userpass    VAULT_USERNAME and VAULT_PASSWORD

BAO_ADDR, BAO_TOKEN, BAO_NAMESPACE and BAO_CACERT stand for those of VAULT_ as one set, only where none of VAULT_ADDR,
VAULT_TOKEN and VAULT_NAMESPACE is set: a token never goes to a server that was named for another one.
VAULT_ROLE_ID, VAULT_SECRET_ID, VAULT_JWT and VAULT_PASSWORD may each name a file instead, as the same name with _FILE.
Files are read again at each log-in: what refreshes them (an agent, the kubelet) is honoured. No message shows what any
of these variables holds: people put the credential itself where a file's name belongs.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from compiler.model.files import NamedFileError, read_named
from compiler.stores.errors import Action, Code, StoreError, StoreLocation
from compiler.stores.secret_value import SecretValue
from compiler.stores.vault.provider import variable

_FORBIDDEN: Final = re.compile(r"[\x00-\x1f\x7f-\x9f%\\?#*\ud800-\udfff]")
_LONGEST: Final = 512
# Nearly every name has this form; the causes are looked for only in the others.
_PLAIN: Final = re.compile(r"(?!-)[A-Za-z0-9_-]+(?:/[A-Za-z0-9_-]+)*", re.ASCII)


def name_problem(name: str) -> str | None:
    """Return why a remote name, mount, namespace or user name cannot be used in a path; None when it can."""
    if len(name) <= _LONGEST and _PLAIN.fullmatch(name):
        return None
    parts = name.split("/")
    causes = (
        (not name, "it is empty"),
        (len(name) > _LONGEST, f"it is longer than {_LONGEST} characters"),
        (_FORBIDDEN.search(name), "it contains a control character, a lone surrogate or one of % \\ ? # *"),
        (name.startswith("/") or name.endswith("/"), "it starts or ends with /"),
        (name.startswith("-"), "it begins with -, which commands take for an option"),
        ("" in parts, "it contains //"),
        ("." in parts or ".." in parts, "one of its parts is . or .."),
        (any(part != part.strip() for part in parts), "one of its parts starts or ends with white space"),
    )
    return next((cause for is_so, cause in causes if is_so), None)


def property_problem(name: str) -> str | None:
    """Return why a property's name cannot be used; None when it can."""
    if not name:
        return "a property's name is empty"
    if re.search(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]", name):
        return "a property's name contains a control character or a lone surrogate"
    return None


METHOD_VARIABLE: Final = "PLATFORM_SECRETS_VAULT_AUTH"
# Where `vault login`, `bao login` and a dev server leave one.
HOME_TOKEN: Final = "~/.vault-token"  # noqa: S105 - a path
_METHODS: Final = ("token", "approle", "kubernetes", "jwt", "userpass")
# A credential is one line of text, and a token becomes a header too: a client's own complaint about it would show it.
_NO_TEXT: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_NO_TOKEN: Final = re.compile(r"[^!-~]")
# A token with the claims of hundreds of groups has some ten KiB.
_LARGEST: Final = 256 * 1024
_QUOTES: Final = ("'", '"')
_TOKEN_FILE: Final = "VAULT_TOKEN_FILE"  # noqa: S105 - a variable's name
_POD_TOKEN: Final = "/var/run/secrets/kubernetes.io/serviceaccount/token"  # noqa: S105 - a path


@dataclass(frozen=True, slots=True)
class Token:
    """A client token. `lease` is its life in seconds from the log-in, 0 when it has no end or is not known yet."""

    text: SecretValue
    lease: float = 0.0
    renewable: bool = False


class VaultLogin:
    """The log-in that the environment asks for. `ready` may be called again when a token has run out."""

    def __init__(self, environ: Mapping[str, str], place: StoreLocation) -> None:
        self._environ = environ
        self._place = place
        self.method = environ.get(METHOD_VARIABLE) or "token"
        if self.method not in _METHODS:
            reason = "PLATFORM_SECRETS_VAULT_AUTH is not a log-in method"
            raise self._error(reason, f"set it to one of {', '.join(_METHODS)}")
        self._mount = environ.get("PLATFORM_SECRETS_VAULT_AUTH_MOUNT") or self.method
        if problem := name_problem(self._mount):
            raise self._error(f"PLATFORM_SECRETS_VAULT_AUTH_MOUNT is not a valid mount: {problem}", "correct it")

    @property
    def token_source(self) -> str:
        """Where a given token comes from: a variable, another one's file, or HOME_TOKEN; empty for other methods."""
        if self.method != "token":
            return ""
        name = variable(self._environ, "TOKEN")
        if self._environ.get(name, "").strip():
            return name
        return _name_file(_TOKEN_FILE) if self._environ.get(_TOKEN_FILE) else HOME_TOKEN

    @property
    def token(self) -> str:
        """What messages call the token: by where it comes from, never by what it is."""
        return f"the token of {self.token_source or f'the {self.method} log-in'}"

    def ready(self) -> Callable[[Any], Token]:
        """Reads the credentials, and returns what logs in with them; a StoreError before anything is sent.

        What logs in takes an hvac client without a token, and lets its refusals pass.
        """
        if self.method == "token":
            token = Token(self._read_token())
            return lambda _client: token
        send = self._sender()

        def log_in(client: Any) -> Token:  # noqa: ANN401 - hvac has no types
            auth = send(client.auth)["auth"]
            return Token(SecretValue(auth["client_token"]), float(auth["lease_duration"]), bool(auth["renewable"]))

        return log_in

    def _sender(self) -> Callable[[Any], Any]:
        mount, keep = self._mount, {"use_token": False}
        if self.method == "approle":
            role_id, secret_id = self._need("VAULT_ROLE_ID"), self._need("VAULT_SECRET_ID")
            return lambda auth: auth.approle.login(role_id.reveal(), secret_id.reveal(), mount_point=mount, **keep)
        if self.method == "userpass":
            user, password = self._user(), self._need("VAULT_PASSWORD")
            return lambda auth: auth.userpass.login(user, password.reveal(), mount_point=mount, **keep)
        role = self._need("VAULT_ROLE").reveal()
        if self.method == "jwt":
            jwt = self._need("VAULT_JWT")
            return lambda auth: auth.jwt.jwt_login(role, jwt.reveal(), path=mount, **keep)
        jwt = self._need("VAULT_JWT", default_file=_POD_TOKEN)
        return lambda auth: auth.kubernetes.login(role, jwt.reveal(), mount_point=mount, **keep)

    def _read_token(self) -> SecretValue:
        home = str(_home_file(self._environ))
        name = variable(self._environ, "TOKEN")
        return self._need(name, default_file=home, shown=HOME_TOKEN, refused=_NO_TOKEN, file_variable=_TOKEN_FILE)

    def _user(self) -> str:
        user = self._need("VAULT_USERNAME").reveal()
        if problem := name_problem(user):
            raise self._error(f"VAULT_USERNAME cannot be used: {problem}", "correct it")
        return user

    def _need(
        self,
        name: str,
        default_file: str | None = None,
        shown: str | None = None,
        refused: re.Pattern[str] = _NO_TEXT,
        file_variable: str | None = None,
    ) -> SecretValue:
        by_file = file_variable or f"{name}_FILE"
        value, where, lack = self._environ.get(name, "").strip(), name, ""
        if not value and (named := self._environ.get(by_file)):
            where = _name_file(by_file)
            value, lack = _content(named)
        elif not value and default_file is not None:
            where = shown or default_file
            if name in self._environ:
                # Most often a pipeline whose secret is missing. What lies in the file may be anybody's.
                raise self._error(f"{name} is set but empty", f"fill it, or unset it to use {where}")
            value, lack = _content(default_file)
        if not value:
            tried = f"{name} is not set" + (f", and {where} {lack or 'is empty'}" if where != name else "")
            raise self._error(
                tried, f"set {name} or {by_file}, or choose another log-in with PLATFORM_SECRETS_VAULT_AUTH"
            )
        if refused is _NO_TOKEN and value.startswith(_QUOTES):
            raise self._error(f"{where} has quotes around the token", "write the token without them")
        if refused.search(value):
            what = "a character that tokens cannot have" if refused is _NO_TOKEN else "a control character"
            raise self._error(f"{where} has a line break or {what}", "write the credential again, on one line")
        return SecretValue(value)

    def _error(self, reason: str, remedy: str) -> StoreError:
        return StoreError(self._place, Action.LOG_IN, reason, remedy, Code.UNAUTHENTICATED)


def is_from_home(environ: Mapping[str, str], token: str) -> bool:
    """Whether the log-in takes a token that some earlier log-in left in the home folder; `token` is its variable."""
    method = environ.get(METHOD_VARIABLE) or "token"
    is_taken = method == "token" and token not in environ and not environ.get(_TOKEN_FILE)
    return is_taken and _home_file(environ).is_file()


def _home_file(environ: Mapping[str, str]) -> Path:
    return Path(environ.get("HOME", "/nonexistent")) / HOME_TOKEN.removeprefix("~/")


def _name_file(by_file: str) -> str:
    return f"the file that {by_file} names"


def _content(file: str) -> tuple[str, str]:
    """What the file holds, and why that cannot be used."""
    try:
        data = read_named(file, _LARGEST).data
        text = data.decode().strip()
    except NamedFileError as error:
        return "", str(error)
    except UnicodeDecodeError:
        return "", "is no text file"
    return (text, "") if len(data) <= _LARGEST else ("", f"is larger than {_LARGEST // 1024} KiB")
