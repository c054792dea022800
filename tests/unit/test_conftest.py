import os
import re
import subprocess
import sys
from pathlib import Path

from hypothesis import settings

TESTS = Path(__file__).resolve().parents[1]


def test_no_example_has_a_deadline_that_a_busy_machine_would_miss() -> None:
    assert settings().deadline is None
    assert settings(max_examples=1).deadline is None
    own = re.compile(r"^@settings\([^)]*(deadline|suppress_health_check)", re.MULTILINE)
    assert [path.name for path in TESTS.rglob("test_*.py") if own.search(path.read_text("utf-8"))] == []


def test_what_a_person_has_set_changes_no_test(tmp_path: Path) -> None:
    (tmp_path / ".vault-token").write_text("x", "utf-8")
    (tmp_path / ".kube").mkdir()
    (tmp_path / ".kube/config").write_text("current-context: production\n", "utf-8")
    hostile = {
        "HOME": str(tmp_path),
        "AI_PLATFORM_SECRET_STORE": "azure",
        "AZURE_KEYVAULT_NAME": "of-somebody",
        "GITHUB_ACTIONS": "true",
        "KUBECONFIG": str(tmp_path / ".kube/config"),
        "NO_COLOR": "1",
        "VAULT_ADDR": "https://vault.example.com",
        "VAULT_NAMESPACE": "team",
        "XDG_STATE_HOME": str(tmp_path),
    }
    # The file of which most tests saw what is set above.
    words = ("-m", "pytest", "tests/unit/cli/commands/test_rotate.py", "-q", "-p", "no:cacheprovider", "-p", "no:cov")
    # As a person starts them, and not one of the workers.
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    environment = {**inherited, **hostile}
    done = subprocess.run(
        [sys.executable, *words], cwd=TESTS.parent, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout[-2000:]
