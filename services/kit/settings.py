"""What every process of a service is told: by environment variables `ENTRAIDE_…`, or by files of the same name in a secrets folder."""

import os
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

SECRETS = Path("/run/secrets")


class ServiceSettings(BaseSettings):
    """A secret has no default: without it the process does not start, and says which is missing."""

    model_config = SettingsConfigDict(env_prefix="ENTRAIDE_", extra="ignore")

    database_url: SecretStr  # role <service>_staff
    database_url_outside: SecretStr  # role <service>_outside, under row-level security
    kafka_bootstrap: str
    kafka_user: str
    kafka_password: SecretStr
    jwks_file: Path
    http_host: str = "127.0.0.1"
    http_port: int = 0  # 0: any free port
    http_fd: int | None = None  # a listening socket handed over by the supervisor, instead of host and port
    ops_port: int | None = None  # health and metrics of a web process apart from its door, 0: on any port; none: beside its routes
    worker_port: int | None = None  # health and metrics of the worker
    instance: str = "1"  # of several equal processes
    pool_size: int = 8
    traces: bool = False
    log_level: str = "info"

    @classmethod
    def read(cls) -> Self:
        folder = Path(os.environ.get("ENTRAIDE_SECRETS_DIR", SECRETS))
        return cls(_secrets_dir=folder if folder.is_dir() else None)


class SendingSettings(ServiceSettings):
    """Of a service that sends mail or SMS. Without host or address the channel is missing: what should go by it waits."""

    mail_host: str = ""
    mail_port: int = 587
    mail_tls: Literal["starttls", "tls", "none"] = "starttls"
    mail_user: str = ""
    mail_password: SecretStr | None = None
    mail_from: str = "Entraide <ne-pas-repondre@entraide.invalid>"
    sms_url: str = ""
    sms_token: SecretStr | None = None
    sms_from: str = "Entraide"
    quiet_from: Annotated[int, Field(ge=0, le=23)] = 21  # o'clock, where the recipient lives: what is not urgent waits for the morning
    quiet_until: Annotated[int, Field(ge=0, le=23)] = 8
