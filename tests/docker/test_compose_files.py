"""The compose files as both generations of docker-compose read them; needs no engine."""

import json
import re
import stat
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft7Validator, Draft202012Validator, ValidationError

from deploy import containers
from deploy.topics import SERVICES
from services.gateway.settings import weakness

ROOT = Path(__file__).parents[2]
FILES = ("docker-compose.yml", "docker-compose.three-brokers.yml")
SCHEMAS = {"compose-spec-1.29.json": Draft7Validator, "compose-spec-2.json": Draft202012Validator}
MAIN: dict[str, Any] = yaml.safe_load((ROOT / FILES[0]).read_text())["services"]
SECRET = re.compile(r"password|secret|jaas|token|key", re.IGNORECASE)


def faults(service: dict[str, Any]) -> set[str]:
    """What an operator would miss."""
    found = {wish for wish in ("restart", "mem_limit", "cpus", "logging") if wish not in service}
    one_shot = service.get("restart") == "no"
    if not one_shot and "test" not in service.get("healthcheck", {}):
        found.add("healthcheck")
    if not re.fullmatch(r"\$\{[A-Z_]+:-[^}]+\}", service.get("image", "")):
        found.add("image")
    for name, value in service.get("environment", {}).items():
        if SECRET.search(name) and not str(value).startswith("/run/secrets/") and not str(value).endswith("required;"):
            found.add(f"a literal {name}")
    for published in service.get("ports", []):
        if not published.startswith("127.0.0.1:"):
            found.add(f"{published} is open to every network")
    return found


def validate(file: dict[str, Any], schema: str) -> None:
    SCHEMAS[schema](json.loads((Path(__file__).parent / schema).read_text())).validate(file)


@pytest.mark.parametrize("schema", SCHEMAS)
@pytest.mark.parametrize("file", FILES)
def test_a_compose_file_follows_the_schema_of_both_generations(file: str, schema: str) -> None:
    validate(yaml.safe_load((ROOT / file).read_text()), schema)


@pytest.mark.parametrize("schema", SCHEMAS)
def test_a_misspelt_key_would_be_refused(schema: str) -> None:
    validate({"services": {"a": {"image": "b", "healthcheck": {}}}}, schema)
    with pytest.raises(ValidationError):
        validate({"services": {"a": {"image": "b", "healthchek": {}}}}, schema)


@pytest.mark.parametrize("name", MAIN)
def test_a_container_is_watched_limited_and_replaceable_and_holds_no_secret(name: str) -> None:
    assert faults(MAIN[name]) == set()


@pytest.mark.parametrize(
    "changed",
    [{"restart": None}, {"healthcheck": None}, {"mem_limit": None}, {"image": "postgres:18"}, {"environment": {"POSTGRES_PASSWORD": "postgres"}},
     {"ports": ["8080:8000"]}],
)  # fmt: skip
def test_a_careless_container_would_be_refused(changed: dict[str, Any]) -> None:
    assert faults({name: value for name, value in (MAIN["postgres"] | changed).items() if value is not None})


def test_every_service_has_its_two_processes_and_sees_only_its_own_secrets() -> None:
    for service in SERVICES:
        for process, module in (("web", "main"), ("worker", "worker")):
            container = MAIN[f"{service}-{process}"]
            assert container["command"] == ["python", "-m", f"services.{service}.{module}"]
            assert container["environment"]["ENTRAIDE_KAFKA_USER"] == service
            [mounted] = container["volumes"]
            assert re.fullmatch(rf"\$\{{ENTRAIDE_SECRETS:\?[^}}]*make secrets[^}}]*\}}/{service}", mounted["source"])
            assert mounted["read_only"]
    assert [name for name, container in MAIN.items() if container.get("ports")] == ["gateway-web"]


def test_three_brokers_are_three_in_the_eyes_of_everybody() -> None:
    override = yaml.safe_load((ROOT / FILES[1]).read_text())["services"]
    brokers = {name: override[name]["environment"] for name in ("kafka", "kafka-2", "kafka-3")}
    assert {settings.get("KAFKA_NODE_ID", MAIN["kafka"]["environment"]["KAFKA_NODE_ID"]) for settings in brokers.values()} == {1, 2, 3}
    assert {settings["KAFKA_MIN_INSYNC_REPLICAS"] for settings in brokers.values()} == {2}
    assert {settings["KAFKA_DEFAULT_REPLICATION_FACTOR"] for settings in brokers.values()} == {3}
    clients = {name for name, container in MAIN.items() if "ENTRAIDE_KAFKA_BOOTSTRAP" in container["environment"]}
    assert {name for name in override if not name.startswith("kafka")} == clients
    assert {override[name]["environment"]["ENTRAIDE_KAFKA_BOOTSTRAP"] for name in clients} == {"kafka:9092,kafka-2:9092,kafka-3:9092"}


def test_secrets_are_drawn_once_kept_from_neighbours_and_differ(tmp_path: Path) -> None:
    folder = tmp_path / "secrets"
    containers.write_secrets(folder)
    before = {file: file.read_text() for file in folder.rglob("*") if file.is_file()}
    containers.write_secrets(folder)
    assert {file: file.read_text() for file in folder.rglob("*") if file.is_file()} == before
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    drawn = [before[file] for file in before if file.parent.name == "passwords"]
    assert len(drawn) == len(set(drawn)) == 4 + 4 * len(SERVICES)
    assert not any(weakness(secret) for secret in drawn)
    assert {path.name for path in folder.iterdir()} == {*SERVICES, "passwords", "postgres", "kafka", "tickets"}


def test_a_missing_secret_is_made_again_and_the_others_stay(tmp_path: Path) -> None:
    containers.write_secrets(tmp_path)
    kept = (tmp_path / "intake" / "entraide_database_url").read_text()
    (tmp_path / "passwords" / "kafka-intake").unlink()
    (tmp_path / "intake" / "entraide_database_url").unlink()
    containers.write_secrets(tmp_path)
    assert (tmp_path / "intake" / "entraide_database_url").read_text() == kept
    assert (tmp_path / "intake" / "entraide_kafka_password").read_text() == (tmp_path / "passwords" / "kafka-intake").read_text()
