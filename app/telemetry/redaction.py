"""What must not leave the house in a log line or a report: secrets and personal data."""

import re
from collections.abc import Mapping, MutableMapping
from typing import Any

SECRET_KEYS = frozenset(
    {
        "access_token",
        "address",
        "api_key",
        "authorization",
        "code",
        "cookie",
        "customer_name",
        "email",
        "first_name",
        "hmac",
        "id_token",
        "last_name",
        "name",
        "password",
        "payload",
        "phone",
        "refresh_token",
        "secret",
        "signature",
        "token",
    }
)
REDACTED = "[redacted]"
# an exception's text can quote what it choked on: tokens, signatures and addresses are cut out of
# all free text
_SECRET_TEXT = re.compile(
    r"shp(?:at|rt|ua|ca|ss)_\w+"
    r"|eyJ[\w-]+\.[\w-]+\.[\w-]*"
    r"|(?:Bearer|Basic)\s+\S+"
    r"|(?<=[?&])(?:hmac|signature|id_token|token|code|logged_in_customer_id)=[^&\s'\"]+"
    r"|://[^/\s:@]*:[^/\s@]+@"
    # only from the start of a word, or a long one would be tried from each of its letters
    r"|(?<![\w.+-])[\w.+-]+@[\w-]+\.[\w.-]+"
    # Postgres quotes the whole row in its details, and asyncpg the whole argument
    r"|(?<=DETAIL:)[^\n]+"
    r"|(?<=invalid input for query argument )[^\n]+",
    re.IGNORECASE,
)


def redact(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Processor: drop the value of every key that can hold a secret or personal data, at any
    depth.
    """
    return {
        key: REDACTED if key.lower() in SECRET_KEYS else scrub(value)
        for key, value in event.items()
    }


def scrub(value: Any) -> Any:
    if isinstance(value, str):
        # each of them has a sign in it that is neither letter nor digit: ids, of which a line about
        # a batch has hundreds, are not looked through
        if value.isalnum():
            return value
        return _SECRET_TEXT.sub(REDACTED, value)
    if isinstance(value, Mapping):
        return {
            key: REDACTED if str(key).lower() in SECRET_KEYS else scrub(inner)
            for key, inner in value.items()
        }
    if isinstance(value, list | tuple):
        return [scrub(inner) for inner in value]
    return value
