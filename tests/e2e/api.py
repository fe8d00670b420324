"""etc/ops-api.yaml at work: is the file itself sound, and does what really goes over the wire keep to it?

Contract reads the file and judges single requests, answers and events. Tap stands between a box and its server,
forwards every byte as it comes and lets a Contract judge what passes by. Used by the tests of this folder; Python's
standard library, PyYAML and jsonschema. Nothing here waits for a time."""
import base64
import binascii
import copy
import datetime
import gzip
import json
import queue
import re
import socket
import struct
import threading
import traceback
import urllib.parse
import zlib
from collections import Counter, deque

import yaml
from jsonschema import Draft202012Validator, validators
from jsonschema.exceptions import SchemaError, ValidationError

EXACT_MAX = 2 ** 53 - 1  # beyond this, JSON's numbers skip integers
HEAD_MAX = 65536  # bytes of a start line and its header fields
BODY_MAX = 64 * 1024 * 1024  # of one message, packed and unpacked: far more than the file allows
LINE_MAX = 65536  # of an event stream
VIOLATIONS_MAX = 200  # kept; beyond them only the count grows
EXCHANGES_MAX = 20000  # kept for tests to look at; the oldest go first
READ_SIZE = 65536
METHODS = ("get", "put", "post", "delete", "patch", "options", "head", "trace")
SINGLE_HEADERS = frozenset("""host content-length content-type content-encoding transfer-encoding authorization accept
    cookie origin set-cookie last-event-id date retry-after cache-control allow www-authenticate""".split())


class Malformed(Exception):
    """Bytes that are not what they should be; says why."""


# --- JSON, strictly ---


def unique_names(pairs):
    names = Counter(name for name, _ in pairs)
    twice = [name for name, count in names.items() if count > 1]
    if twice:
        raise Malformed(f'"{twice[0]}" stands twice')
    return dict(pairs)


def exact_integer(digits):
    value = int(digits) if len(digits) <= 17 else EXACT_MAX + 1
    if abs(value) > EXACT_MAX:
        raise Malformed(f"{digits[:40]} is beyond 2^53")
    return value


def no_fraction(digits):
    raise Malformed(f"{digits} is not written as an integer")


def parse_json(text):
    """A document by the file's rules: unique names, exact integers, UTF-8 without a byte order mark, no NUL."""
    if isinstance(text, (bytes, bytearray)):
        try:
            text = bytes(text).decode("utf-8")
        except UnicodeDecodeError as error:
            raise Malformed(f"not UTF-8: {error}") from error
    if "\0" in text or "\\u0000" in text.replace("\\\\", ""):
        raise Malformed("holds NUL")
    try:
        return json.loads(text, object_pairs_hook=unique_names, parse_int=exact_integer, parse_float=no_fraction,
                          parse_constant=no_fraction)
    except (json.JSONDecodeError, RecursionError) as error:
        raise Malformed(f"not JSON: {error}") from error


def from_base64url(text):
    if not re.fullmatch("[A-Za-z0-9_-]+", text):
        raise Malformed("a part of the JWS is not base64url without padding")
    try:
        return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except binascii.Error as error:
        raise Malformed(f"a part of the JWS is not base64url: {error}") from error


def jws_payload(token):
    """The text inside of a compact JWS with ES256. The signature is the box's to check."""
    parts = token.split(".")
    if len(parts) != 3:
        raise Malformed(f"a compact JWS has three parts, not {len(parts)}")
    header = parse_json(from_base64url(parts[0]))
    if not isinstance(header, dict) or header.get("alg") != "ES256" or "crit" in header:
        raise Malformed(f"the JWS's header must have alg ES256 and no crit: {header}")
    signature = from_base64url(parts[2])
    if len(signature) != 64:
        raise Malformed(f"an ES256 signature has 64 bytes, not {len(signature)}")
    payload = from_base64url(parts[1])
    if len(payload) > 8192:
        raise Malformed(f"the payload has {len(payload)} bytes")
    return payload


UNWRAP = {"application/json": lambda text: text, "application/jose": jws_payload}


def unwrap(media, text):
    """The value inside of a string with contentMediaType."""
    return parse_json(UNWRAP[media](text))


def gunzip(data):
    """One gzip member that fills all of data."""
    unpacker = zlib.decompressobj(wbits=31)
    try:
        text = unpacker.decompress(bytes(data), BODY_MAX)
    except zlib.error as error:
        raise Malformed(f"not gzip: {error}") from error
    if not unpacker.eof:
        raise Malformed("gzip that is cut short or too long")
    if unpacker.unused_data:
        raise Malformed("something follows the gzip member")
    return text


# --- JSON Schema with what OpenAPI adds ---


def resolve(document, reference):
    """What a local $ref points to."""
    if not isinstance(reference, str) or not reference.startswith("#/"):
        raise KeyError(f"{reference}: not a reference within the file")
    at = document
    for part in reference[2:].split("/"):
        at = at[part.replace("~1", "/").replace("~0", "~")]
    return at


def is_integer(_checker, value):
    return isinstance(value, int) and not isinstance(value, bool)


def matches(pattern, text):
    return re.search(pattern.replace("$", r"\Z") if pattern.endswith("$") else pattern, text) is not None


