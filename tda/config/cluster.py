"""The schema of `conf/cluster`: where a job runs."""

from dataclasses import dataclass, field

from tda.config.fields import Checked, bounded
from tda.errors import UserError


@dataclass(kw_only=True)
class HardwareConfig(Checked, path="cluster.hardware"):
    """What a cluster is made of: for jobs.plan alone."""

    nodes: int = bounded(1, least=1)
    gpus: int = bounded(0, least=0)  # per node, as all that follows
    tflops: float = bounded(0.0, least=0)  # of a GPU at 16 bits, as its maker states
    gpu_bytes: float = bounded(0.0, least=0)
    cores: int = bounded(2, least=1)
    core_gflops: float = bounded(40.0, above=0)  # of a core at 32 bits
    host_bytes: float = bounded(8e9, above=0)
    read_bytes: float = bounded(1e9, above=0)  # per second, from the store of the shards
    utilisation: float = bounded(0.5, above=0)  # share of the peak FLOPs that models and matrix products reach
    decode_rate: float = bounded(1000.0, above=0)  # images of up to half a megapixel that a core decodes per second

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.gpus and not (self.tflops > 0 and self.gpu_bytes > 0):
            raise UserError(f"cluster.hardware.gpus={self.gpus} needs tflops and gpu_bytes above 0")


@dataclass(kw_only=True)
class ClusterConfig(Checked, path="cluster"):
    """Where it runs. Without an address: a Ray of its own on this machine, bound to 127.0.0.1."""

    address: str | None = None  # auto, or a Ray address: joins a running cluster
    dashboard: str | None = (
        None  # http://HOST:8265 of a cluster, for jobs.submit; null: RAY_API_SERVER_ADDRESS, else port 8265 of this machine
    )
    insecure: bool = False  # true: use a cluster that asks for no token, on which whoever reaches it can run any command (CVE-2023-48022)
    actors: int | None = bounded(None, least=1)  # null: one per GPU, or as many as the CPUs hold
    cpus_per_actor: float = bounded(1, least=0)
    gpus_per_actor: float | None = bounded(None, least=0)  # null: 1 where the cluster has GPUs, else 0
    hardware: HardwareConfig = field(default_factory=HardwareConfig)
    heartbeat_seconds: float | None = bounded(120, least=1)  # an actor that does not answer for so long is replaced; null: never
    wait_seconds: float = bounded(600, least=0)  # how long a run waits while no node has room for an actor, or none of its actors starts
