"""Serves the local Key Vault alone, for a trial beside a checkout: `python -m tests.key_vault_program --help`."""

import argparse
import signal
import sys
import threading

from compiler.__main__ import leave_no_core
from tests.faulty_key_vault import FaultyKeyVault, Limits, Policy, VaultOptions


def main(arguments: list[str]) -> int:
    """Serve until interrupted or terminated; prints what to export, and the URL as the last line."""
    parser = argparse.ArgumentParser(prog="python -m tests.key_vault_program", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="port on 127.0.0.1 (default: any free one)")
    parser.add_argument("--no-limits", action="store_true", help="admit any number of requests")
    parser.add_argument("--require-expiry", action="store_true", help="deny a secret without an expiry date")
    parser.add_argument("--max-validity", type=int, metavar="DAYS", help="deny an expiry date that is further ahead")
    parser.add_argument("--min-validity", type=int, metavar="DAYS", help="deny an expiry date that is nearer")
    parser.add_argument("--require-content-type", action="store_true", help="deny a secret without a content type")
    parsed = parser.parse_args(arguments)
    ended = threading.Event()
    # By name, since a shell starts a background program with interrupts ignored.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda _number, _frame: ended.set())
    limits = Limits(None, None) if parsed.no_limits else Limits()
    policy = Policy(parsed.require_expiry, parsed.max_validity, parsed.min_validity, parsed.require_content_type)
    try:
        local = FaultyKeyVault(VaultOptions(limits=limits, policy=policy, port=parsed.port))
    except OSError as error:
        parser.exit(1, f"cannot listen on port {parsed.port}: {error.strerror}; name another with --port\n")
    with local as vault:
        for name, value in vault.environ(lifetime=86_400.0).items():
            # For `eval`: these values are made here and need no quotes.
            sys.stdout.write(f"export {name}={value}\n")
        sys.stdout.write(f"# {vault.url}\n")
        sys.stdout.flush()
        ended.wait()
    return 0


if __name__ == "__main__":
    leave_no_core()
    sys.exit(main(sys.argv[1:]))
