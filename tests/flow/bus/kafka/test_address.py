"""BUS_URL says where Kafka is and how it is reached; what it cannot mean is refused."""

import dataclasses
import subprocess
import sys

import pytest

from app import config as settings
from app.config import ROOT
from app.flow.bus import log
from app.flow.bus.buses import open_bus
from app.flow.bus.kafka import address
from app.flow.bus.kafka.bus import KafkaBus


def client(url: str) -> dict[str, object]:
    return {
        name: value
        for name, value in address.parse(url).client.items()
        if name.startswith(("bootstrap", "security", "sasl", "ssl"))
    }


def test_brokers_and_topic_are_read_from_the_url() -> None:
    assert address.parse("kafka://one,two:9192/alice").topic == "alice"
    assert address.parse("kafka://one").topic == "facts"
    assert client("kafka://one,two:9192/alice") == {
        "bootstrap.servers": "one:9092,two:9192",
        "security.protocol": "PLAINTEXT",
    }


def test_tls_certificates_and_passwords_are_read_from_the_url() -> None:
    assert client("kafkas://a%40b:p%2Fw@one:1/t?mechanism=PLAIN&ca=/ca.pem") == {
        "bootstrap.servers": "one:1",
        "security.protocol": "SASL_SSL",
        "sasl.mechanism": "PLAIN",
        "sasl.username": "a@b",
        "sasl.password": "p/w",
        "ssl.ca.location": "/ca.pem",
    }
    assert client("kafkas://one/?certificate=/c.pem&key=/k.pem") == {
        "bootstrap.servers": "one:9092",
        "security.protocol": "SSL",
        "ssl.certificate.location": "/c.pem",
        "ssl.key.location": "/k.pem",
    }


@pytest.mark.parametrize("url", ["kafka:///facts", "kafka://one?acks=0", "redis://bus/0", "bus"])
def test_what_cannot_be_meant_is_refused(config: settings.Config, url: str) -> None:
    with pytest.raises(settings.MissingSettingsError):
        open_bus(dataclasses.replace(config, bus_url=url))


def test_the_log_is_the_bus_where_none_is_named(config: settings.Config) -> None:
    assert open_bus(dataclasses.replace(config, bus_url="")) is log
    assert isinstance(open_bus(dataclasses.replace(config, bus_url="kafka://one")), KafkaBus)


def test_who_has_the_log_as_the_bus_does_not_load_kafkas_client() -> None:
    look = "import sys, app.main, workers.relay; print('confluent_kafka' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", look], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout == "False\n", done.stderr
