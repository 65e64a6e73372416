"""A worker of a test in a process of its own, to be stopped and killed: `python -m tests.kit.process <role> <service>`."""

import asyncio
import sys
from datetime import timedelta

from services.kit import failpoints, worker
from services.kit.consumer import Consumer
from services.kit.db import Database, Transaction
from services.kit.deadlines import Deadlines
from services.kit.kafka import connection
from services.kit.mail import Mail
from services.kit.notify import Notifier
from services.kit.outbox import Lane
from services.kit.relay import Relay
from services.kit.settings import SendingSettings, ServiceSettings
from services.kit.subscriptions import Subscription, Table, Takes, every
from tests.kit.harness import TYPE, keep

ONE_BY_ONE = Table([Subscription("cases", (TYPE,), keep, Takes.ONE)])  # many calls in one batch, so that there is a middle


async def fire(tx: Transaction, key: str) -> None:
    await tx.conn.execute("insert into effect (source, key, seq, worker) values ('deadline', $1, 1, 'killed')", key)
    failpoints.hit("deadline.before_commit")


def main(role: str, service: str) -> None:
    if role == "worker":
        worker.run(service, ServiceSettings.read(), [every("cases", keep)])
    else:
        asyncio.run(one_loop(role, service))


async def one_loop(role: str, service: str) -> None:
    settings = ServiceSettings.read()
    db = await Database.connect(service, settings.database_url.get_secret_value(), size=4)
    match role:
        case "relay":
            await Relay(db, connection(settings), Lane.LIVE, asyncio.Event()).run()
        case "consume":
            await Consumer(db, connection(settings), "cases", ONE_BY_ONE).run()
        case "notify":
            sending = SendingSettings.read()
            await Notifier(db, {"email": Mail(sending).send}, night=(3, 3), first_wait=timedelta(seconds=1)).run()
        case "deadlines":
            await Deadlines(db, {"reminder": fire}).run()


main(*sys.argv[1:])
