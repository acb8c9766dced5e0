"""What single strings and numbers of the API must look like: names, label keys and values, ports, config keys, …

Each function returns the messages upstream gives (apimachinery pkg/util/validation and pkg/api/validate/content); none
means valid. Lengths are counted in bytes, as Go counts them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence

Messages = Sequence[str]
NameErrors = Callable[[str, bool], Iterable[str]]
Rule = Callable[[str], Messages]

LABEL_MAX = 63
SUBDOMAIN_MAX = 253
MAX_INT32 = 2**31 - 1

_LABEL = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_LABEL_UNDERSCORE = "_?[a-z0-9]([-_a-z0-9]*[a-z0-9])?"
_SUBDOMAIN = _LABEL + r"(\." + _LABEL + ")*"
_SUBDOMAIN_UNDERSCORE = _LABEL_UNDERSCORE + r"(\." + _LABEL_UNDERSCORE + ")*"
_LABEL_1035 = "[a-z]([-a-z0-9]*[a-z0-9])?"
_WILDCARD = r"\*\." + _SUBDOMAIN
_QUALIFIED = "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]"
_LABEL_VALUE = "(" + _QUALIFIED + ")?"
_C_IDENTIFIER = "[A-Za-z_][A-Za-z0-9_]*"
_CONFIG_KEY = "[-._a-zA-Z0-9]+"
_ENV_NAME = "[-._a-zA-Z][-._a-zA-Z0-9]*"
_HEADER_NAME = "[-A-Za-z0-9]+"
_PERCENT = "[0-9]+%"
_HTTP_PATH = r"[A-Za-z0-9/\-._~%!$&'()*+,;=:]+"

_label = re.compile(_LABEL).fullmatch
_subdomain = re.compile(_SUBDOMAIN).fullmatch
_subdomain_underscore = re.compile(_SUBDOMAIN_UNDERSCORE).fullmatch
_label_1035 = re.compile(_LABEL_1035).fullmatch
_wildcard = re.compile(_WILDCARD).fullmatch
_qualified = re.compile(_QUALIFIED).fullmatch
_label_key = re.compile(f"({_SUBDOMAIN}/)?{_QUALIFIED}").fullmatch
_label_value = re.compile(_LABEL_VALUE).fullmatch
_c_identifier = re.compile(_C_IDENTIFIER).fullmatch
_config_key = re.compile(_CONFIG_KEY).fullmatch
_env_name = re.compile(_ENV_NAME).fullmatch
_header_name = re.compile(_HEADER_NAME).fullmatch
_percent = re.compile(_PERCENT).fullmatch
http_path = re.compile(_HTTP_PATH).fullmatch
_port_charset = re.compile("[-a-z0-9]+").fullmatch
_letter = re.compile("[a-z]").search
_printable_but_equals = re.compile("[ -<>-~]*").fullmatch


def byte_length(value: str) -> int:
    return len(value) if value.isascii() else len(value.encode("utf-8", "surrogatepass"))


def too_long(limit: int) -> str:
    return f"must be no more than {limit} characters"


def in_bytes(messages: Messages) -> Messages:
    """As upstream's declared checks word them: they count bytes."""
    return [m.replace("characters", "bytes") if m.startswith("must be no more than") else m for m in messages]


def regex_error(message: str, regex: str, *examples: str) -> str:
    if not examples:
        return f"{message} (regex used for validation is '{regex}')"
    shown = " or ".join(f"'{example}', " for example in examples)
    return f"{message} (e.g. {shown}regex used for validation is '{regex}')"


def range_error(low: int, high: int) -> str:
    return f"must be between {low} and {high}, inclusive"


def dns1123_label(value: str) -> Messages:
    errors = [] if byte_length(value) <= LABEL_MAX else [too_long(LABEL_MAX)]
    if not _label(value):
        if _subdomain(value):
            errors.append("must not contain dots")
        else:
            errors.append(
                regex_error(
                    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must "
                    "start and end with an alphanumeric character",
                    _LABEL,
                    "my-name",
                    "123-abc",
                )
            )
    return errors


