"""What makes a secret or an address usable, told before it is too late."""

import binascii
import ipaddress
from base64 import b64decode, urlsafe_b64decode

from app.development import TOKEN_KEY_BYTES

SECRET_BYTES_MIN = 16  # what is shorter is a placeholder or was cut off; Shopify's have 32 and more
STANDARD_SECRET = "whsec_"  # noqa: S105 - how Standard Webhooks marks a secret written in base64


def is_token_key(key: str) -> bool:
    try:
        return len(urlsafe_b64decode(key)) == TOKEN_KEY_BYTES
    except ValueError:
        return False


EVENT_SECRET_WANTED = (
    f"{SECRET_BYTES_MIN} characters at least, or {STANDARD_SECRET} and as many bytes in base64"
)


def is_event_secret(secret: str) -> bool:
    if not secret.startswith(STANDARD_SECRET):
        return len(secret) >= SECRET_BYTES_MIN
    try:
        key = b64decode(secret.removeprefix(STANDARD_SECRET), validate=True)
    except binascii.Error:
        return False
    return len(key) >= SECRET_BYTES_MIN


def is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
