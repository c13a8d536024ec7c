"""The files of cluster/ against the schemas of what reads them, against each other, and against the requirement files."""

import configparser
import gzip
import json
import os
import re
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import kubernetes_validate
import pytest
import ray
import yaml

REPOSITORY = Path(__file__).resolve().parents[2]
CLUSTER = REPOSITORY / "cluster"
MANIFESTS = sorted((CLUSTER / "kubernetes").glob("*.yaml"))
LAUNCHERS = sorted(CLUSTER.glob("ray-up*.yaml"))
TEXTS = [file for file in sorted(CLUSTER.rglob("*")) if file.is_file() and not file.name.startswith("requirements")]
VERSION = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]["version"]
CRDS = {"RayCluster": "rayclusters", "RayJob": "rayjobs"}
PART_OF = {"app.kubernetes.io/part-of": "lacuna"}


def documents(*kinds: str) -> list[dict[str, Any]]:
    found = [one for file in MANIFESTS for one in yaml.safe_load_all(file.read_text())]
    return [one for one in found if not kinds or one["kind"] in kinds]


def pods() -> Iterator[tuple[str, dict[str, Any]]]:
    """(where, pod template) of everything that runs."""
    for one in documents("RayCluster", "RayJob"):
        cluster = one["spec"].get("rayClusterSpec", one["spec"])
        yield f"{one['kind']} head", cluster["headGroupSpec"]["template"]
        yield from ((f"{one['kind']} {group['groupName']}", group["template"]) for group in cluster["workerGroupSpecs"])
    yield from (("submitter", one["spec"]["submitterPodTemplate"]) for one in documents("RayJob"))
    yield from (("cronjob", one["spec"]["jobTemplate"]["spec"]["template"]) for one in documents("CronJob"))


def locked(file: str) -> dict[str, str]:
    """Package -> version of a requirement file."""
    return dict(re.findall(r"^([\w.-]+)==([\w.+!]+)", (CLUSTER / file).read_text(), re.MULTILINE))


