"""The client of the HTTP figures, the product's and the yardstick's: one more process, keep-alive connections, no waiting between
an answer and the next request. It parses only what it must (status and length), so that it is not what is measured:
`client_cpu` is the share of one core it used.
"""

import asyncio
import json
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from itertools import chain, cycle
from statistics import quantiles
from uuid import uuid4

import uvloop

Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@dataclass(frozen=True)
class Load:
    """POSTs `bodies` in turn, each with an Idempotency-Key of its own."""

    port: int
    path: str
    bodies: list[str]
    headers: dict[str, str] = field(default_factory=dict)
    clients: int = 16
    seconds: float = 4
    warm_up_s: float = 1


@dataclass(frozen=True)
class Served:
    per_s: float
    p50_ms: float
    p99_ms: float
    client_cpu: float


async def load(asked: Load) -> Served:
    """Raises RuntimeError with the answer's text when one is not 2xx."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.bench.load"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, errors = await process.communicate(json.dumps(asdict(asked)).encode())
    if process.returncode:
        raise RuntimeError(errors.decode())
    return Served(**json.loads(out))


def head(port: int, path: str, headers: Mapping[str, str]) -> str:
    named = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Type: application/json\r\n{named}"


async def post(connection: Connection, head: str, body: bytes) -> bytes:
    """The answer's body. Raises RuntimeError with the answer's text when it is not 2xx."""
    reader, writer = connection
    writer.write(f"{head}Idempotency-Key: {uuid4()}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)
    answer = (await reader.readuntil(b"\r\n\r\n")).lower()
    _, found, length = answer.partition(b"content-length:")
    text = await reader.readexactly(int(length.split(b"\r\n", 1)[0])) if found else b""
    if answer[9:10] != b"2":
        raise RuntimeError((answer + text).decode())
    return text


async def client(asked: Load, bodies: "cycle[bytes]", measured_from: float, until: float) -> list[float]:
    """Answer times in seconds of the requests begun after `measured_from`."""
    connection = await asyncio.open_connection("127.0.0.1", asked.port)
    sent = head(asked.port, asked.path, asked.headers)
    took = []
    while (began := time.perf_counter()) < until:
        await post(connection, sent, next(bodies))
        if began >= measured_from:
            took.append(time.perf_counter() - began)
    connection[1].close()
    return took


async def serve_load(asked: Load) -> Served:
    bodies = cycle([body.encode() for body in asked.bodies])
    measured_from = time.perf_counter() + asked.warm_up_s
    until = measured_from + asked.seconds
    cpu = time.process_time()
    each = await asyncio.gather(*(client(asked, bodies, measured_from, until) for _ in range(asked.clients)))
    took = list(chain.from_iterable(each))
    cpu = (time.process_time() - cpu) / (asked.warm_up_s + asked.seconds)
    cuts = quantiles(took, n=100)
    return Served(len(took) / asked.seconds, cuts[49] * 1000, cuts[98] * 1000, cpu)


if __name__ == "__main__":
    print(json.dumps(asdict(uvloop.run(serve_load(Load(**json.load(sys.stdin)))))))
