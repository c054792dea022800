"""Chooses the Azure credential that the environment variables name; all threads share one.

No message shows what any of these variables holds.
"""

from collections.abc import Mapping
from typing import Final
from urllib.parse import urlsplit

from compiler.model.address import cloud_of
from compiler.stores.azure_key_vault.identity import Credential, FixedToken, NoTokenError, SharedCredential
from compiler.stores.errors import (
    Action,
    MissingDependencyError,
    StoreError,
    StoreLocation,
    UnauthenticatedError,
    UnavailableError,
)
from compiler.text.command_line import shell_line
from compiler.text.extra import install_line
from compiler.text.regex import regex

TOKEN_VARIABLE: Final = "AZURE_KEYVAULT_TOKEN"  # noqa: S105 - a variable's name
# A token becomes a header; with other characters the client retries for ten seconds and reports a broken connection.
_NO_TOKEN: Final = regex(r"[^!-~]")
# What AZURE_TOKEN_CREDENTIALS may name, in Azure's own spelling.
_DEFAULT: Final = "DefaultAzureCredential"
_CREDENTIALS: Final = (
    "dev",
    "prod",
    "EnvironmentCredential",
    "WorkloadIdentityCredential",
    "ManagedIdentityCredential",
    "VisualStudioCodeCredential",
    "AzureCliCredential",
    "AzurePowerShellCredential",
    "AzureDeveloperCliCredential",
    "InteractiveBrowserCredential",
)
# Clouds whose users log in elsewhere than at login.microsoftonline.com.
_AUTHORITIES: Final = {
    "ChinaCloud": "login.chinacloudapi.cn",
    "USGovernmentCloud": "login.microsoftonline.us",
}


def shared_credential(
    credential: Credential | None, environ: Mapping[str, str], url: str, place: StoreLocation, *, is_emulator: bool
) -> SharedCredential:
    """The given credential, a token that stands in a variable, or the one of Azure's own variables.

    Raises MissingDependencyError, and UnauthenticatedError for variables that cannot be used.
    """
    if credential is not None:
        return SharedCredential(credential, type(credential).__name__)
    if (token := environ.get(TOKEN_VARIABLE)) is not None:
        if not token.strip():
            # Most often a pipeline whose secret is missing: it must not go on as whoever is logged in beside it.
            remedy = "fill it, or unset it to use the credentials of Azure's own variables"
            raise UnauthenticatedError(place, Action.LOG_IN, f"{TOKEN_VARIABLE} is set but empty", remedy)
        if token.strip().startswith(("'", '"')):
            reason = f"{TOKEN_VARIABLE} has quotes around the token"
            raise UnauthenticatedError(place, Action.LOG_IN, reason, "write the token without them")
        if _NO_TOKEN.search(token):
            reason = f"{TOKEN_VARIABLE} has a line break or a character that tokens cannot have"
            raise UnauthenticatedError(place, Action.LOG_IN, reason, "set it again, on one line")
        return SharedCredential(FixedToken(token, is_for_any=is_emulator), TOKEN_VARIABLE)
    return SharedCredential(_default_credential(environ, url, place), _method(environ), is_owned=True)


def no_token(error: NoTokenError, place: StoreLocation, method: str) -> StoreError:
    """The error of a credential, called `method`, that gave no token; with Entra's codes."""
    codes = f" ({', '.join(error.codes)})" if error.codes else ""
    remedy = f"log in (`{shell_line('az', 'login')}`), or name one credential in AZURE_TOKEN_CREDENTIALS"
    return UnauthenticatedError(place, Action.LOG_IN, f"{_without(method)}{codes}", remedy)


def no_token_in_time(place: StoreLocation, method: str) -> StoreError:
    """The error of a credential that was waited for until the operation had to end."""
    remedy = "check the network to its log-in server, or name one credential in AZURE_TOKEN_CREDENTIALS"
    return UnavailableError(place, Action.LOG_IN, f"{_without(method)} in time", remedy)


def _without(method: str) -> str:
    if method == _DEFAULT:
        return "none of the credentials that DefaultAzureCredential tries returned a token"
    return f"{method} returned no token"


def _method(environ: Mapping[str, str]) -> str:
    named = environ.get("AZURE_TOKEN_CREDENTIALS", "").strip().lower()
    return next((known for known in _CREDENTIALS if known.lower() == named), _DEFAULT)


def _default_credential(environ: Mapping[str, str], url: str, place: StoreLocation) -> Credential:
    try:
        # 200 ms of import that an injected credential or a given token does not need.
        from azure.identity import DefaultAzureCredential  # noqa: PLC0415
    except ModuleNotFoundError:
        reason = 'the Python package "azure-identity" is not installed'
        remedy = f"run: {install_line('azure')}"
        raise MissingDependencyError(place, Action.LOG_IN, reason, remedy) from None
    authority = _AUTHORITIES.get(cloud_of((urlsplit(url).hostname or "").lower()) or "")
    chosen = {} if authority is None or environ.get("AZURE_AUTHORITY_HOST") else {"authority": authority}
    try:
        return DefaultAzureCredential(**chosen)
    except Exception:  # noqa: BLE001 - a name, a file or a certificate that it cannot use, each with an error of its own
        # Without the SDK's text, which quotes what the variables hold.
        reason = "a variable that chooses the Azure credential cannot be used"
    remedy = (
        "correct AZURE_TOKEN_CREDENTIALS (AzureCliCredential, for example), AZURE_AUTHORITY_HOST, or "
        "AZURE_CLIENT_CERTIFICATE_PATH and its password"
    )
    raise UnauthenticatedError(place, Action.LOG_IN, reason, remedy)
