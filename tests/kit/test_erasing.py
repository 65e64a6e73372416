"""What delivery holds of a person is blanked at once, and nothing else is."""

import json

from services.kit import erasing, parking
from services.kit.clock import new_id
from services.kit.parking import Raw
from tests.kit.harness import Lab

PERSON = {"name": "Aldegonde Ménard", "phones": ["+33639987345"], "n": 3, "short": "x"}


def test_texts_are_those_long_enough_to_be_in_nothing_else() -> None:
    assert erasing.texts_of(PERSON, ["là-haut"], None) == {"Aldegonde Ménard", "+33639987345", "là-haut"}


async def test_cards_that_were_written_or_wait_are_blanked_by_key_and_by_what_they_are_about(lab: Lab) -> None:
    gone, about, kept = (new_id() for _ in range(3))
    async with lab.sender.db.transaction() as tx:
        for one in (gone, kept):
            await tx.conn.execute(
                "insert into kit.outbox (aggregatetype, aggregateid, seq, type, event_id, payload, correlation_id, causation_id, traceparent, at)"
                " values ('cards', $1, 1, 'card.member.v1', $2, $3, $2, $2, '-', now())",
                *(f"member:{one}", new_id(), json.dumps(PERSON).encode()),
            )
        for key, value in ((f"member:{gone}", b"{}"), (f"note:{new_id()}", json.dumps({"case_id": about}).encode()), (f"case:{kept}", b"{}")):
            raw = Raw("cards", 0, 1, key.encode(), (), value)
            await parking.add(tx, raw, "reference", "card.member.v1", 1, "failed", "test")
        await erasing.blank_cards(tx.conn, [f"member:{gone}"], [about])
        written = await tx.conn.fetch("select aggregateid from kit.outbox where aggregatetype = 'cards' and payload is not null")
        waits = await tx.conn.fetch("select key from kit.parked where topic = 'cards' and value is not null")
        assert ([row["aggregateid"] for row in written], [row["key"] for row in waits]) == ([f"member:{kept}"], [f"case:{kept}"])
        await tx.conn.execute("delete from kit.outbox where aggregatetype = 'cards'")
        await tx.conn.execute("delete from kit.unsent where topic = 'cards'")


async def test_a_delivery_loses_what_names_the_person_and_keeps_the_rest(lab: Lab) -> None:
    mission, other = new_id(), new_id()
    topic = f"provider.{new_id()}.missions"
    async with lab.sender.db.transaction() as tx:
        for position, key in enumerate((mission, other), 1):
            body = json.dumps({"service": "towing", "contact": PERSON}).encode()
            tx.outbox.add_delivery(topic, key, "dispatch.mission.v1", body, position, tx.cause)
        await tx.flush()
        await erasing.blank_deliveries(tx.conn, [mission], "contact")
        rows = await tx.conn.fetch("select payload from kit.outbox where aggregatetype = $1 order by id", topic)
        assert [sorted(json.loads(row["payload"])) for row in rows] == [["service"], ["contact", "service"]]
        await tx.conn.execute("delete from kit.outbox where aggregatetype = $1", topic)
        await tx.conn.execute("delete from kit.unsent where topic = $1", topic)


async def test_an_answer_that_was_kept_loses_its_body_and_the_command_stays_done(lab: Lab) -> None:
    bodies = {"html": "<b>Aldegonde Ménard</b>", "json": json.dumps({"name": "Aldegonde Ménard"}, ensure_ascii=False), "other": "somebody else"}
    async with lab.sender.db.transaction() as tx:
        for key, body in bodies.items():
            await tx.conn.execute("insert into kit.idempotency values ('erasing', 'POST /x', $1, '', 200, '{}', $2, now())", key, body.encode())
        await erasing.blank_answers(tx.conn, ["Aldegonde Ménard"])
        left = await tx.conn.fetch("select key, convert_from(body, 'UTF8') as body from kit.idempotency where caller = 'erasing' order by key")
    assert {row["key"]: row["body"] for row in left} == {"html": "", "json": "", "other": "somebody else"}
