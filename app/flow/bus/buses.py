"""The buses there are: BUS_URL chooses the log in Postgres, or later Kafka."""

from urllib.parse import urlsplit

from app import config as settings
from app.flow.bus import log
from app.flow.bus.interface import Bus


def open_bus(url: str) -> Bus:
    """The bus BUS_URL asks for, the log when it is empty. Raises MissingSettingsError."""
    if not url:
        return log
    scheme = urlsplit(url).scheme
    if scheme == "kafka":
        raise settings.MissingSettingsError("BUS_URL names Kafka, which is not built yet.")
    raise settings.MissingSettingsError(
        f"BUS_URL has the scheme {scheme!r}; leave it empty for the log in Postgres."
    )
