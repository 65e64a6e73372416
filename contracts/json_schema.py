"""JSON Schema 2020-12 of every event, card and delivery, as it travels. Generated from the models and committed."""

from typing import Any

from pydantic.json_schema import GenerateJsonSchema, models_json_schema

from contracts.cards import CARDS, TOPIC, Card, type_of
from contracts.deliveries import DELIVERIES, Delivery
from contracts.registry import ANY_SERVICE, Event, load

Schema = dict[str, Any]
Model = type[Event] | type[Card] | type[Delivery]


class Untitled(GenerateJsonSchema):
    """Without a title on each field that only repeats its name."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False


def models() -> dict[str, Model]:
    """Every event, card and delivery under its full name, in this order, each sorted."""
    events: dict[str, Model] = dict(sorted(load().items()))
    return events | {type_of(kind): CARDS[kind] for kind in sorted(CARDS)} | dict(sorted(DELIVERIES.items()))


def owner(model: Model) -> str:
    return model.EVENT.owner if issubclass(model, Event) else model.WRITER


def topics(model: Model) -> tuple[str, ...]:
    """Where it may travel: tasks go to their case, or to a topic of their own when no case is concerned."""
    if issubclass(model, Card):
        return (TOPIC,)
    if issubclass(model, Delivery):
        return (model.TOPIC,)
    return ("cases", "tasks") if model.EVENT.owner == ANY_SERVICE else (model.EVENT.topic,)


def key(model: Model) -> str:
    if issubclass(model, Card):
        return f"{model.KIND}:<id>"
    if issubclass(model, Delivery):
        return model.KEY
    return f"case_id or {model.EVENT.key_field}" if model.EVENT.owner == ANY_SERVICE else model.EVENT.key_field


def says(model: Model) -> str:
    """The docstring on one line."""
    return " ".join((model.__doc__ or "").split())


def schema(full_name: str, model: Model) -> Schema:
    name, _, version = full_name.rpartition(".v")
    body = model.model_json_schema(mode="serialization", schema_generator=Untitled)
    head = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"urn:entraide:{name}:{version}",
        "title": full_name,
        "description": says(model),
        "x-owner": owner(model),
        "x-topics": list(topics(model)),
        "x-key": key(model),
    }
    return head | {word: value for word, value in body.items() if word not in head}


def shared_schemas(ref_template: str) -> dict[str, Schema]:
    """All models and what they are made of, each once under its class name, for a document that holds them together."""
    asked = [(model, "serialization") for model in models().values()]
    _, together = models_json_schema(asked, ref_template=ref_template, schema_generator=Untitled)  # type: ignore[arg-type] # invariant list
    definitions: dict[str, Schema] = together["$defs"]
    return dict(sorted(definitions.items()))
