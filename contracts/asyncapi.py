"""The AsyncAPI 3.0 document: a channel per topic, a message per event, card and delivery, what each service sends and receives."""

from typing import Any

from contracts.deliveries import MissionDocument
from contracts.envelope import CONTENT_TYPE
from contracts.json_schema import Model, key, models, owner, says, shared_schemas, topics
from contracts.readers import reads
from contracts.registry import ANY_SERVICE, SERVICES

Node = dict[str, Any]

WEEK_MS = 7 * 24 * 3600 * 1000
FOR_EVER = {"cleanup.policy": ["delete"], "retention.ms": -1}
COMPACTED = {"cleanup.policy": ["compact"], "retention.ms": -1, "delete.retention.ms": WEEK_MS}
TOPICS: dict[str, tuple[str, Node]] = {
    "cases": ("All that happens to cases, from every service, in one order per case.", FOR_EVER),
    "principals": ("Principals and their terms.", FOR_EVER),
    "members": ("Members without the person.", FOR_EVER),
    "contracts": ("Contracts and their guarantees.", FOR_EVER),
    "providers": ("Providers, their services and areas.", FOR_EVER),
    "tariffs": ("Dated tariffs.", FOR_EVER),
    "invoices": ("Invoices, credit notes and payments.", FOR_EVER),
    "users": ("Accounts without the person.", FOR_EVER),
    "tasks": ("Tasks that concern no case.", FOR_EVER),
    "cards": ("Personal data, and the only place for it. A record without a value is a tombstone.", COMPACTED),
}
PARTITIONS = 12
BINDING = "0.5.0"
HEADERS = {
    "ce_specversion": {"type": "string", "const": "1.0"},
    "ce_id": {"type": "string", "format": "uuid", "description": "A UUIDv7."},
    "ce_source": {"type": "string", "enum": list(SERVICES)},
    "ce_type": {"type": "string", "examples": ["intake.case_opened.v1"]},
    "ce_time": {"type": "string", "format": "date-time"},
    "ce_subject": {"type": "string", "description": "The record's key again."},
    "ce_dataschema": {"type": "string", "examples": ["urn:entraide:intake.case_opened:1"]},
    "ce_seq": {
        "type": "string",
        "pattern": "^[0-9]+$",
        "description": "Gapless per source, topic and key. Of a card: its version. Of a delivery: its position.",
    },
    "ce_row": {"type": "string", "pattern": "^[0-9]+$", "description": "The row of the source's outbox."},
    "ce_correlationid": {"type": "string", "format": "uuid"},
    "ce_causationid": {"type": "string", "format": "uuid"},
    "traceparent": {"type": "string", "description": "W3C trace context."},
}


def document(version: str) -> Node:
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Entraide: the log",
            "version": version,
            "description": "Events are CloudEvents 1.0 in Kafka binary mode with a JSON body of at most 256 KiB. "
            "Personal data travels only in cards. Fields without a value are left out. Readers ignore fields they do not know.",
        },
        "defaultContentType": CONTENT_TYPE,
        "servers": {
            "log": {
                "host": "{bootstrap}",
                "protocol": "kafka",
                "variables": {"bootstrap": {"default": "localhost:9092"}},
                "security": [{"$ref": "#/components/securitySchemes/scram"}],
            }
        },
        "channels": {topic: _channel(topic) for topic in TOPICS} | {"provider_missions": _provider_channel()},
        "operations": _operations(),
        "components": {
            "securitySchemes": {"scram": {"type": "scramSha512"}},
            "messageTraits": {"cloudevent": {"headers": {"type": "object", "properties": HEADERS, "required": list(HEADERS)}}},
            "messages": {name: _message(name, model) for name, model in models().items()},
            "schemas": shared_schemas("#/components/schemas/{model}"),
        },
    }


def _channel(topic: str) -> Node:
    about, settings = TOPICS[topic]
    return {
        "address": topic,
        "description": about,
        "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in _on(topic)},
        "bindings": {"kafka": {"topic": topic, "partitions": PARTITIONS, "topicConfiguration": settings, "bindingVersion": BINDING}},
    }


def _on(topic: str) -> list[str]:
    return [name for name, model in models().items() if topic in topics(model)]


def _provider_channel() -> Node:
    return {
        "address": MissionDocument.TOPIC,
        "description": "One provider's own missions, for providers with that door; its user reads nothing else.",
        "parameters": {"provider_id": {"description": "The provider's id."}},
        "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in _on(MissionDocument.TOPIC)},
        "bindings": {"kafka": {"partitions": 1, "topicConfiguration": {"retention.ms": WEEK_MS}, "bindingVersion": BINDING}},
    }


def _message(name: str, model: Model) -> Node:
    urn = "urn:entraide:" + name.replace(".v", ":")
    return {
        "name": name,
        "title": name,
        "summary": says(model),
        "contentType": CONTENT_TYPE,
        "headers": {"type": "object", "properties": {"ce_type": {"const": name}, "ce_dataschema": {"const": urn}}},
        "payload": {"$ref": f"#/components/schemas/{model.__name__}"},
        "bindings": {"kafka": {"key": {"type": "string", "description": key(model)}, "bindingVersion": BINDING}},
        "traits": [{"$ref": "#/components/messageTraits/cloudevent"}],
    }


def _operations() -> Node:
    found: Node = {}
    for service in SERVICES:
        sent = {name for name, model in models().items() if owner(model) in (service, ANY_SERVICE)}
        received = set(reads().get(service, ()))
        for topic in TOPICS:
            for action, names in (("send", sent), ("receive", received)):
                if carried := [name for name in _on(topic) if name in names]:
                    found[f"{service}_{action}_{topic}"] = _operation(action, topic, carried)
    found["dispatch_send_provider_missions"] = _operation("send", "provider_missions", _on(MissionDocument.TOPIC))
    return found


def _operation(action: str, channel: str, names: list[str]) -> Node:
    return {
        "action": action,
        "channel": {"$ref": f"#/channels/{channel}"},
        "messages": [{"$ref": f"#/channels/{channel}/messages/{name}"} for name in names],
    }
