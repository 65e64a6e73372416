"""A mail server and an SMS operator of a test's own: they keep what they are sent, and refuse what they are told to."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any, cast

from aiosmtpd.smtp import SMTP, Envelope, Session


class Postbox:
    """`answers`: what the next mails are answered instead of being taken, to RCPT first and to DATA then; None takes."""

    def __init__(self) -> None:
        self.mails: list[EmailMessage] = []
        self.to_rcpt: list[str | None] = []
        self.to_data: list[str | None] = []
        self.port = 0

    @classmethod
    @asynccontextmanager
    async def open(cls) -> AsyncIterator["Postbox"]:
        box = cls()
        loop = asyncio.get_running_loop()
        server = await loop.create_server(lambda: SMTP(box, loop=loop, enable_SMTPUTF8=True), "127.0.0.1", 0)
        box.port = server.sockets[0].getsockname()[1]
        try:
            yield box
        finally:
            server.close()

    @property
    def environment(self) -> dict[str, str]:
        return {"ENTRAIDE_MAIL_HOST": "127.0.0.1", "ENTRAIDE_MAIL_PORT": str(self.port), "ENTRAIDE_MAIL_TLS": "none"}

    def to(self, address: str) -> list[EmailMessage]:
        return [mail for mail in self.mails if mail["To"] == address]

    async def handle_RCPT(self, _: SMTP, __: Session, envelope: Envelope, address: str, ___: list[str]) -> str:
        if refusal := self.to_rcpt.pop(0) if self.to_rcpt else None:
            return refusal
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, _: SMTP, __: Session, envelope: Envelope) -> str:
        if refusal := self.to_data.pop(0) if self.to_data else None:
            return refusal
        content = envelope.content
        assert isinstance(content, bytes)
        self.mails.append(cast(EmailMessage, message_from_bytes(content, policy=policy.default)))
        return "250 OK"


class Operator:
    """`statuses`: what the next SMS are answered; 200 when there is none."""

    def __init__(self) -> None:
        self.taken: list[tuple[dict[str, str], dict[str, Any]]] = []
        self.statuses: list[int] = []
        self.port = 0

    @classmethod
    @asynccontextmanager
    async def open(cls) -> AsyncIterator["Operator"]:
        operator = cls()
        server = await asyncio.start_server(operator._answer, "127.0.0.1", 0)
        operator.port = server.sockets[0].getsockname()[1]
        try:
            yield operator
        finally:
            server.close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/messages"

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:] if line)}
        body = json.loads(await reader.readexactly(int(headers["content-length"])))
        status = self.statuses.pop(0) if self.statuses else 200
        self.taken.append((headers, body))
        writer.write(f"HTTP/1.1 {status} X\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode())
        await writer.drain()
        writer.close()
