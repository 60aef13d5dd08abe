"""Write the Python client of the HTTP API from its OpenAPI document: clients/python/driftlock_client.py.

    python scripts/python_client.py          write it
    python scripts/python_client.py --check  exit with 1 where it is not what the document gives

The client is one module that needs Python's standard library only: a TypedDict for each schema, and a method
for each operation, named as the document's summary.
"""

from __future__ import annotations

import keyword
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
CLIENT = ROOT / "clients" / "python" / "driftlock_client.py"
_PLAIN = {"string": "str", "integer": "int", "number": "float", "boolean": "bool", "null": "None"}
_HEADER = '''"""A typed client of Driftlock's HTTP API, written by scripts/python_client.py. Do not edit it.

    client = Driftlock("https://driftlock.example.org", token)
    page = client.list_anomalies(status=["pending"], limit=50)

An answer of 400 and above raises ApiError with its problem (RFC 9457). Times and ids are texts, as in JSON.
"""

from __future__ import annotations

import json
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Mapping
from typing import Any, Literal, NotRequired, TypedDict, cast

Send = Callable[[str, str, dict[str, str], bytes | None], tuple[int, bytes]]


class ApiError(Exception):
    """An answer of 400 and above: its status, and its problem as an object."""

    def __init__(self, status: int, problem: dict[str, Any]) -> None:
        super().__init__(f"{status}: {problem.get('detail', '')}")
        self.status = status
        self.problem = problem
'''
_CLASS = '''
class Driftlock:
    """The operations of the API, in the name of a token. ``send`` makes a request; tests give their own."""

    def __init__(self, url: str, token: str, send: Send | None = None, timeout: float = 30.0) -> None:
        if not url.startswith(("http://", "https://")):
            raise ValueError("the URL of Driftlock begins with http:// or https://")
        self._url = url.rstrip("/")
        self._token = token
        self._send = send or self._over_http
        self._timeout = timeout

    def _over_http(
        self, method: str, url: str, headers: dict[str, str], body: bytes | None
    ) -> tuple[int, bytes]:
        request = urllib.request.Request(url, body, headers, method=method)  # noqa: S310
        try:
            with urllib.request.urlopen(request, timeout=self._timeout) as answer:  # noqa: S310
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read()

    def _call(
        self,
        method: str,
        path: str,
        query: Mapping[str, Any],
        headers: Mapping[str, str | None],
        body: Any = None,
        media_type: str = "",
    ) -> Any:
        given = {name: _text(value) for name, value in query.items() if value is not None}
        address = f"{self._url}{path}" + (f"?{urllib.parse.urlencode(given, doseq=True)}" if given else "")
        sent = {name: value for name, value in headers.items() if value is not None}
        sent |= {"Authorization": f"Bearer {self._token}"}
        if media_type:
            sent |= {"Content-Type": media_type}
            body = json.dumps(body).encode() if media_type == "application/json" else body
        status, content = self._send(method, address, sent, body)
        if status >= 400:
            raise ApiError(status, _problem(content))
        return json.loads(content) if content else None
'''
_FOOTER = """

def _text(value: Any) -> Any:
    if isinstance(value, list):
        return [_text(each) for each in value]
    return str(value).lower() if isinstance(value, bool) else value


def _quoted(value: str | int) -> str:
    return urllib.parse.quote(str(value), safe="")


def _problem(content: bytes) -> dict[str, Any]:
    try:
        found = json.loads(content)
    except ValueError:
        found = None
    return found if isinstance(found, dict) else {"detail": content[:500].decode(errors="replace")}
"""


def written(document: dict[str, Any]) -> str:
    """The text of the client for an OpenAPI document."""
    schemas = document["components"]["schemas"]
    shapes = [_shape(name, schema) for name, schema in sorted(schemas.items())]
    methods = [
        _method(method.upper(), path, operation)
        for path, found in document["paths"].items()
        for method, operation in found.items()
    ]
    text = "\n\n".join([_HEADER, *shapes, _CLASS]) + "\n".join(["", *methods]) + _FOOTER
    command = [sys.executable, "-m", "ruff", "format", "--stdin-filename", CLIENT.name, "-"]
    done = subprocess.run(command, input=text, capture_output=True, text=True, check=True, cwd=ROOT)
    return done.stdout