class Schemas:
    """Judges values by the schemas of one document."""

    def __init__(self, document):
        self.document = document
        stock = Draft202012Validator.VALIDATORS
        self.validator = validators.extend(Draft202012Validator, {
            "$ref": self.ref, "pattern": self.pattern, "oneOf": self.one_of, "contentSchema": self.content_schema,
            "format": self.format, "unevaluatedProperties": self.unevaluated},
            type_checker=Draft202012Validator.TYPE_CHECKER.redefine(
                "integer", is_integer))
        self.stock_one_of = stock["oneOf"]

    def errors(self, value, schema):
        return [self.words(error) for error in self.validator(schema).iter_errors(value)]

    def is_valid(self, value, schema):
        return self.validator(schema).is_valid(value)

    @staticmethod
    def words(error):
        at = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in error.absolute_path)
        message = error.message
        if error.validator is None:
            message = "may not be there"
        elif error.validator in ("maxItems", "minItems", "maxLength", "minLength"):
            message = f"has {len(error.instance)}, {error.validator} is {error.validator_value}"
        return f"{at.lstrip('.')}: {message[:240]}" if at else message[:240]

    def ref(self, validator, reference, instance, _schema):
        yield from validator.descend(instance, resolve(self.document, reference))

    @staticmethod
    def pattern(_validator, pattern, instance, _schema):
        if isinstance(instance, str) and not matches(pattern, instance):
            yield ValidationError(f"{instance[:100]!r} does not match {pattern}")

    @staticmethod
    def format(_validator, name, instance, _schema):
        """date-time only; what is no time by its pattern is complained of there."""
        if name != "date-time" or not isinstance(instance, str):
            return
        try:
            datetime.datetime.fromisoformat(instance)
        except ValueError as error:
            yield ValidationError(f"{instance[:40]!r}: {error}")

    def one_of(self, validator, branches, instance, schema):
        """With a discriminator only the branch that it names: its complaints are the ones that help."""
        if "discriminator" not in schema or not isinstance(instance, dict):
            yield from self.stock_one_of(validator, branches, instance, schema)
            return
        branch = self.named_branch(schema, instance)
        if branch is None:
            name = schema["discriminator"]["propertyName"]
            yield ValidationError(f"{name} is {instance.get(name)!r}, not one of "
                                  f"{', '.join(schema['discriminator']['mapping'])}")
        else:
            yield from validator.descend(instance, branch)

    @staticmethod
    def named_branch(schema, instance):
        word = instance.get(schema["discriminator"]["propertyName"])
        reference = schema["discriminator"]["mapping"].get(word) if isinstance(word, str) else None
        return None if reference is None else {"$ref": reference}

    @staticmethod
    def content_schema(validator, inner, instance, schema):
        if not isinstance(instance, str):
            return
        try:
            value = unwrap(schema["contentMediaType"], instance)
        except Malformed as error:
            yield ValidationError(f"within the string: {error}")
            return
        yield from validator.descend(value, inner)

    def unevaluated(self, _validator, allowed, instance, schema):
        if allowed is not False or not isinstance(instance, dict):
            return
        extra = sorted(set(instance) - self.known_names(instance, schema))
        if extra:
            yield ValidationError(f"has unknown fields: {', '.join(extra)}")

    def known_names(self, instance, schema):
        """The names that this schema and those that apply beside it speak of."""
        if not isinstance(schema, dict):
            return set()
        if "additionalProperties" in schema:
            return set(instance)
        names = set(schema.get("properties", {}))
        applied = [resolve(self.document, schema["$ref"])] if "$ref" in schema else []
        applied += schema.get("allOf", [])
        if "discriminator" in schema:
            applied += [branch for branch in [self.named_branch(schema, instance)] if branch]
        else:
            for keyword in ("oneOf", "anyOf"):
                branches = schema.get(keyword, [])
                applied += [branch for branch in branches if self.is_valid(instance, branch)] or branches
        if "if" in schema:
            holds = self.is_valid(instance, schema["if"])
            applied += [schema["if"]] * holds + [schema.get("then" if holds else "else", {})]
        return names.union(*(self.known_names(instance, one) for one in applied))


# --- is the file itself sound ---

KEYWORDS = frozenset("""$ref type enum const default examples description properties required additionalProperties
    unevaluatedProperties dependentRequired items format minItems maxItems minLength maxLength pattern minimum maximum
    oneOf anyOf allOf not if then else contentMediaType contentSchema discriminator""".split())
SCHEMA_MAPS = ("properties",)
SCHEMA_LISTS = ("oneOf", "anyOf", "allOf")
SCHEMA_PLACES = ("additionalProperties", "unevaluatedProperties", "items", "not", "if", "then", "else", "contentSchema")
SHAPES = {
    "file": ("openapi info paths", "servers tags components x-unknown-path x-unknown-method"),
    "info": ("title version", "description license"),
    "components": ("", "schemas responses parameters headers requestBodies securitySchemes"),
    "operation": ("operationId summary responses security", "tags description parameters requestBody x-role"),
    "parameter": ("name in required schema", "description"),
    "requestBody": ("required content", "description"),
    "response": ("description headers content", ""),
    "header": ("required schema", "description"),
    "media": ("schema", "x-itemSchema"),
}


class UniqueLoader(yaml.SafeLoader):
    """Refuses a key that stands twice, which YAML's usual loaders swallow."""

    def construct_mapping(self, node, deep=False):
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        for key in keys:
            if keys.count(key) > 1:
                raise Malformed(f"line {node.start_mark.line + 1}: {key} stands twice")
        return super().construct_mapping(node, deep)


