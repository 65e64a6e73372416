"""The AsyncAPI document is true of topics, senders and readers; `tests/contracts/asyncapi/check` judges its form."""

from typing import Any

from contracts.asyncapi import PARTITIONS, TOPICS, document
from contracts.json_schema import models, topics
from contracts.readers import reads
from deploy import topics as deployed

DOCUMENT = document("1.0.0")


def test_it_names_the_topics_that_are_deployed_with_their_settings() -> None:
    assert set(TOPICS) == set(deployed.TOPICS)
    assert PARTITIONS == deployed.PARTITIONS
    for topic, (_, settings) in TOPICS.items():
        told = {word: ",".join(value) if isinstance(value, list) else str(value) for word, value in settings.items()}
        assert told.items() <= deployed.TOPICS[topic].items(), topic


def test_everything_is_on_each_of_its_topics() -> None:
    channels = DOCUMENT["channels"].values()
    for name, model in models().items():
        assert sorted(channel["address"] for channel in channels if name in channel["messages"]) == sorted(topics(model))


def test_every_service_receives_what_it_keeps_an_example_of() -> None:
    for service, names in reads().items():
        assert _carried(service, "receive") == set(names)


def test_every_message_has_exactly_its_owner_as_sender_except_tasks() -> None:
    assert "intake.case_opened.v1" in _carried("intake", "send")
    assert "intake.case_opened.v1" not in _carried("tracking", "send")
    assert all("common.task_opened.v1" in _carried(service, "send") for service in reads())


def _carried(service: str, action: str) -> set[str]:
    operations: list[dict[str, Any]] = [operation for name, operation in DOCUMENT["operations"].items() if name.startswith(f"{service}_{action}_")]
    return {message["$ref"].rpartition("/")[2] for operation in operations for message in operation["messages"]}