def _shape(name: str, schema: dict[str, Any]) -> str:
    """A schema as a TypedDict, or as an alias of its values."""
    if "properties" not in schema:
        return f"{name} = {_type(schema)}"
    required = schema.get("required", [])
    fields = [
        f"    {key}: {_type(value) if key in required else f'NotRequired[{_type(value)}]'}"
        for key, value in schema["properties"].items()
    ]
    return "\n".join([f"class {name}(TypedDict):", f"    {_said(schema)}\n", *fields])


def _said(about: dict[str, Any]) -> str:
    """A description's first sentence or line as a docstring."""
    first = " ".join(about.get("description", about.get("title", "")).split("\n\n")[0].split())
    text = re.split(r"(?<=\.) ", first)[0]
    return f'"""{text}"""' if len(text) < 95 else f'"""{text[:90].rsplit(" ", 1)[0]} …"""'


def _type(schema: dict[str, Any]) -> str:
    """The Python type of a schema, as an annotation."""
    if "$ref" in schema:
        return str(schema["$ref"].rpartition("/")[2])
    if "enum" in schema or "const" in schema:
        values = schema.get("enum", [schema.get("const")])
        return f"Literal[{', '.join(map(repr, values))}]"
    if "anyOf" in schema:
        return " | ".join(dict.fromkeys(_type(each) for each in schema["anyOf"]))
    kind = schema.get("type")
    if kind == "array":
        return f"list[{_type(schema.get('items', {}))}]"
    if kind == "object":
        inner = schema.get("additionalProperties")
        return f"dict[str, {_type(inner) if isinstance(inner, dict) else 'Any'}]"
    return _PLAIN.get(kind or "", "Any")


def _method(method: str, path: str, operation: dict[str, Any]) -> str:
    """An operation as a method: path and body by position, query and headers by name."""
    by_place = {place: [] for place in ("path", "query", "header")}
    for parameter in operation.get("parameters", ()):
        by_place[parameter["in"]].append(parameter)
    media_type, body = next(iter(operation.get("requestBody", {}).get("content", {}).items()), ("", {}))
    is_json = media_type == "application/json"
    signature = ["self", *(f"{_name(each)}: {_type(each['schema'])}" for each in by_place["path"])]
    if media_type:
        signature.append(f"body: {_type(body['schema']) if is_json else 'bytes'}")
    named = [*by_place["query"], *by_place["header"]]
    signature += ["*"] * bool(named) + [
        f"{_name(each)}: {_optional(each['schema'])} = None" for each in named
    ]
    answer = _answer(operation)
    address = re.sub(r"\{(\w+)\}", r"{_quoted(\1)}", path)
    query, headers = (
        "{" + ", ".join(f"{each['name']!r}: {_name(each)}" for each in by_place[place]) + "}"
        for place in ("query", "header")
    )
    given = [repr(method), f"f{address!r}" if "{" in address else repr(path), query, headers]
    given += ["body", repr(media_type)] if media_type else []
    lines = [
        f"    def {_identifier(operation['summary'])}({', '.join(signature)}) -> {answer}:",
        f"        {_said(operation)}",
        f"        return cast({answer}, self._call({', '.join(given)}))"
        if answer != "Any"
        else f"        return self._call({', '.join(given)})",
        "",
    ]
    return "\n".join(lines)


def _answer(operation: dict[str, Any]) -> str:
    """The type of the answer that is no problem."""
    for status, response in operation["responses"].items():
        if int(status) < 300 and "application/json" in response.get("content", {}):
            return _type(response["content"]["application/json"]["schema"])
    return "Any"


def _optional(schema: dict[str, Any]) -> str:
    kind = _type(schema)
    return kind if kind == "Any" or "None" in kind.split(" | ") else f"{kind} | None"


def _name(parameter: dict[str, Any]) -> str:
    return _identifier(parameter["name"])


def _identifier(text: str) -> str:
    name = re.sub(r"\W+", "_", text).lower()
    return f"{name}_" if keyword.iskeyword(name) else name


def document() -> dict[str, Any]:
    """The OpenAPI document of /api/v1/, from the routes."""
    sys.path.insert(0, str(ROOT))
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "driftlock.settings")
    import django

    django.setup()
    from anomalies.api.application import documents

    return dict(documents()[0])


def main() -> int:
    """Write the client, or compare it."""
    text = written(document())
    if "--check" not in sys.argv[1:]:
        CLIENT.write_text(text)
        return 0
    if CLIENT.exists() and CLIENT.read_text() == text:
        return 0
    print(f"{CLIENT.relative_to(ROOT)} is out of date: run scripts/python_client.py", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