class Soundness:
    """Looks through the whole file; complaints are in `wrong`."""

    def __init__(self, document):
        self.document = document
        self.schemas = Schemas(document)
        self.wrong = []
        self.references = set()
        self.ids = Counter()
        self.examples = []  # (where, schema, example): judged when the schemas are known to be sound

    def complain(self, where, what):
        self.wrong.append(f"{where}: {what}")

    def shape(self, kind, thing, where):
        if not isinstance(thing, dict):
            self.complain(where, f"must be a {kind}")
            return False
        needed, allowed = (words.split() for words in SHAPES[kind])
        for name in needed:
            if name not in thing:
                self.complain(where, f"{name} is missing")
        for name in sorted(set(thing) - set(needed) - set(allowed)):
            self.complain(where, f"{name} is not known here")
        return True

    def place(self, thing, where, look):
        """Looks at what stands there; what is referred to instead is looked at where it stands."""
        if isinstance(thing, dict) and "$ref" in thing:
            self.reference(thing["$ref"], where)
        else:
            look(thing, where)

    def reference(self, reference, where):
        try:
            resolve(self.document, reference)
        except (KeyError, TypeError, IndexError):
            self.complain(where, f"{reference} points to nothing")
            return False
        self.references.add(reference)
        return True

    def look(self):
        document = self.document
        if not self.shape("file", document, "the file"):
            return self.wrong
        if not re.fullmatch(r"3\.1\.\d+", str(document.get("openapi"))):
            self.complain("openapi", "must be 3.1.x")
        self.shape("info", document.get("info"), "info")
        components = document.get("components", {})
        self.shape("components", components, "components")
        for kind, look in (("schemas", self.schema), ("responses", self.response), ("parameters", self.parameter),
                           ("headers", self.header), ("requestBodies", self.request_body)):
            for name, thing in components.get(kind, {}).items():
                look(thing, f"components/{kind}/{name}")
        for path, item in document.get("paths", {}).items():
            self.path(path, item)
        for name in ("x-unknown-path", "x-unknown-method"):
            self.place(document.get(name), name, self.response)
        self.unused(components)
        for where, schema, example in [] if self.wrong else self.examples:
            for error in self.schemas.errors(example, schema):
                self.complain(where, f"an example does not keep to it: {error}")
        return self.wrong

    def unused(self, components):
        for operation_id, count in self.ids.items():
            if count > 1:
                self.complain(operation_id, f"{count} operations have this id")
        for kind, things in components.items():
            for name in things:
                if kind != "securitySchemes" and f"#/components/{kind}/{name}" not in self.references:
                    self.complain(f"components/{kind}/{name}", "nothing refers to it")

    def path(self, path, item):
        shared = item.get("parameters", [])
        for key, operation in item.items():
            if key in METHODS:
                self.operation(operation, path, f"{key} {path}", shared)
            elif key != "parameters":
                self.complain(path, f"{key} is not a method")

    def operation(self, operation, path, where, shared):
        if not self.shape("operation", operation, where):
            return
        self.ids[operation.get("operationId")] += 1
        names = set()
        for parameter in shared + operation.get("parameters", []):
            before = len(self.wrong)
            self.place(parameter, where, self.parameter)
            if len(self.wrong) > before:
                continue
            if "$ref" in parameter:
                parameter = resolve(self.document, parameter["$ref"])
            if parameter.get("in") == "path":
                names.add(parameter["name"])
        if names != set(re.findall(r"\{(\w+)\}", path)):
            self.complain(where, f"the path's parameters are not those declared: {sorted(names)}")
        for need in operation.get("security", []):
            for name in need:
                if name not in self.document.get("components", {}).get("securitySchemes", {}):
                    self.complain(where, f"no security scheme {name}")
        if "requestBody" in operation:
            self.place(operation["requestBody"], where, self.request_body)
        for status, response in operation.get("responses", {}).items():
            if not re.fullmatch("[2-5][0-9][0-9]", str(status)) or not isinstance(status, str):
                self.complain(where, f"{status!r} is not a status")
            self.place(response, f"{where} {status}", self.response)

    def parameter(self, parameter, where):
        if self.shape("parameter", parameter, where):
            if parameter.get("in") not in ("path", "query", "header"):
                self.complain(where, f"a parameter in {parameter.get('in')}")
            self.schema(parameter.get("schema"), f"{where} parameter {parameter.get('name')}")

    def request_body(self, body, where):
        if self.shape("requestBody", body, where):
            self.content(body.get("content", {}), where)

    def response(self, response, where):
        if not self.shape("response", response, where):
            return
        for name, header in response.get("headers", {}).items():
            self.place(header, f"{where} {name}", self.header)
        self.content(response.get("content", {}), where)

    def header(self, header, where):
        if self.shape("header", header, where):
            self.schema(header.get("schema"), where)

    def content(self, content, where):
        for media, thing in content.items():
            if self.shape("media", thing, f"{where} {media}"):
                self.schema(thing.get("schema"), f"{where} {media}")
                if "x-itemSchema" in thing:
                    self.schema(thing["x-itemSchema"], f"{where} {media} item")

    def schema(self, schema, where):
        try:
            Draft202012Validator.check_schema(schema)
        except SchemaError as error:
            self.complain(where, f"not a schema: {error.message[:200]}")
            return
        self.schema_parts(schema, where)

    def schema_parts(self, schema, where):
        if not isinstance(schema, dict):
            return
        for keyword in sorted(set(schema) - KEYWORDS):
            self.complain(where, f"{keyword} is not a keyword")
        if "$ref" in schema:
            self.reference(schema["$ref"], where)
        self.examples += [(where, schema, example) for example in schema.get("examples", [])]
        if "pattern" in schema:
            self.anchored(schema["pattern"], where)
        if ("contentSchema" in schema) != ("contentMediaType" in schema) or \
                schema.get("contentMediaType", "application/json") not in UNWRAP:
            self.complain(where, "contentSchema takes a contentMediaType that is known, and the other way round")
        for name in SCHEMA_MAPS:
            for key, inner in schema.get(name, {}).items():
                self.schema_parts(inner, f"{where}.{key}")
        for name in SCHEMA_LISTS:
            for number, inner in enumerate(schema.get(name, [])):
                self.schema_parts(inner, f"{where}.{name}[{number}]")
        for name in SCHEMA_PLACES:
            if name in schema:
                self.schema_parts(schema[name], f"{where}.{name}")
        self.open_object(schema, where)
        self.discriminator(schema, where)

    def anchored(self, pattern, where):
        if not pattern.startswith("^"):
            self.complain(where, f"the pattern {pattern} begins anywhere")

    def open_object(self, schema, where):
        if schema.get("type") == "object" and not {"additionalProperties", "unevaluatedProperties"} & set(schema):
            self.complain(where, "says nothing of unknown fields")

    def discriminator(self, schema, where):
        if "discriminator" not in schema:
            return
        given = schema["discriminator"]
        branches = [branch.get("$ref") for branch in schema.get("oneOf", [])]
        if sorted(given["mapping"].values()) != sorted(branches):
            self.complain(where, "the discriminator's mapping is not the list of oneOf")
        for word, reference in given["mapping"].items():
            if self.reference(reference, where):
                kind = resolve(self.document, reference).get("properties", {}).get(given["propertyName"])
                if kind != {"const": word}:
                    self.complain(where, f"{reference} does not say that its {given['propertyName']} is {word}")


