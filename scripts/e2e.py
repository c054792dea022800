"""Moves a platform on a real cluster from Vault to Key Vault and back, while every Secret is watched.

KUBECONFIG names the cluster, E2E_VAULT_STORE and E2E_KEY_VAULT_STORE its ClusterSecretStores; VAULT_ADDR, VAULT_TOKEN
and the variables of Azure let this machine into the same stores. Optional: E2E_OPERATOR (its version, such as 2.7),
E2E_HELM, E2E_IMAGE (of a pod that reads the Secrets) and E2E_TIMEOUT (of one wait). It uses a namespace and remote
names of its own, which it removes; values can be recovered. Exits 1 if a promise is broken, 3 if it cannot run.
"""

from __future__ import annotations

import os
import secrets
import signal
import subprocess
import sys
from argparse import ArgumentParser, RawDescriptionHelpFormatter
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from compiler.__main__ import leave_no_core  # noqa: E402
from compiler.cli.main import main as run_command  # noqa: E402 - a script is run by path
from compiler.cluster.view import ClusterError  # noqa: E402
from compiler.refusal import Refusal  # noqa: E402
from scripts.end_to_end.room import HelmError  # noqa: E402
from scripts.end_to_end.setting import MissingError, setting_of  # noqa: E402
from scripts.end_to_end.walk import BrokenPromiseError, CannotStartError, Walk  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import FrameType

OK, FOUND, COULD_NOT_RUN, INTERRUPTED = 0, 1, 3, 130


def main(argv: Sequence[str] = ()) -> int:
    """The whole run, on what the environment's variables name; returns the exit code. It takes no other option."""
    summary, _, names = (__doc__ or "").partition("\n\n")
    ArgumentParser(description=summary, epilog=names, formatter_class=RawDescriptionHelpFormatter).parse_args(argv)
    try:
        setting = setting_of(os.environ)
    except MissingError as error:
        print("e2e cannot run; what is missing:", file=sys.stderr)
        for line in error.lines:
            print(f"  {line}", file=sys.stderr)
        return COULD_NOT_RUN
    with TemporaryDirectory(prefix="platform-secrets-e2e-") as folder:
        walk = Walk(setting, f"platform-secrets-e2e-{secrets.token_hex(3)}", Path(folder), run_command, _say)
        code = _run_walk(walk)
    for line in walk.left:
        print(f"left behind: {line}", file=sys.stderr)
    return code or (FOUND if walk.left else OK)


def _run_walk(walk: Walk) -> int:
    try:
        with walk:
            events = walk.whole()
    except BrokenPromiseError as error:
        print(f"broken: {error}", file=sys.stderr)
        return FOUND
    except (CannotStartError, ClusterError, HelmError, Refusal, subprocess.TimeoutExpired) as error:
        print(f"cannot go on: {error}", file=sys.stderr)
        return COULD_NOT_RUN
    except KeyboardInterrupt:
        return INTERRUPTED
    print(f"Every Secret stayed as it was, at every moment; {events} events of Secrets and pods were seen.")
    return OK


def _say(line: str) -> None:
    print(line, flush=True)


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    leave_no_core()
    signal.signal(signal.SIGTERM, _interrupt)
    sys.exit(main(sys.argv[1:]))
