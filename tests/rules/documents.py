"""House rules about what the doors take, read from their OpenAPI documents: pages and what else is not published included."""

from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.routing import RouteContext, iter_route_contexts

from services.gateway.tokens import make_keys

LOWEST, HIGHEST = {"minimum", "exclusiveMinimum"}, {"maximum", "exclusiveMaximum"}


class _Shown(RouteContext):
    include_in_schema = True


def app_of(service: str, folder: Path) -> FastAPI:
    """The service's app, which cannot be run. Its keys are written to the folder."""
    signing, public = make_keys(folder)
    nowhere = dict.fromkeys(("database_url", "database_url_outside", "kafka_bootstrap", "kafka_user", "kafka_password", "csrf_secret"), "x")
    settings: dict[str, Any] = nowhere | {"jwks_file": public, "signing_keys_file": signing, "services": {}, "demo": True}
    main = import_module(f"services.{service}.main")
    made = import_module(f"services.{service}.settings").Settings
    app: FastAPI = main.create(made.model_validate({name: settings[name] for name in made.model_fields if name in settings}))
    return app


def document(app: FastAPI) -> dict[str, Any]:
    found = (_Shown(route.route, route._route_context) for route in iter_route_contexts(app.routes))
    routes = [route for route in found if route.methods and route.path != "/{path:path}"]  # the gateway's refusal: any method
    return get_openapi(title=app.title, version="test", routes=routes)


def unbounded(described: dict[str, Any]) -> set[str]:
    """Where a request may hold an integer without lowest and highest value, or anything at all."""
    return set(_unbounded(described))


def _unbounded(described: dict[str, Any]) -> Iterator[str]:
    for path, methods in described["paths"].items():
        for method, operation in methods.items():
            here = f"{method} {path}"
            for parameter in operation.get("parameters", []):
                yield from _loose(parameter["schema"], f"{here} {parameter['name']}", described, ())
            for content in operation.get("requestBody", {}).get("content", {}).values():
                yield from _loose(content["schema"], f"{here} body", described, ())


def _loose(schema: dict[str, Any] | bool, where: str, described: dict[str, Any], inside: tuple[str, ...]) -> Iterator[str]:
    if schema is False:  # nothing at all
        return
    if not isinstance(schema, dict) or not schema.keys() - {"title", "description", "default"}:
        yield f"{where}: anything"
        return
    if reference := schema.get("$ref"):
        name = reference.rpartition("/")[2]
        if name not in inside:
            yield from _loose(described["components"]["schemas"][name], where, described, (*inside, name))
        return
    if schema.get("type") == "integer" and not (schema.keys() & LOWEST and schema.keys() & HIGHEST):
        yield f"{where}: integer"
    for name, part in schema.get("properties", {}).items():
        yield from _loose(part, f"{where}.{name}", described, inside)
    parts = [*schema.get("anyOf", []), *schema.get("allOf", []), *schema.get("oneOf", [])]
    parts += [schema[name] for name in ("items", "additionalProperties") if name in schema]
    for part in parts:
        yield from _loose(part, where, described, inside)