# --- messages ---


class Message:
    """A request or an answer: first line, fields by lower-case name, body as it was on the wire."""

    def __init__(self, first, headers):
        self.first = first
        self.headers = headers
        self.body = bytearray()
        self.whole = False

    def header(self, name):
        values = [value for key, value in self.headers if key == name.lower()]
        return values[0] if values else None

    def media(self):
        return (self.header("content-type") or "").split(";")[0].strip().lower()

    def doubled(self):
        counts = Counter(key for key, _ in self.headers)
        return [key for key, count in counts.items() if count > 1 and key in SINGLE_HEADERS]

    @property
    def method(self):
        return self.first[0]

    @property
    def target(self):
        return self.first[1]

    @property
    def status(self):
        return int(self.first[1])


def request(method, target, headers=(), body=b""):
    """For tests that judge a request without a wire."""
    message = Message((method, target, "HTTP/1.1"), [("host", "localhost")] + [(k.lower(), v) for k, v in headers])
    message.body += body
    return message


def answer(status, headers=(), body=b""):
    message = Message(("HTTP/1.1", str(status), ""), [(k.lower(), v) for k, v in headers])
    message.body += body
    return message


# --- the contract ---


class Operation:
    def __init__(self, method, path, parameters, definition):
        self.method = method
        self.path = path
        self.parameters = parameters
        self.definition = definition
        self.id = definition["operationId"]
        self.tags = definition["tags"]
        self.role = definition.get("x-role")  # of staff: the least
        self.statuses = sorted(int(status) for status in definition["responses"])


class Found:
    """Which operation a request asks for: an operation with its path's values, or why there is none."""

    def __init__(self, operation=None, values=None, allowed=()):
        self.operation = operation
        self.values = values or {}
        self.allowed = sorted(allowed)  # the methods of a path that does not have this one

    @property
    def name(self):
        return self.operation.id if self.operation else "unknown method" if self.allowed else "unknown path"


