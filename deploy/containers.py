"""The platform in containers: the files that they read their secrets from, and docker-compose."""

import getpass
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import typer

from deploy.embedded.process import StartFailed, own_folder
from deploy.passwords import password
from deploy.setup import FIRST_ACCOUNT
from deploy.supervisor import ROOT
from deploy.topics import SERVICES
from services.gateway.tokens import make_keys
from services.kit.web import vendor

SECRETS = ROOT / "deploy" / "secrets"
ENV = ROOT / ".env"  # docker-compose reads it by itself
LOCATION = "ENTRAIDE_SECRETS"
POSTGRES = "postgres:5432"


def up() -> None:
    """Raises `StartFailed`, or `SystemExit` after docker-compose's own words."""
    compose = compose_command()
    write_secrets()
    try:
        vendor.make()
    except vendor.VendorError as error:
        raise StartFailed(str(error)) from error
    if code := subprocess.call([*compose, "up", "--detach", "--build"], cwd=ROOT):
        subprocess.call([*compose, "logs", "--tail", "20", "setup"], cwd=ROOT)
        raise SystemExit(code)
    address = subprocess.run([*compose, "port", "gateway-web", "8000"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()
    typer.echo(f"It is at http://{address}. Sign in as {FIRST_ACCOUNT}; the password is in {SECRETS / 'passwords' / FIRST_ACCOUNT}")


def down() -> None:
    """Raises `StartFailed`, or `SystemExit` after docker-compose's own words."""
    if code := subprocess.call([*compose_command(), "down"], cwd=ROOT):
        raise SystemExit(code)


def are_there() -> bool:
    """Containers of ours, started and not taken down."""
    try:
        found = subprocess.run([*compose_command(), "ps", "--quiet"], cwd=ROOT, capture_output=True, text=True, check=False)
    except StartFailed:
        return False
    return found.returncode == 0 and bool(found.stdout.strip())


def go_on_inside(words: Sequence[str], files: Sequence[Path] = ()) -> int:
    """`entraide` with these words beside `setup`, the one container that has every password; its exit code.

    Only there are the databases and the broker: nothing but the gateway is open to this machine. Files that the words name are
    shown to it under other names, as copies, because its user is another than ours and may not read everything that we may.
    """
    compose = compose_command()
    port = subprocess.run([*compose, "port", "gateway-web", "8000"], cwd=ROOT, capture_output=True, text=True, check=False).stdout.strip()
    environment = {"ENTRAIDE_URL": f"http://{port}" if port else "", "LOGNAME": getpass.getuser(), "COLUMNS": str(shutil.get_terminal_size().columns)}
    options = [word for name, value in environment.items() for word in ("-e", f"{name}={value}")]
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        options.append("-T")
    with tempfile.TemporaryDirectory(prefix="entraide-") as folder:
        names = {}
        for serial, file in enumerate(files):
            copy = Path(shutil.copyfile(file, Path(folder, str(serial))))
            copy.chmod(0o644)  # below a folder that is closed to others
            names[file] = f"/files/{serial}/{file.name}"
            options += ["-v", f"{copy}:{names[file]}:ro"]
        inside = [names.get(Path(word), word) for word in words]
        return subprocess.call([*compose, "run", "--rm", "--no-deps", *options, "setup", "python", "-m", "deploy", *inside], cwd=ROOT)


def write_secrets(folder: Path = SECRETS) -> None:
    """Draws what is missing, and lays out what each container may see, a folder for each.

    `folder` is closed to everybody else on this machine. The files inside are not: a container's user is another than ours.
    """
    folder = own_folder(folder)
    folder.chmod(0o700)
    passwords = folder / "passwords"
    password(passwords, FIRST_ACCOUNT)
    _tell(folder / "postgres" / "superuser", password(passwords, "postgres-superuser"))
    _tell(folder / "kafka" / "admin", password(passwords, "kafka-admin"))
    _tell(folder / "gateway" / "entraide_csrf_secret", password(passwords, "csrf"))
    _, public_keys = make_keys(folder / "gateway")
    ticket_keys, public_ticket_keys = make_keys(folder / "tickets")
    _tell(folder / "reference" / "ticket-keys.json", ticket_keys.read_text())
    _tell(folder / "gateway" / "ticket-jwks.json", public_ticket_keys.read_text())
    for service in SERVICES:
        own = folder / service
        password(passwords, f"postgres-{service}_owner")
        _tell(own / "entraide_database_url", _address(service, "staff", passwords))
        _tell(own / "entraide_database_url_outside", _address(service, "outside", passwords))
        _tell(own / "entraide_kafka_password", password(passwords, f"kafka-{service}"))
        if own != public_keys.parent:
            _tell(own / public_keys.name, public_keys.read_text())
    for path in folder.rglob("*"):
        path.chmod(0o755 if path.is_dir() else 0o644)
    if folder == SECRETS:
        _tell_compose()


def _address(service: str, role: str, passwords: Path) -> str:
    name = f"{service}_{role}"
    return f"postgresql://{name}:{password(passwords, f'postgres-{name}')}@{POSTGRES}/entraide_{service}"


def _tell(file: Path, text: str) -> None:
    file.parent.mkdir(exist_ok=True)
    file.write_text(text)


def _tell_compose() -> None:
    lines = ENV.read_text().splitlines() if ENV.exists() else []
    if not any(line.startswith(f"{LOCATION}=") for line in lines):
        ENV.write_text("\n".join([*lines, f"{LOCATION}=./{SECRETS.relative_to(ROOT)}\n"]))


def compose_command() -> list[str]:
    """Version 1, or 2 as a plugin of docker."""
    if found := shutil.which("docker-compose"):
        return [found]
    docker = shutil.which("docker")
    if docker and subprocess.run([docker, "compose", "version"], capture_output=True, check=False).returncode == 0:
        return [docker, "compose"]
    raise StartFailed("docker-compose is missing: install it (apt-get install docker-compose), or run without containers by `make demo`.")
