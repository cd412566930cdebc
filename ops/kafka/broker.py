"""Real Kafka brokers on this machine: `python -m ops.kafka.broker DIRECTORY PORT` becomes one.

Needs Java and, once, Maven for the jars, which are kept outside of the repository.
"""

import base64
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from string import Template

from local import servers

HERE = Path(__file__).resolve().parent
BROKER, MIRROR = HERE / "pom.xml", HERE / "mirror" / "pom.xml"
JAVA = (
    "-Xms256m",
    "-Xmx256m",
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",
    "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
)
NODES_INSYNC = {1: 1, 3: 2}


def jars(pom: Path = BROKER) -> Path:
    """The folder of the jars that `pom` names; fetched with Maven the first time. Raises
    SystemExit.
    """
    names = re.findall(r"<(?:artifactId|version)>([\w.-]+)</", pom.read_text())
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "holdfast"
    # its own name, and the version of what it brings
    folder = Path(os.environ.get("KAFKA_JARS") or cache) / f"{names[0]}-{names[3]}"
    if folder.exists():
        return folder
    for command in ("java", "mvn"):
        if shutil.which(command) is None:
            raise SystemExit(f"A Kafka broker needs {command} on the PATH.")
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as name:
        made = Path(name) / "jars"
        fetch = ["mvn", "-q", "-B", "-f", str(pom), "dependency:copy-dependencies"]
        fetch += [f"-DoutputDirectory={made}", "-DincludeScope=runtime"]
        subprocess.run(fetch, check=True)
        if not folder.exists():
            made.rename(folder)  # whole, or not there
    return folder


def java(main: str, *arguments: str, pom: Path = BROKER) -> list[str]:
    """The command that runs a class of what `pom` brings."""
    found = shutil.which("java")
    if found is None:
        raise SystemExit("A Kafka broker needs java on the PATH.")
    return [found, *JAVA, "-cp", f"{jars(pom)}/*", main, *arguments]


def prepare(
    directories: Sequence[Path],
    ports: Sequence[int],
    *,
    protocol: str = "PLAINTEXT",
    more: str = "",
) -> None:
    """Make the brokers of one cluster, each in its folder, unless they are there."""
    if all((one / "data" / "meta.properties").exists() for one in directories):
        return
    controllers = [servers.free_port() for _ in directories]
    count = len(directories)
    voters = ",".join(f"{at}@127.0.0.1:{port}" for at, port in enumerate(controllers, 1))
    quorum = (
        f"controller.quorum.voters={voters}"
        if count > 1
        else f"controller.quorum.bootstrap.servers=127.0.0.1:{controllers[0]}"
    )
    cluster = base64.urlsafe_b64encode(os.urandom(16)).decode().rstrip("=")
    template = Template((HERE / "server.properties").read_text())
    for at, directory in enumerate(directories):
        directory.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(directory / "data", ignore_errors=True)  # of a format that was killed
        settings = directory / "server.properties"
        settings.write_text(
            template.substitute(
                node=at + 1,
                quorum=quorum,
                protocol=protocol,
                port=ports[at],
                controller_port=controllers[at],
                directory=directory,
                replication=count,
                insync=NODES_INSYNC[count],
                more=more,
            )
        )
        alone = [] if count > 1 else ["--standalone"]
        tool = java("kafka.tools.StorageTool", "format", *alone, "-t", cluster, "-c", str(settings))
        subprocess.run(tool, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def command(directory: Path) -> list[str]:
    """What runs the broker that was prepared in `directory`."""
    return java("kafka.Kafka", str(directory / "server.properties"))


def main() -> None:
    directory, port = Path(sys.argv[1]).resolve(), int(sys.argv[2])
    prepare([directory], [port])
    becomes = command(directory)
    os.execv(becomes[0], becomes)


if __name__ == "__main__":
    main()
