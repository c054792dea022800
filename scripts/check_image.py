"""Builds the image with buildah and runs it as a job does: as its user, on a read-only root, against a real OpenBao.

The base is the image that --base names, or Debian's python3 from mmdebstrap, which needs no registry. The check needs
root, but no daemon. If a program is missing, it says so and exits 0; with --base it exits 1.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from compiler.demo.local_openbao import LocalOpenBao  # noqa: E402 - run by path, without installing

if TYPE_CHECKING:
    from collections.abc import Mapping

IMAGE, USER, LARGEST = "localhost/platform-secrets", 65532, 150_000_000
# The build trusts what this machine trusts, such as the proxy in front of a package index.
CERTIFICATES = "/etc/ssl/certs/ca-certificates.crt"
CLIENTS = "import azure.identity, azure.keyvault.secrets, hvac, kubernetes, pyrage"
# A pod's file system: the image, read-only, and a volume at /mnt.
IN_POD = """
mount --bind "$1" "$1"; mount -o remount,bind,ro "$1"; mount --rbind /dev "$1/dev"; mount --bind "$2" "$1/mnt"
shift 2
exec chroot "$@"
"""


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--base", help="the image to build on")
    parser.add_argument("--arch", default={"aarch64": "arm64"}.get(platform.machine(), "amd64"), help="amd64 or arm64")
    parser.add_argument("--out", type=Path, help="keep the image in this file, an OCI archive")
    parser.add_argument("options", nargs="*", help="further options of the build")
    arguments = parser.parse_args()
    programs = ["buildah"] if arguments.base else ["buildah", "mmdebstrap"]
    reasons = [f"{program} is not installed" for program in programs if not shutil.which(program)]
    if os.geteuid():
        reasons.append("it needs root")
    if reasons:
        print(f"make image-check is skipped: {', '.join(reasons)}", file=sys.stderr)
        return int(bool(arguments.base))
    # Not in /tmp, which may be memory: the images take two gigabytes.
    with TemporaryDirectory(dir="/var/tmp") as folder:
        settings = Path(folder) / "storage.conf"
        settings.write_text(f'[storage]\ndriver = "vfs"\ngraphroot = "{folder}/images"\nrunroot = "{folder}/run"\n')
        os.environ |= {"CONTAINERS_STORAGE_CONF": str(settings), "BUILDAH_ISOLATION": "chroot"}
        base = arguments.base or make_base(arguments.arch)
        options = [
            f"--platform=linux/{arguments.arch}",
            f"--volume={CERTIFICATES}:{CERTIFICATES}:ro",
            *arguments.options,
        ]
        wanted = (f"IMAGE={IMAGE}", f"IMAGE_OPTIONS=--build-arg=BASE={base} {' '.join(options)}")
        build = ("make", "-C", str(ROOT), "image", "BUILDERS=buildah", *wanted)
        subprocess.run(build, check=True)
        archive = arguments.out or Path(folder) / "image.tar"
        run("buildah", "push", "--quiet", IMAGE, f"oci-archive:{archive}")
        size = archive.stat().st_size
        check_commands(Path(folder) / "project")
    print(f"{arguments.arch} on {base}: {size / 1e6:.0f} MB compressed, of at most {LARGEST / 1e6:.0f}")
    return int(size > LARGEST)


def make_base(arch: str) -> str:
    container = run("buildah", "from", "scratch")
    suite = platform.freedesktop_os_release()["VERSION_CODENAME"]
    options = ("--quiet", "--variant=minbase", f"--architectures={arch}")
    mount = run("buildah", "mount", container)
    run("mmdebstrap", *options, "--include=python3,python3-venv,ca-certificates", suite, mount)
    run("buildah", "config", f"--arch={arch}", container)
    run("buildah", "commit", "--quiet", "--rm", container, "localhost/base")
    return "localhost/base"


def check_commands(project: Path) -> None:
    """Run the image's commands on a new project. Raises CalledProcessError."""
    config = json.loads(run("buildah", "inspect", "--type=image", IMAGE))["OCIv1"]["config"]
    if config["User"] != f"{USER}:{USER}":
        raise SystemExit(f"error: the image's user is {config['User']}")
    mount = run("buildah", "mount", run("buildah", "from", "--pull-never", IMAGE))
    project.mkdir()
    shutil.chown(project, USER, USER)
    environment = {"HOME": "/"} | dict(each.split("=", 1) for each in config["Env"])

    def in_pod(*command: str) -> str:
        pod = ("unshare", "--mount", "sh", "-euc", IN_POD, "sh", mount, project)
        return run(*pod, f"--userspec={config['User']}", mount, *command, environment=environment)

    def program(*arguments: str) -> str:
        return in_pod(*config["Entrypoint"], "--root=/mnt", *arguments)

    with LocalOpenBao.start_dev(project.parent) as server:
        in_pod("python3", "-c", CLIENTS)
        in_pod(*config["Entrypoint"], "new", "project", "/mnt", "--name=shop", f"--server={server.url}")
        program("new", "secret", "db", "--key=PASSWORD", "--into=base")
        print(program("compile"))
        server.call("POST", "secret/data/shop/db", {"data": {"PASSWORD": "made-up-for-the-check"}})
        environment["VAULT_TOKEN"] = server.token
        print(program("verify", "dev"))


def run(*command: str | Path, environment: Mapping[str, str] | None = None) -> str:
    done = subprocess.run(list(map(str, command)), env=environment, stdout=subprocess.PIPE, text=True, check=True)
    return done.stdout.strip()


if __name__ == "__main__":
    sys.exit(main())