class Contract:
    def __init__(self, path):
        with open(path, encoding="utf-8") as file:
            self.document = yaml.load(file, UniqueLoader)
        wrong = Soundness(self.document).look()
        if wrong:
            raise Malformed("\n".join([f"{path} is not sound"] + wrong))
        self.schemas = Schemas(self.document)
        self.operations = [self.operation(method, path, item) for path, item in self.document["paths"].items()
                           for method in item if method in METHODS]
        self.unknown_path = self.follow(self.document["x-unknown-path"])
        self.unknown_method = self.follow(self.document["x-unknown-method"])

    def follow(self, thing):
        while isinstance(thing, dict) and "$ref" in thing:
            thing = resolve(self.document, thing["$ref"])
        return thing

    def operation(self, method, path, item):
        definition = item[method]
        parameters = [self.follow(p) for p in item.get("parameters", []) + definition.get("parameters", [])]
        return Operation(method.upper(), path, parameters, definition)

    def schema(self, name):
        return {"$ref": f"#/components/schemas/{name}"}

    def judge(self, value, name):
        """Violations of a value against one of the components' schemas."""
        return self.schemas.errors(value, self.schema(name))

    def find(self, method, target):
        parts = target.split("?")[0].split("/")
        allowed = set()
        for operation in self.operations:
            values = self.match(operation.path.split("/"), parts)
            if values is None:
                continue
            if operation.method == method:
                return Found(operation, values)
            allowed.add(operation.method)
        return Found(allowed=allowed)

    @staticmethod
    def match(pattern, parts):
        if len(pattern) != len(parts):
            return None
        values = {}
        for known, given in zip(pattern, parts):
            if known.startswith("{"):
                values[known.strip("{}")] = urllib.parse.unquote(given)
            elif known != given:
                return None
        return values

    # -- requests --

    def check_request(self, message, found=None):
        """In words, what is wrong with a request that is whole."""
        found = found or self.find(message.method, message.target)
        wrong = [f"the header {name} stands twice" for name in message.doubled()]
        if message.header("host") is None:
            wrong.append("no Host")
        if found.operation is None:
            return wrong + [f"{message.method} {message.target}: {found.name}"]
        wrong += self.check_security(found.operation, message)
        wrong += self.check_parameters(found, message)
        return wrong + self.check_request_body(found.operation, message)

    def check_security(self, operation, message):
        """The token counts where both it and a cookie are given."""
        if not operation.definition["security"]:
            return []
        schemes = [self.document["components"]["securitySchemes"][name] for need in operation.definition["security"]
                   for name in need]
        given = message.header("authorization")
        if given is not None and any(scheme["type"] == "http" for scheme in schemes):
            return [] if matches("^Bearer [!-~]{1,128}$", given) else ["Authorization is not Bearer and a token"]
        cookies = [part.strip() for part in (message.header("cookie") or "").split(";")]
        if any(scheme["type"] == "apiKey" and matches(f"^{scheme['name']}=[0-9a-f]{{64}}$", cookie)
               for scheme in schemes for cookie in cookies):
            return []
        return ["no Authorization" if any(scheme["type"] == "http" for scheme in schemes) else "no cookie"]

    def check_parameters(self, found, message):
        wrong = []
        query = urllib.parse.parse_qsl(message.target.partition("?")[2], keep_blank_values=True)
        known = {p["name"] for p in found.operation.parameters if p["in"] == "query"}
        for name, count in Counter(name for name, _ in query).items():
            if name not in known:
                wrong.append(f"unknown query parameter {name}")
            elif count > 1:
                wrong.append(f"query parameter {name} stands twice")
        for p in found.operation.parameters:
            given = {"path": found.values.get, "query": dict(query).get, "header": message.header}[p["in"]](p["name"])
            if given is None:
                wrong += [f"{p['in']} parameter {p['name']} is missing"] * p["required"]
            else:
                wrong += self.check_text(given, p["schema"], f"{p['in']} parameter {p['name']}")
        return wrong

    def check_text(self, text, schema, what):
        """A parameter or header field: digits where the schema wants a number."""
        value = text
        if self.wants_integer(schema):
            if not re.fullmatch("-?(0|[1-9][0-9]*)", text):
                return [f"{what} is {text!r}, not a whole number"]
            value = int(text)
        return [f"{what}: {error}" for error in self.schemas.errors(value, schema)]

    def wants_integer(self, schema):
        schema = self.follow(schema)
        return schema.get("type") == "integer" or any(self.wants_integer(one) for one in schema.get("allOf", []))

    def check_request_body(self, operation, message):
        if "requestBody" not in operation.definition:
            return ["a body where none belongs"] if message.body else []
        body = self.follow(operation.definition["requestBody"])
        if not message.body and not body["required"]:
            return []
        return self.check_body(body["content"], message)

    def check_body(self, content, message):
        media = message.media()
        if media not in content:
            return [f"Content-Type is {message.header('content-type')!r}, not {' or '.join(content)}"]
        try:
            coding = message.header("content-encoding") or "identity"
            if coding not in ("identity", "gzip"):
                return [f"Content-Encoding is {coding}"]
            text = gunzip(message.body) if coding == "gzip" else message.body
            value = parse_json(text) if media == "application/json" else bytes(text).decode()
        except (Malformed, UnicodeDecodeError) as error:
            return [f"the body: {error}"]
        return self.schemas.errors(value, content[media]["schema"])

    # -- answers --

    def response(self, found, status):
        """How the file has the answer, or None."""
        if found.operation:
            return self.follow(found.operation.definition["responses"].get(str(status)))
        if found.allowed:
            return self.unknown_method if status == 405 else None
        return self.unknown_path if status == 404 else None

    def check_answer_head(self, found, message):
        response = self.response(found, message.status)
        if response is None:
            return [f"status {message.status} is not documented"]
        wrong = [f"the header {name} stands twice" for name in message.doubled()]
        for name, header in response["headers"].items():
            header = self.follow(header)
            given = message.header(name)
            if given is None:
                wrong += [f"no {name}"] * header["required"]
            else:
                wrong += self.check_text(given, header["schema"], name)
        if found.allowed:
            allow = re.split(", ?", message.header("allow") or "")
            wrong += [f"Allow does not name {method}" for method in found.allowed if method not in allow]
        return wrong

    def check_answer(self, found, message, method=None):
        """In words, what is wrong with an answer that is whole. A stream's body goes to an EventReader instead."""
        response = self.response(found, message.status)
        wrong = self.check_answer_head(found, message)
        if response is None or method == "HEAD":
            return wrong
        return wrong + self.check_body(response["content"], message)

    def stream_schema(self, found, message):
        """The schema of the events, when this answer is a stream that the file knows."""
        response = self.response(found, message.status)
        media = response["content"].get(message.media()) if response else None
        return media.get("x-itemSchema") if media else None


class EventReader:
    """Server-sent events as they come in: judges each as soon as it is whole."""
    FIELDS = ("id", "event", "data")

    def __init__(self, contract, schema, box, after):
        """box: whose commands they are; None for other events. after: the request's Last-Event-ID."""
        self.contract = contract
        self.schema = schema
        self.box = box
        self.after = after
        self.highest = after
        self.buffer = bytearray()
        self.comments = []
        self.fields = {}
        self.first = True
        self.events = []  # what they say, as objects
        self.wrong = []

    def feed(self, data):
        """The violations in what became whole by this."""
        self.wrong = []
        self.buffer += data
        while (end := self.buffer.find(b"\n")) >= 0:
            line = bytes(self.buffer[:end])
            del self.buffer[:end + 1]
            self.line(line)
        if len(self.buffer) > LINE_MAX:
            self.wrong.append(f"a line of more than {LINE_MAX} bytes")
            self.buffer.clear()
        return self.wrong

    def line(self, raw):
        try:
            line = raw.decode("utf-8")
        except UnicodeDecodeError:
            self.wrong.append(f"a line that is not UTF-8: {raw[:80]!r}")
            return
        if "\r" in line:
            self.wrong.append("a carriage return")
        if self.first and line != ": open":
            self.wrong.append(f'the stream begins with {line[:80]!r}, not with ": open"')
        self.first = False
        if line == "":
            self.end_of_block()
        elif line.startswith(":"):
            self.comments.append(line)
        else:
            self.field(line)

    def field(self, line):
        name, _, value = line.partition(":")
        if name not in self.FIELDS:
            self.wrong.append(f"an unknown field: {line[:80]!r}")
        elif name in self.fields:
            self.wrong.append(f"{name} stands twice in an event")
        else:
            self.fields[name] = value[1:] if value.startswith(" ") else value

    def end_of_block(self):
        fields, self.fields = self.fields, {}
        comments, self.comments = self.comments, []
        if not fields:
            if not comments:
                self.wrong.append("an empty line that ends nothing")
            return
        errors = self.contract.schemas.errors(fields, self.schema)
        self.wrong += [f"event: {error}" for error in errors]
        if not errors and self.box is None:
            self.events.append(parse_json(fields["data"]))
        elif not errors:
            data = fields["data"]
            self.order(int(fields["id"]), unwrap("application/json" if data.startswith("{") else "application/jose",
                                                 data))

    def order(self, number, command):
        """What no schema can say: whose the command is, and where it stands."""
        self.events.append(command)
        if command["seq"] != number:
            self.wrong.append(f"id {number} is not the command's seq {command['seq']}")
        if command["box"] != self.box:
            self.wrong.append(f"a command for {command['box']} on the stream of {self.box}")
        if number > self.highest:
            self.highest = number
        elif command["type"] not in ("stop", "power_off"):
            self.wrong.append(f"command {number} ({command['type']}) after {self.highest}")


