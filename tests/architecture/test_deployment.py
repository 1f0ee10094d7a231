"""What is shipped for running elsewhere, checked as far as no engine and no cluster can.

The manifests are built by kustomize and held to the published Kubernetes schemas, compose to its
own schema, the Dockerfiles to hadolint; then all of them to what the code says of itself.
"""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from homeroom.services import PROCESSES, SERVICES
from homeroom.settings import CommandSettings
from roster_common.runtime.log.__main__ import KeeperSettings
from roster_common.runtime.settings import ServiceSettings
from tests.architecture.workspace import ROOT
from tests.architecture.workspace import SERVICES as SERVICE_NAMES

# A server's own drain (drain_timeout_s), the loops' drain and cancel, and closing.
STOP_S = 2 * ServiceSettings.model_fields["drain_timeout_s"].default + (
    ServiceSettings.model_fields["cancel_timeout_s"].default
)
PORTS = {service.name: 8101 + service.offset for service in PROCESSES}
KUBERNETES = "1.32.0"
DOCKERFILES = [*(ROOT / "services" / name / "Dockerfile" for name in SERVICE_NAMES)]
TOOLS = ROOT / "apps/homeroom/Dockerfile"


def tool(name: str) -> str:
    beside = Path(sys.executable).with_name(name)
    return str(beside) if beside.exists() else name


def run(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, check=False, capture_output=True, text=True)


def kustomized() -> list[dict[str, Any]]:
    for command in (["kubectl", "kustomize"], ["kustomize", "build"]):
        if shutil.which(command[0]):
            done = run(*command, str(ROOT / "deploy/k8s/base"))
            assert done.returncode == 0, done.stderr
            return [one for one in yaml.safe_load_all(done.stdout) if one]
    pytest.skip("neither kubectl nor kustomize is on this machine")


def compose() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text("utf-8"))
    return loaded


def of_kind(manifests: list[dict[str, Any]], kind: str) -> dict[str, dict[str, Any]]:
    return {one["metadata"]["name"]: one for one in manifests if one["kind"] == kind}


def test_every_manifest_is_valid_against_the_published_schema_of_its_kind() -> None:
    manifests = kustomized()

    for manifest in manifests:
        kubernetes_validate.validate(manifest, KUBERNETES, strict=True)
    assert len(manifests) > 15


def test_the_schema_check_sees_a_wrong_field() -> None:
    manifest = of_kind(kustomized(), "Deployment")["sis-ingest"]
    manifest["spec"]["template"]["spec"]["containers"][0]["livenessProb"] = {}

    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(manifest, KUBERNETES, strict=True)


@pytest.mark.parametrize("name", sorted(PORTS))
def test_a_deployment_has_the_port_probes_and_time_that_its_service_needs(name: str) -> None:
    manifests = kustomized()
    pod = of_kind(manifests, "Deployment")[name]["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    environment = {one["name"]: one["value"] for one in container["env"]}
    probes = {
        probe: container[f"{probe}Probe"]["httpGet"]
        for probe in ("startup", "liveness", "readiness")
    }

    assert environment["HOMEROOM_PORT"] == str(PORTS[name])
    assert container["ports"][0]["containerPort"] == PORTS[name]
    assert of_kind(manifests, "Service")[name]["spec"]["ports"][0]["port"] == PORTS[name]
    assert probes["liveness"] == {"path": "/healthz", "port": "http"}
    assert probes["readiness"] == {"path": "/readyz", "port": "http"}
    assert pod["terminationGracePeriodSeconds"] > STOP_S
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert container["securityContext"]["readOnlyRootFilesystem"] is True


def test_compose_is_valid_against_its_schema() -> None:
    done = run(
        tool("check-jsonschema"),
        "--builtin-schema",
        "vendor.compose-spec",
        str(ROOT / "docker-compose.yml"),
    )

    assert done.returncode == 0, done.stdout + done.stderr


def test_compose_runs_every_process_after_the_migrations_and_stops_it_in_time() -> None:
    services = compose()["services"]

    assert services.keys() == {"postgres", "kafka", "migrate", *PORTS}
    for name, port in PORTS.items():
        service = services[name]
        assert service["depends_on"]["migrate"] == {"condition": "service_completed_successfully"}
        assert int(service["stop_grace_period"].removesuffix("s")) > STOP_S
        assert service["ports"] == [f"127.0.0.1:{port}:{port}"]
    for name in ("postgres", "kafka", *PORTS):
        assert services[name]["restart"] == "unless-stopped"


def test_compose_and_kubernetes_name_only_settings_that_exist() -> None:
    text = (ROOT / "docker-compose.yml").read_text("utf-8") + "".join(
        file.read_text("utf-8") for file in (ROOT / "deploy/k8s").rglob("*.*")
    )
    named = set(re.findall(r"HOMEROOM_[A-Z_]+", text)) - {"HOMEROOM_DATABASE_PASSWORD"}
    commands = CommandSettings.model_fields.keys() | KeeperSettings.model_fields.keys()
    known = {f"HOMEROOM_{field.upper()}" for field in commands}
    for service in SERVICES:
        module = __import__(f"{service.module}.settings", fromlist=["Settings"])
        known |= {f"HOMEROOM_{field.upper()}" for field in module.Settings.model_fields}

    assert named <= known


@pytest.mark.parametrize("file", DOCKERFILES, ids=lambda file: file.parent.name)
def test_an_image_is_not_root_has_a_health_check_and_passes_hadolint(file: Path) -> None:
    text = file.read_text("utf-8")
    name = file.parent.name
    done = run(tool("hadolint"), "--format", "json", str(file))

    assert json.loads(done.stdout) == []
    assert re.search(r"^USER 10001$", text, re.MULTILINE)
    assert f"http://127.0.0.1:{PORTS[name]}/healthz" in text
    assert f"EXPOSE {PORTS[name]}" in text


def test_the_image_of_the_command_is_not_root_and_passes_hadolint() -> None:
    done = run(tool("hadolint"), "--format", "json", str(TOOLS))

    assert json.loads(done.stdout) == []
    assert re.search(r"^USER 10001$", TOOLS.read_text("utf-8"), re.MULTILINE)


@pytest.mark.parametrize("name", sorted(PORTS))
def test_a_service_gets_its_own_secrets_and_no_other_services(name: str) -> None:
    pod = of_kind(kustomized(), "Deployment")[name]["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    secrets = {one["secretRef"]["name"] for one in container["envFrom"] if "secretRef" in one}

    assert secrets == {"homeroom", name} & {"homeroom", *SERVICE_NAMES}


def test_who_has_a_volume_of_its_own_is_replaced_and_not_rolled() -> None:
    for name, deployment in of_kind(kustomized(), "Deployment").items():
        volumes = deployment["spec"]["template"]["spec"]["volumes"]
        if any("persistentVolumeClaim" in volume for volume in volumes):
            assert deployment["spec"]["strategy"] == {"type": "Recreate"}, name


def test_a_migration_job_makes_room_for_the_next() -> None:
    job = of_kind(kustomized(), "Job")["homeroom-migrate"]

    assert job["spec"]["ttlSecondsAfterFinished"] > 0