def dns1123_subdomain(value: str) -> Messages:
    errors = [] if byte_length(value) <= SUBDOMAIN_MAX else [too_long(SUBDOMAIN_MAX)]
    if not _subdomain(value):
        errors.append(
            regex_error(
                "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must "
                "start and end with an alphanumeric character",
                _SUBDOMAIN,
                "example.com",
            )
        )
    return errors


def dns1123_subdomain_caseless(value: str) -> Messages:
    errors = [] if byte_length(value) <= SUBDOMAIN_MAX else [too_long(SUBDOMAIN_MAX)]
    if not _subdomain(value.lower()):
        errors.append(
            regex_error(
                "an RFC 1123 subdomain must consist of alphanumeric characters, '-' or '.', and must start and end with an "
                "alphanumeric character",
                _SUBDOMAIN,
                "Example.com",
            )
        )
    return errors


def dns1123_subdomain_underscore(value: str) -> Messages:
    errors = [] if byte_length(value) <= SUBDOMAIN_MAX else [too_long(SUBDOMAIN_MAX)]
    if not _subdomain_underscore(value):
        errors.append(
            regex_error(
                "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '_', '-' or '.', and "
                "must start and end with an alphanumeric character",
                _SUBDOMAIN_UNDERSCORE,
                "example.com",
            )
        )
    return errors


def wildcard_dns1123_subdomain(value: str) -> Messages:
    errors = [] if byte_length(value) <= SUBDOMAIN_MAX else [too_long(SUBDOMAIN_MAX)]
    if not _wildcard(value):
        errors.append(
            regex_error(
                "a wildcard DNS-1123 subdomain must start with '*.', followed by a valid DNS subdomain, which must "
                "consist of lower case alphanumeric characters, '-' or '.' and end with an alphanumeric character",
                _WILDCARD,
                "*.example.com",
            )
        )
    return errors


def dns1035_label(value: str) -> Messages:
    errors = [] if byte_length(value) <= LABEL_MAX else [too_long(LABEL_MAX)]
    if not _label_1035(value):
        errors.append(
            regex_error(
                "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic "
                "character, and end with an alphanumeric character",
                _LABEL_1035,
                "my-name",
                "abc-123",
            )
        )
    return errors


def masked(name: str) -> str:
    """A generateName may end in a dash: what is judged ends in a letter (upstream api/validation/generic.go)."""
    return name[:-2] + "a" if len(name) > 1 and name.endswith("-") else name


def subdomain_name(name: str, prefix: bool) -> Messages:
    return dns1123_subdomain(masked(name) if prefix else name)


def label_name(name: str, prefix: bool) -> Messages:
    return dns1123_label(masked(name) if prefix else name)


def label_1035_name(name: str, prefix: bool) -> Messages:
    return dns1035_label(masked(name) if prefix else name)


def path_segment_name(name: str, prefix: bool) -> Messages:
    """What may stand in a URL path (upstream api/validate/content/path.go)."""
    if not prefix and name in (".", ".."):
        return [f"may not be '{name}'"]
    return [f"may not contain '{part}'" for part in ("/", "%") if part in name]


def _bytes_too_long(limit: int) -> str:
    return f"must be no more than {limit} bytes"


def _prefix_errors(prefix: str) -> list[str]:
    if not prefix:
        return ["prefix part must be non-empty"]
    errors = list(dns1123_subdomain(prefix))
    if byte_length(prefix) > SUBDOMAIN_MAX:
        errors[0] = _bytes_too_long(SUBDOMAIN_MAX)
    return ["prefix part " + error for error in errors]


