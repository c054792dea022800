"""Logs in to Vault as the environment variables say; credentials stay Secrets until they are sent.

    PLATFORM_SECRETS_VAULT_AUTH        token (default), approle, kubernetes, jwt or userpass
    PLATFORM_SECRETS_VAULT_AUTH_MOUNT  where the method is mounted; its own name when absent
    token       VAULT_TOKEN, else the file VAULT_TOKEN_FILE, else ~/.vault-token where VAULT_TOKEN is not set at all
    approle     VAULT_ROLE_ID and VAULT_SECRET_ID
    kubernetes  VAULT_ROLE; VAULT_JWT, else the pod's service account token
    jwt         VAULT_ROLE and VAULT_JWT
    userpass    VAULT_USERNAME and VAULT_PASSWORD

VAULT_ROLE_ID, VAULT_SECRET_ID, VAULT_JWT and VAULT_PASSWORD may each name a file instead, as the same name with _FILE.
Files are read again at each log-in: what refreshes them (an agent, the kubelet) is honoured. No message shows what any
of these variables holds: people put the credential itself where a file's name belongs.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from compiler.model.named_file import NamedFileError, read_named
from compiler.model.record import dataclass
from compiler.stores.errors import Action, StoreLocation, UnauthenticatedError
from compiler.stores.values.secret import SecretValue
from compiler.stores.vault.names import name_problem
from compiler.text.regex import regex

METHOD_VARIABLE: Final = "PLATFORM_SECRETS_VAULT_AUTH"
# Where `vault login`, `bao login` and a dev server leave one.
HOME_TOKEN: Final = "~/.vault-token"  # noqa: S105 - a path
_METHODS: Final = ("token", "approle", "kubernetes", "jwt", "userpass")
# A credential is one line of text, and a token becomes a header too: a client's own complaint about it would show it.
_NO_TEXT: Final = regex(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_NO_TOKEN: Final = regex(r"[^!-~]")
# A token with the claims of hundreds of groups has some ten KiB.
_LARGEST: Final = 256 * 1024
_POD_TOKEN: Final = "/var/run/secrets/kubernetes.io/serviceaccount/token"  # noqa: S105 - a path


@dataclass(frozen=True, slots=True)
class Token:
    """A client token. `lease` is its life in seconds from the log-in, 0 when it has no end or is not known yet."""

    text: SecretValue
    lease: float = 0.0
    renewable: bool = False


class VaultLogin:
    """The log-in that the environment asks for. `log_in` may be called again when a token has run out."""

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
        """Where a token that is given comes from; empty for the methods that ask for one."""
        return token_source(self._environ) if self.method == "token" else ""

    @property
    def token(self) -> str:
        """What messages call the token: by where it comes from, never by what it is."""
        return f"the token of {self.token_source or f'the {self.method} log-in'}"

    @property
    def source(self) -> str:
        """What has to be renewed where the token has ended."""
        return self.token_source or "its credentials"

    def log_in(self, client: Any) -> Token:  # noqa: ANN401 - hvac has no types
        """Return a token; `client` is an hvac client without one, whose refusals pass through."""
        if self.method == "token":
            return Token(self._given_token())
        auth = self._send(client)["auth"]
        return Token(SecretValue(auth["client_token"]), float(auth["lease_duration"]), bool(auth["renewable"]))

    def _send(self, client: Any) -> Any:  # noqa: ANN401 - hvac has no types
        keep: dict[str, Any] = {"use_token": False}
        if self.method == "approle":
            role_id, secret_id = self._need("VAULT_ROLE_ID"), self._need("VAULT_SECRET_ID")
            return client.auth.approle.login(role_id.reveal(), secret_id.reveal(), mount_point=self._mount, **keep)
        if self.method == "userpass":
            user, password = self._user(), self._need("VAULT_PASSWORD")
            return client.auth.userpass.login(user, password.reveal(), mount_point=self._mount, **keep)
        role = self._need("VAULT_ROLE").reveal()
        if self.method == "jwt":
            return client.auth.jwt.jwt_login(role, self._need("VAULT_JWT").reveal(), path=self._mount, **keep)
        jwt = self._need("VAULT_JWT", default_file=_POD_TOKEN)
        return client.auth.kubernetes.login(role, jwt.reveal(), mount_point=self._mount, **keep)

    def _given_token(self) -> SecretValue:
        home = str(_home_file(self._environ))
        return self._need("VAULT_TOKEN", default_file=home, shown=HOME_TOKEN, refused=_NO_TOKEN)

    def _user(self) -> str:
        user = self._need("VAULT_USERNAME").reveal()
        if problem := name_problem(user):
            raise self._error(f"VAULT_USERNAME cannot be used: {problem}", "correct it")
        return user

    def _need(
        self,
        variable: str,
        default_file: str | None = None,
        shown: str | None = None,
        refused: re.Pattern[str] = _NO_TEXT,
    ) -> SecretValue:
        value, where, lack = self._environ.get(variable, "").strip(), variable, ""
        if not value and (named := self._environ.get(f"{variable}_FILE")):
            where = _named_file(variable)
            value, lack = _content(named)
        elif not value and default_file is not None:
            where = shown or default_file
            if variable in self._environ:
                # Most often a pipeline whose secret is missing. What lies in the file may be anybody's.
                raise self._error(f"{variable} is set but empty", f"fill it, or unset it to use {where}")
            value, lack = _content(default_file)
        if not value:
            tried = f"{variable} is not set" + (f", and {where} {lack or 'is empty'}" if where != variable else "")
            raise self._error(
                tried, f"set {variable} or {variable}_FILE, or choose another log-in with PLATFORM_SECRETS_VAULT_AUTH"
            )
        if refused.search(value):
            what = "a character that tokens cannot have" if refused is _NO_TOKEN else "a control character"
            raise self._error(f"{where} has a line break or {what}", "write the credential again, on one line")
        return SecretValue(value)

    def _error(self, reason: str, remedy: str) -> UnauthenticatedError:
        return UnauthenticatedError(self._place, Action.LOG_IN, reason, remedy)


def token_source(environ: Mapping[str, str]) -> str:
    """Where the method `token` takes it from: the variable, the file that another one names, or HOME_TOKEN."""
    if environ.get("VAULT_TOKEN", "").strip():
        return "VAULT_TOKEN"
    return _named_file("VAULT_TOKEN") if environ.get("VAULT_TOKEN_FILE") else HOME_TOKEN


def is_from_home(environ: Mapping[str, str]) -> bool:
    """Whether the log-in takes a token that some earlier log-in left in the home folder."""
    method = environ.get(METHOD_VARIABLE) or "token"
    is_taken = method == "token" and "VAULT_TOKEN" not in environ and token_source(environ) == HOME_TOKEN
    return is_taken and _home_file(environ).is_file()


def _home_file(environ: Mapping[str, str]) -> Path:
    return Path(environ.get("HOME", "/nonexistent")) / HOME_TOKEN.removeprefix("~/")


def _named_file(variable: str) -> str:
    return f"the file that {variable}_FILE names"


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
