"""Takes what a person has set out of the tests: their home, and each variable that the program or a client reads."""

import atexit
import os
import shutil
import tempfile
from pathlib import Path

# What names the folders of tools, which a test may need, by what stands there in a home.
_OF_TOOLS = {
    "GOENV": ".config/go/env",
    "GOPATH": "go",
    "PIP_CONFIG_FILE": ".config/pip/pip.conf",
    "XDG_CACHE_HOME": ".cache",
}
_OF_PROGRAM = ("AI_PLATFORM_", "AZURE_", "BAO_", "GITHUB_", "KUBE", "PLATFORM_SECRETS_", "VAULT_")
_OF_TERMINAL = frozenset({"COLUMNS", "FORCE_COLOR", "NO_COLOR", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME"})
# What a task of the Makefile says to the tests.
_OF_TASKS = frozenset({"PLATFORM_SECRETS_DIST", "PLATFORM_SECRETS_PROOFS"})
# The suite of `make test-live` logs in as its person does.
_LIVE = "PLATFORM_SECRETS_TEST_"


def leave_home() -> None:
    """Give this process and its workers an empty home and none of those variables."""
    if "PYTEST_XDIST_WORKER" in os.environ or any(name.startswith(_LIVE) for name in os.environ):
        return
    home = Path.home()
    for name, place in _OF_TOOLS.items():
        if (home / place).exists():
            os.environ.setdefault(name, str(home / place))
    for name in [*os.environ]:
        if (name.startswith(_OF_PROGRAM) or name in _OF_TERMINAL) and name not in _OF_TASKS:
            del os.environ[name]
    os.environ["HOME"] = tempfile.mkdtemp(prefix="platform-secrets-home-")
    atexit.register(shutil.rmtree, os.environ["HOME"], ignore_errors=True)
