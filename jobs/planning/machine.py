"""The rate of the machine that the plan is made on, from a matrix product of a quarter of a second."""

import os
import time

import numpy as np

from jobs.planning.costs import Machines
from tda.config.cluster import ClusterConfig, HardwareConfig

SIDE = 1024
SECONDS = 0.25


def core_rate() -> float:
    """FLOPs a second of one core in a float32 matrix product, by the time that this process was given."""
    x_NN = np.ones((SIDE, SIDE), np.float32)
    x_NN @ x_NN
    flops, began = 0.0, time.process_time()
    while (took := time.process_time() - began) < SECONDS:
        x_NN @ x_NN
        flops += 2.0 * SIDE**3
    return flops / took


def measured_here(cores: int | None = None) -> Machines:
    """This machine, or so many of its cores."""
    cores = cores or len(os.sched_getaffinity(0))
    hardware = HardwareConfig(cores=cores, core_gflops=core_rate() / 1e9, utilisation=1.0)
    return Machines(hardware=hardware, rate=cores * hardware.core_gflops * 1e9, measured=True)


def cores_of(cluster: ClusterConfig) -> Machines:
    """The cores that an analysis runs on: measured where the run is planned for this machine, else by the settings."""
    if cluster.address is None and cluster.hardware == HardwareConfig():
        return measured_here()
    return Machines.of(cluster.hardware)