def qualified_name(value: str) -> Messages:
    """A label key: `name` or `prefix/name`."""
    if len(value) <= LABEL_MAX and _label_key(value):
        return ()
    prefix, slash, name = value.rpartition("/")
    rule = regex_error(
        "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character",
        _QUALIFIED,
        "MyName",
        "my.name",
        "123-abc",
    )
    if "/" in prefix:
        return [f"a valid label key {rule} with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')"]
    errors = _prefix_errors(prefix) if slash else []
    if not name:
        errors.append("name part must be non-empty")
    elif byte_length(name) > LABEL_MAX:
        errors.append("name part " + _bytes_too_long(LABEL_MAX))
    if not _qualified(name):
        errors.append("name part " + rule)
    return errors


def label_value(value: str) -> Messages:
    if _label_value(value) and len(value) <= LABEL_MAX:
        return ()
    errors = [] if byte_length(value) <= LABEL_MAX else [_bytes_too_long(LABEL_MAX)]
    if not _label_value(value):
        errors.append(
            regex_error(
                "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must "
                "start and end with an alphanumeric character",
                _LABEL_VALUE,
                "MyValue",
                "my_value",
                "12345",
            )
        )
    return errors


def c_identifier(value: str) -> Messages:
    if _c_identifier(value):
        return ()
    message = (
        "a valid C identifier must start with alphabetic character or '_', followed by a string of alphanumeric "
        "characters or '_'"
    )
    return [regex_error(message, _C_IDENTIFIER, "my_name", "MY_NAME", "MyName")]


def port_number(port: int) -> Messages:
    return () if 1 <= port <= 65535 else (range_error(1, 65535),)


def in_range(value: int, low: int, high: int) -> Messages:
    return () if low <= value <= high else (range_error(low, high),)


def user_or_group_id(value: int) -> Messages:
    return in_range(value, 0, MAX_INT32)


def port_name(name: str) -> Messages:
    """An IANA service name."""
    errors = [] if byte_length(name) <= 15 else [too_long(15)]
    if not _port_charset(name):
        errors.append("must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)")
    if not _letter(name):
        errors.append("must contain at least one letter (a-z)")
    if "--" in name:
        errors.append("must not contain consecutive hyphens")
    if name and (name[0] == "-" or name[-1] == "-"):
        errors.append("must not begin or end with a hyphen")
    return errors


def percent(value: str) -> Messages:
    if _percent(value):
        return ()
    message = "a valid percent string must be a numeric string followed by an ending '%'"
    return [regex_error(message, _PERCENT, "1%", "93%")]


def http_header_name(value: str) -> Messages:
    if _header_name(value):
        return ()
    message = "a valid HTTP header must consist of alphanumeric characters or '-'"
    return [regex_error(message, _HEADER_NAME, "X-Header-Name")]


def _change_directory(value: str) -> list[str]:
    if value in (".", ".."):
        return [f"must not be '{value}'"]
    return ["must not start with '..'"] if value.startswith("..") else []


def env_var_name(value: str) -> Messages:
    errors = []
    if not _env_name(value):
        message = (
            "a valid environment variable name must consist of alphabetic characters, digits, '_', '-', or '.', and must "
            "not start with a digit"
        )
        errors.append(regex_error(message, _ENV_NAME, "my.env-name", "MY_ENV.NAME", "MyEnvName1"))
    return errors + _change_directory(value)


def relaxed_env_var_name(value: str) -> Messages:
    if not value:
        return ["environment variable name must be non-empty"]
    if _printable_but_equals(value):
        return ()
    return ["a valid environment variable name must consist only of printable ASCII characters other than '='"]


def config_map_key(value: str) -> Messages:
    errors = [] if byte_length(value) <= SUBDOMAIN_MAX else [too_long(SUBDOMAIN_MAX)]
    if not _config_key(value):
        message = "a valid config key must consist of alphanumeric characters, '-', '_' or '.'"
        errors.append(regex_error(message, _CONFIG_KEY, "key.name", "KEY_NAME", "key-name"))
    return errors + _change_directory(value)


_decimal_integer = re.compile("0|-?[1-9][0-9]*", re.ASCII).fullmatch


def decimal_integer(value: str) -> Messages:
    if not value:
        return ("must be non-empty",)
    return () if _decimal_integer(value) else ("must be a valid decimal integer in canonical form",)