# --- HTTP/1.1 on the wire ---


class HttpReader:
    """Takes one direction of a connection apart. `sink` gets head(message), body(message, bytes), end(message)."""

    def __init__(self, sink, answers):
        self.sink = sink
        self.answers = answers  # a function that gives the method that the next answer is to; None for requests
        self.buffer = bytearray()
        self.step = self.head
        self.message = None
        self.left = 0

    def feed(self, data):
        self.buffer += data
        while self.step is not None and self.step():
            pass
        if self.step is None:
            self.buffer.clear()

    def eof(self, clean):
        """The connection's end completes an answer that has no other end."""
        if self.step == self.until_close and clean:
            self.finish()
        self.step = None

    def fail(self, why):
        self.step = None
        raise Malformed(why)

    def line(self, limit=HEAD_MAX):
        end = self.buffer.find(b"\n")
        if end < 0:
            if len(self.buffer) > limit:
                self.fail("a line that does not end")
            return None
        line = bytes(self.buffer[:end])
        del self.buffer[:end + 1]
        return line[:-1] if line.endswith(b"\r") else line

    def head(self):
        end = self.buffer.find(b"\r\n\r\n")
        if end < 0:
            if len(self.buffer) > HEAD_MAX:
                self.fail("a head that does not end")
            if self.buffer and not self.buffer[:1].isalpha():
                self.fail(f"not HTTP: {bytes(self.buffer[:40])!r}")
            return False
        lines = bytes(self.buffer[:end]).decode("latin-1").split("\r\n")
        del self.buffer[:end + 4]
        first = lines[0].split(" ", 2)
        form = r"HTTP/1\.[01] [1-5][0-9][0-9]( .*)?" if self.answers else r"[A-Z]+ [!-~]+ HTTP/1\.[01]"
        if not re.fullmatch(form, lines[0]):
            self.fail(f"not HTTP/1.1: {lines[0][:80]!r}")
        headers = []
        for line in lines[1:]:
            name, colon, value = line.partition(":")
            if not colon or not re.fullmatch(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", name):
                self.fail(f"not a header: {line[:80]!r}")
            headers.append((name.lower(), value.strip()))
        self.begin(Message(tuple(first), headers))
        return True

    def begin(self, message):
        if self.answers and message.status < 200:
            return  # 100 Continue: the answer is still to come
        self.message = message
        method = self.answers() if self.answers else None
        self.sink.head(message)
        length = message.header("content-length")
        if self.answers and (method == "HEAD" or message.status in (204, 304)):
            self.finish()
        elif "chunked" in (message.header("transfer-encoding") or "").lower():
            self.step = self.chunk_size
        elif length is not None:
            if not re.fullmatch("[0-9]{1,15}", length):
                self.fail(f"Content-Length is {length!r}")
            self.left = int(length)
            self.step = self.counted
        elif self.answers:
            self.step = self.until_close
        else:
            self.finish()

    def finish(self):
        message, self.message = self.message, None
        message.whole = True
        self.step = self.head
        self.sink.end(message)

    def take(self, count):
        data = bytes(self.buffer[:count])
        del self.buffer[:count]
        self.sink.body(self.message, data)
        return len(data)

    def counted(self):
        if self.left > 0:
            if not self.buffer:
                return False
            self.left -= self.take(self.left)
        if self.left == 0:
            self.finish()
        return True

    def until_close(self):
        return self.take(len(self.buffer)) > 0 if self.buffer else False

    def chunk_size(self):
        line = self.line()
        if line is None:
            return False
        size = line.split(b";")[0].strip()
        if not re.fullmatch(b"[0-9A-Fa-f]{1,8}", size):
            self.fail(f"not the size of a chunk: {line[:80]!r}")
        self.left = int(size, 16)
        self.step = self.chunk if self.left else self.trailer
        return True

    def chunk(self):
        if self.left > 0:
            if not self.buffer:
                return False
            self.left -= self.take(self.left)
            return True
        line = self.line()
        if line is None:
            return False
        if line:
            self.fail(f"a chunk longer than its size: {line[:80]!r}")
        self.step = self.chunk_size
        return True

    def trailer(self):
        line = self.line()
        if line is None:
            return False
        if not line:
            self.finish()
        return True


class Exchange:
    """A request and its answer, as far as they have come."""

    def __init__(self, contract, message):
        self.request = message
        self.found = contract.find(message.method, message.target)
        self.request_wrong = None  # a list when the request was judged
        self.answer = None
        self.reader = None  # of a stream's events
        self.settled = False

    @property
    def status(self):
        return self.answer.status if self.answer else None

    def json(self):
        """The request's body, or None when it is not whole or no JSON."""
        return self.value(self.request)

    def answer_json(self):
        return self.value(self.answer)

    @staticmethod
    def value(message):
        try:
            body = gunzip(message.body) if message.header("content-encoding") == "gzip" else message.body
            return parse_json(body) if message.whole else None
        except (AttributeError, Malformed):
            return None


class Conversation:
    """What goes over one connection, judged."""

    def __init__(self, tap):
        self.tap = tap
        self.contract = tap.contract
        self.current = None  # whose request is coming in
        self.waiting = deque()  # whose answer is to come, the first one's maybe half here
        self.broken = False
        self.up = HttpReader(RequestSink(self), None)
        self.down = HttpReader(AnswerSink(self), self.next_method)

    def next_method(self):
        return self.waiting[0].request.method if self.waiting else None

    def take(self, upward, data, clean):
        reader = self.up if upward else self.down
        if self.broken:
            return
        try:
            if data:
                reader.feed(data)
            else:
                reader.eof(clean)
        except Malformed as error:
            self.broken = True
            if not upward or self.tap.strict:
                self.tap.violation(f"{'request' if upward else 'answer'}: {error}")

    def close(self):
        """Nothing more comes: what is whole was judged, what is not is no violation."""
        for exchange in self.waiting:
            self.settle(exchange, final=True)

    def settle(self, exchange, final=False):
        """A wrong request is a violation when its sender may not err, or when it was accepted."""
        if exchange.settled or exchange.request_wrong is None or (exchange.answer is None and not final):
            return
        exchange.settled = True
        status = exchange.status
        accepted = status is not None and status < 300
        name = f"{exchange.found.name} {exchange.request.method} {exchange.request.target}"
        if self.tap.strict:
            for wrong in exchange.request_wrong:
                self.tap.violation(f"{name}: request: {wrong}")
        elif accepted and exchange.request_wrong:
            wrong = self.contract.check_request(without_reports(exchange.request), exchange.found)
            if wrong:
                self.tap.violation(f"{name}: answered {status} although: {'; '.join(wrong[:3])}")
        if status == 400 and not exchange.request_wrong:
            self.tap.puzzles.append((exchange.found.name, bytes(exchange.request.body), exchange.answer))


def without_reports(message):
    """A batch with an empty list of progress: a report that cannot be read is skipped, the rest is taken in."""
    packed = message.header("content-encoding") == "gzip"
    try:
        batch = json.loads(gunzip(message.body) if packed else message.body, object_pairs_hook=unique_names)
        if not isinstance(batch["progress"], list) or len(batch["progress"]) > 16:
            return message
    except (Malformed, ValueError, KeyError, TypeError):
        return message
    judged = copy.copy(message)
    judged.body = json.dumps({**batch, "progress": []}).encode()
    judged.body = gzip.compress(judged.body) if packed else judged.body
    return judged


class RequestSink:
    def __init__(self, conversation):
        self.conversation = conversation

    def head(self, message):
        c = self.conversation
        c.current = Exchange(c.contract, message)
        c.waiting.append(c.current)
        c.tap.keep(c.current)

    def body(self, message, data):
        message.body += data
        if len(message.body) > BODY_MAX:
            raise Malformed(f"a body of more than {BODY_MAX} bytes")

    def end(self, message):
        c = self.conversation
        exchange, c.current = c.current, None
        exchange.request_wrong = c.contract.check_request(message, exchange.found)
        c.settle(exchange)


class AnswerSink:
    def __init__(self, conversation):
        self.conversation = conversation

    def head(self, message):
        c = self.conversation
        if not c.waiting:
            raise Malformed(f"an answer {message.status} that nobody asked for")
        exchange = c.waiting[0]
        exchange.answer = message
        schema = c.contract.stream_schema(exchange.found, message)
        if schema is not None:
            after = exchange.request.header("last-event-id") or "0"
            exchange.reader = EventReader(c.contract, schema, exchange.found.values.get("box"),
                                          int(after) if after.isdigit() else 0)
            self.report(exchange, c.contract.check_answer_head(exchange.found, message))
            c.tap.saw(exchange)
        c.settle(exchange)

    def body(self, message, data):
        exchange = self.conversation.waiting[0]
        if exchange.reader:
            self.report(exchange, exchange.reader.feed(data))
            return
        message.body += data
        if len(message.body) > BODY_MAX:
            raise Malformed(f"a body of more than {BODY_MAX} bytes")

    def end(self, message):
        c = self.conversation
        exchange = c.waiting.popleft()
        if exchange.reader is None:
            self.report(exchange, c.contract.check_answer(exchange.found, message, exchange.request.method))
            c.tap.saw(exchange)
        c.settle(exchange)

    def report(self, exchange, wrong):
        for one in wrong:
            self.conversation.tap.violation(f"{exchange.found.name} {exchange.request.method} "
                                            f"{exchange.request.target}: answer {exchange.status}: {one}")


# --- the proxy ---


class Link:
    """One connection through the tap: two sockets, a thread for each direction."""

    def __init__(self, tap, client):
        self.tap = tap
        self.client = client
        self.server = None
        self.cut_off = False
        self.ended = 0
        self.lock = threading.Lock()
        self.conversation = Conversation(tap)
        self.threads = [threading.Thread(target=self.run, daemon=True)]
        self.threads[0].start()

    def run(self):
        try:
            server = socket.create_connection(("127.0.0.1", self.tap.upstream_port))
        except OSError:
            self.client.close()
            self.tap.forget(self)
            return
        with self.lock:
            self.server = server
            for one in (self.client, server):
                one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self.cut_off:
                self.shut()
            self.threads.append(threading.Thread(target=self.pump, args=(server, self.client, False), daemon=True))
        self.threads[1].start()
        self.pump(self.client, server, True)

    def pump(self, source, sink, upward):
        while True:
            try:
                data = source.recv(READ_SIZE)
                clean = True
            except OSError:
                data, clean = b"", False
            if not self.tap.may_pass(self):
                data, clean = b"", False
            # First into the judge's queue, then on: so an answer stands behind what it answers.
            self.tap.queue.put((self.conversation, upward, data, clean and not self.cut_off))
            try:
                if not data:
                    sink.shutdown(socket.SHUT_WR)
                    break
                sink.sendall(data)
            except OSError:
                self.cut()
                break
        self.end()

    def end(self):
        with self.lock:
            self.ended += 1
            last = self.ended == 2
            if last:
                self.client.close()
                self.server.close()
        if last:
            self.tap.queue.put((self.conversation, None, b"", False))
            self.tap.forget(self)

    def cut(self):
        with self.lock:
            self.cut_off = True
            self.shut()
        with self.tap.state:
            self.tap.state.notify_all()  # a direction that is stalled waits for this, too

    def shut(self):
        for one in (self.client, self.server):
            if one is not None and self.ended < 2:
                try:
                    one.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass  # its peer was faster


class Tap:
    """A proxy on a loopback port of its own, `port`. What passes it is `seen` as (operation id, status).

    strict: the client may not send anything that the file does not allow. Otherwise it may, but the server may not
    accept it; requests that keep to the file and were answered 400 are then in `puzzles`."""

    def __init__(self, contract, upstream_port, strict=True):
        self.contract = contract
        self.upstream_port = upstream_port
        self.strict = strict
        self.seen = Counter()
        self.violations = []
        self.violation_count = 0
        self.puzzles = []
        self.exchanges = deque(maxlen=EXCHANGES_MAX)
        self.queue = queue.Queue()
        self.links = set()
        self.state = threading.Condition()
        self.stalled = False
        self.held = 0  # directions of connections that hold bytes, because of a stall
        self.closed = False
        self.listener = self.bind()
        self.listener.listen(64)
        self.refusing = False
        self.threads = [threading.Thread(target=self.judge, daemon=True),
                        threading.Thread(target=self.accept, daemon=True)]
        for thread in self.threads:
            thread.start()

    def bind(self):
        """A port that stays ours while we do not listen: only one that was asked for by its number does."""
        for _ in range(100):
            with socket.socket() as probe:
                probe.bind(("127.0.0.1", 0))
                self.port = probe.getsockname()[1]
            listener = socket.socket()
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                listener.bind(("127.0.0.1", self.port))
                return listener
            except OSError:
                listener.close()
        raise AssertionError("no free port")

    # -- trouble --

    def cut(self):
        """Drops all connections now."""
        with self.state:
            links = list(self.links)
        for link in links:
            link.cut()

    def refuse(self, on):
        """Lets no more connections in; those that are open go on."""
        with self.state:
            if on == self.refusing:
                return
            self.refusing = on
            if on:
                self.listener.shutdown(socket.SHUT_RD)  # no longer listens, but keeps the port
            else:
                self.listener.listen(64)
            self.state.notify_all()

    def stall(self, on):
        """Holds every byte, both ways, without a sign of it: a link that is half open."""
        with self.state:
            self.stalled = on
            self.state.notify_all()

    def may_pass(self, link):
        """Waits while the link is stalled; False when it was cut meanwhile."""
        with self.state:
            self.held += 1
            self.state.wait_for(lambda: not self.stalled or link.cut_off or self.closed)
            self.held -= 1
            return not link.cut_off and not self.closed

    # -- threads --

    def accept(self):
        while True:
            with self.state:
                self.state.wait_for(lambda: not self.refusing or self.closed)
                if self.closed:
                    return
            try:
                client = self.listener.accept()[0]
            except OSError:
                continue  # refusing or closed, or gone before it was accepted
            with self.state:
                if self.closed or self.refusing:
                    client.close()
                    continue
                self.links.add(Link(self, client))

    def forget(self, link):
        with self.state:
            self.links.discard(link)
            self.state.notify_all()

    def judge(self):
        while True:
            item = self.queue.get()
            try:
                if item is None:
                    return
                conversation, upward, data, clean = item
                if upward is None:
                    conversation.close()
                else:
                    conversation.take(upward, data, clean)
            except Exception:  # pylint: disable=broad-except
                self.violation(f"the tap itself: {traceback.format_exc()}")
            finally:
                self.queue.task_done()

    # -- what was found --

    def violation(self, text):
        self.violation_count += 1
        if len(self.violations) < VIOLATIONS_MAX and text not in self.violations:
            self.violations.append(text)

    def saw(self, exchange):
        self.seen[(exchange.found.name, exchange.status)] += 1

    def keep(self, exchange):
        self.exchanges.append(exchange)

    def settled(self):
        """Waits until all that has passed is judged."""
        self.queue.join()
        return self

    def check(self):
        self.settled()
        if self.violation_count:
            raise AssertionError("\n".join([f"{self.violation_count} violations of the interface"] + self.violations))

    def close(self):
        with self.state:
            if self.closed:
                return
            self.closed = True
            self.state.notify_all()
            links = list(self.links)
            try:
                self.listener.shutdown(socket.SHUT_RD)
            except OSError:
                pass  # it refuses already
        for link in links:
            link.cut()
        self.threads[1].join()
        self.listener.close()
        for link in links:
            link.threads[0].join()
            for thread in link.threads[1:]:  # which the first one starts, if any
                thread.join()
        self.queue.put(None)
        self.threads[0].join()


def reset(connection):
    """Closes a socket as a killed process does that had something unread: with a reset."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()
