"""The API as an object: its routes, its errors and its OpenAPI document."""

from __future__ import annotations

from typing import Any

from ninja import NinjaAPI
from ninja.openapi.schema import OpenAPISchema

from anomalies.web.problems import MEDIA_TYPE

from .audit.bundle import router as bundles
from .audit.log import router as audit
from .bulk import router as bulk
from .configs import router as configs
from .discussion.comments import router as comments
from .ingest import router as ingest
from .original.analytics import router as original_analytics
from .original.anomalies import router as original_anomalies
from .original.server import router as original_server
from .original.stream import router as original_stream
from .patterns import router as patterns
from .problems import add_handlers
from .reading import router as reading
from .rules.writing import router as rules
from .writing import router as writing


class Api(NinjaAPI):
    """A NinjaAPI whose document says that errors are problems (RFC 9457), not plain JSON."""

    def get_openapi_schema(self, **options: Any) -> OpenAPISchema:
        """Return the OpenAPI document."""
        document = super().get_openapi_schema(**options)
        for operations in document["paths"].values():
            for operation in operations.values():
                for status, response in operation["responses"].items():
                    if int(status) >= 400 and "content" in response:
                        response["content"] = {MEDIA_TYPE: response["content"]["application/json"]}
        return document


api = Api(
    title="Driftlock",
    version="1",
    description="Anomalies, and the decisions about them. Each operation names the scope of the token that "
    "it needs (x-scope); errors are problem details (RFC 9457).",
    urls_namespace="api",
)

original = Api(
    title="Driftlock, addresses of the original server",
    version="1",
    description="For clients of the original server; new ones use /api/v1/. See docs/api.md.",
    urls_namespace="original",
    docs_url=None,
)


def documents() -> list[OpenAPISchema]:
    """The OpenAPI documents of all operations."""
    return [api.get_openapi_schema(path_prefix="/api/"), original.get_openapi_schema(path_prefix="/v1/")]


for each in (api, original):
    add_handlers(each)
for router in (original_server, original_anomalies, original_analytics, original_stream):
    original.add_router("", router)
for router in (reading, bundles, patterns, rules, writing, comments, bulk, configs, audit, ingest):
    api.add_router("/v1", router)