def strict(schema: Any) -> Any:
    """The schema refusing unknown fields, as the API server's strict validation does; OpenAPI's own extensions say where they are free."""
    if isinstance(schema, list):
        return [strict(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    closed = {key: strict(value) for key, value in schema.items()}
    free = schema.get("x-kubernetes-preserve-unknown-fields") or "additionalProperties" in schema
    if isinstance(schema.get("properties"), dict) and "type" in schema and not free:
        closed["additionalProperties"] = False
    if schema.get("x-kubernetes-int-or-string"):
        closed = {"type": ["integer", "string"]}
    return closed


@pytest.mark.parametrize("kind", CRDS)
def test_kuberay_takes_it(kind: str, shared_k8s: Path) -> None:
    definition = yaml.safe_load(gzip.decompress((shared_k8s / f"ray.io_{CRDS[kind]}.yaml.gz").read_bytes()))
    (version,) = [one for one in definition["spec"]["versions"] if one["name"] == "v1"]
    schema = strict(version["schema"]["openAPIV3Schema"])
    schema["properties"]["metadata"] = {"type": "object"}
    (found,) = documents(kind)
    jsonschema.validate(found, schema)
    spoilt = json.loads(json.dumps(found).replace('"rayStartParams"', '"rayStartParam"', 1))
    with pytest.raises(jsonschema.ValidationError, match="rayStartParam"):
        jsonschema.validate(spoilt, schema)


@pytest.mark.parametrize("kind", ["ServiceAccount", "NetworkPolicy", "CronJob"])
def test_kubernetes_takes_it(kind: str) -> None:
    found = documents(kind)
    assert found
    for one in found:
        kubernetes_validate.validate(one, kubernetes_validate.latest_version(), strict=True)


def test_every_pod_is_one_that_kubernetes_takes() -> None:
    """KubeRay's schema knows a pod's fields, but not all of its rules."""
    for where, template in pods():
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": where.lower().replace(" ", "-")}, "spec": template["spec"]}
        kubernetes_validate.validate(pod, kubernetes_validate.latest_version(), strict=True)


def test_no_kind_is_left_out() -> None:
    assert {one["kind"] for one in documents()} == {*CRDS, "ServiceAccount", "NetworkPolicy", "CronJob", "PodMonitor"}


def test_every_pod_is_limited_and_nobody() -> None:
    for where, template in pods():
        spec = template["spec"]
        assert template["metadata"]["labels"] == PART_OF, where
        assert (spec["securityContext"]["runAsNonRoot"], spec["securityContext"]["runAsUser"]) == (True, 1000), where
        assert spec["restartPolicy"] == "Never", where
        assert where.endswith("head") or spec["automountServiceAccountToken"] is False, where
        for container in spec["containers"]:
            assert set(container["resources"]["limits"]) >= {"cpu", "memory"}, where
            assert container["securityContext"] == {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}, where
    accounts = {one["metadata"]["name"] for one in documents("ServiceAccount")}
    assert {template["spec"]["serviceAccountName"] for _, template in pods()} == accounts


def test_clusters_ask_for_the_token_scale_and_leave_the_head_alone() -> None:
    for one in documents("RayCluster", "RayJob"):
        cluster = one["spec"].get("rayClusterSpec", one["spec"])
        assert cluster["authOptions"] == {"mode": "token"}
        assert (cluster["enableInTreeAutoscaling"], cluster["autoscalerOptions"]["version"]) == (True, "v2")
        assert cluster["headGroupSpec"]["rayStartParams"]["num-cpus"] == "0"
        for group in cluster["workerGroupSpecs"]:
            assert group["minReplicas"] <= group["replicas"] <= group["maxReplicas"]


def test_the_schedule_forbids_two_looks_and_gets_the_clusters_own_token() -> None:
    (found,) = documents("CronJob")
    (cluster,) = documents("RayCluster")
    (container,) = found["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"]
    assert found["spec"]["concurrencyPolicy"] == "Forbid"
    assert container["args"][0] == "jobs.watch"
    assert "once=true" in container["args"]
    assert {"again=true", f"cluster.dashboard=http://{cluster['metadata']['name']}-head-svc:8265"} <= set(container["command"])
    token = next(one["valueFrom"]["secretKeyRef"] for one in container["env"] if one["name"] == "RAY_AUTH_TOKEN")
    assert token == {"name": cluster["metadata"]["name"], "key": "auth_token"}


def test_a_job_ends_in_one_way() -> None:
    (found,) = documents("RayJob")
    assert found["spec"]["shutdownAfterJobFinishes"]
    assert "deletionStrategy" not in found["spec"]
    assert found["spec"]["ttlSecondsAfterFinished"] >= 90


def test_the_network_policy_covers_the_pods_and_nothing_enters_from_elsewhere() -> None:
    (policy,) = documents("NetworkPolicy")
    assert policy["spec"]["podSelector"]["matchLabels"] == PART_OF
    assert set(policy["spec"]["policyTypes"]) == {"Ingress", "Egress"}
    assert all("from" in rule for rule in policy["spec"]["ingress"])


def test_the_pod_monitor_reads_a_port_that_every_node_has() -> None:
    (monitor,) = documents("PodMonitor")
    assert monitor["spec"]["selector"]["matchLabels"] == PART_OF
    wanted = {one["port"] for one in monitor["spec"]["podMetricsEndpoints"]}
    for where, template in pods():
        if where not in ("submitter", "cronjob"):
            (container,) = template["spec"]["containers"]
            assert wanted <= {port["name"] for port in container["ports"]}, where


@pytest.mark.parametrize("file", LAUNCHERS, ids=lambda file: file.name)
def test_rays_launcher_takes_it(file: Path) -> None:
    schema = json.loads((Path(ray.__file__).parent / "autoscaler" / "ray-schema.json").read_text())
    found = yaml.safe_load(file.read_text())
    jsonschema.validate(found, schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**found, "max_worker": 3}, schema)
    (start,) = [line for line in found["head_start_ray_commands"] if "--head" in line]
    assert {"--num-cpus=0", "--dashboard-host=127.0.0.1"} <= set(start.split())
    assert "RAY_AUTH_MODE=token" in " ".join(found["docker"]["run_options"])
    assert "/home/lacuna/.ray/auth_token" in found["file_mounts"]


def test_versions_are_those_of_the_requirement_files() -> None:
    versions = {locked(f"requirements-{kind}.txt")["ray"] for kind in ("cpu", "cluster", "gpu", "dev")}
    assert len(versions) == 1
    for one in documents("RayCluster", "RayJob"):
        assert one["spec"].get("rayClusterSpec", one["spec"])["rayVersion"] in versions
    images = {name for file in TEXTS for name in re.findall(r"\blacuna:[\w.-]+", file.read_text())}
    assert images == {f"lacuna:{VERSION}-cpu", f"lacuna:{VERSION}-gpu"}


def test_cluster_file_is_the_cpu_file_and_more() -> None:
    cpu, cluster, gpu = (locked(f"requirements-{kind}.txt") for kind in ("cpu", "cluster", "gpu"))
    assert cpu.items() < cluster.items()
    assert set(cluster) - set(cpu) <= set(gpu)
    for name in ("cluster", "gpu"):
        assert "://" not in (CLUSTER / f"requirements-{name}.txt").read_text()


def test_no_secret_is_written_down() -> None:
    for file in TEXTS:
        assert not re.search(r"AKIA|(SECRET|TOKEN|KEY)\w*[=:] *['\"]?[A-Za-z0-9+/]{16,}", file.read_text()), file


def commands() -> Iterator[tuple[str, list[str]]]:
    """(file, words) of every command of Lacuna in the files, without the interpreter."""
    for one in documents("RayJob"):
        yield "rayjob", shlex.split(one["spec"]["entrypoint"])[2:]
    for one in documents("CronJob"):
        (container,) = one["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"]
        yield "cronjob", [*container["command"], *container["args"]][2:]
    for file in sorted((CLUSTER / "schedule").iterdir()):
        for line in re.findall(r"^[^#\n]*?-m (jobs\.\w+ .*)$", file.read_text(), re.MULTILINE):
            yield file.name, shlex.split(line.partition(" >> ")[0])


def composed(words: list[str], cwd: Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    words = [sys.executable, "-m", *words, "--cfg", "job"]
    return subprocess.run(words, cwd=cwd, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(("where", "words"), list(commands()), ids=lambda value: value if isinstance(value, str) else "")
def test_every_command_composes(where: str, words: list[str], tmp_path: Path) -> None:
    last = words[words.index("--") + 1] if "--" in words else words[0]
    if not (REPOSITORY / "conf" / f"{last.removeprefix('jobs.')}.yaml").exists():
        pytest.skip(f"{last} is not there")
    done = composed(words, tmp_path)
    assert done.returncode == 0, f"{where}: {done.stderr}"
    assert "root: " in done.stdout


def test_schedules_never_run_two_looks_at_once() -> None:
    schedule = CLUSTER / "schedule"
    assert "flock --nonblock" in (schedule / "crontab").read_text()
    units = {kind: configparser.ConfigParser(strict=False, interpolation=None) for kind in ("service", "timer")}
    for kind, parser in units.items():
        parser.optionxform = str  # type: ignore[assignment,method-assign]  # the names of systemd have capitals
        parser.read(schedule / f"lacuna-watch.{kind}")
    assert units["service"]["Service"]["Type"] == "oneshot"
    assert "OnUnitInactiveSec" in units["timer"]["Timer"]
    for file in ("crontab", "scrontab"):
        (entry,) = [line for line in (schedule / file).read_text().splitlines() if line and not line.startswith("#")]
        assert re.match(r"(\S+ ){5}", entry)


def test_the_slurm_script_is_bash_and_wants_a_command() -> None:
    script = CLUSTER / "slurm.sbatch"
    assert subprocess.run(["bash", "-n", script], check=False).returncode == 0
    done = subprocess.run(["bash", script], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr.startswith("usage: sbatch")) == (2, True)
    assert "ray symmetric-run" in script.read_text()
