"""The rate of the machine that the plan is made on, from a matrix product of a quarter of a second."""

import os
import time
from collections.abc import Callable

import numpy as np
from threadpoolctl import threadpool_limits

from jobs.planning.costs import Machines
from tda.config.cluster import ClusterConfig, HardwareConfig

SIDE = 1024
SECONDS = 0.12


def core_rate() -> float:
    """FLOPs a second of one core in a float32 matrix product, by the time that this process was given."""
    with threadpool_limits(1):
        return _product_rate(time.process_time)


def all_cores_rate() -> float:
    """The same of all cores together, by the clock on the wall."""
    return _product_rate(time.perf_counter)


def _product_rate(clock: Callable[[], float]) -> float:
    x_NN = np.ones((SIDE, SIDE), np.float32)
    x_NN @ x_NN
    flops, began = 0.0, clock()
    while (took := clock() - began) < SECONDS:
        x_NN @ x_NN
        flops += 2.0 * SIDE**3
    return flops / took


def measured_here() -> Machines:
    """This machine."""
    cores, one = len(os.sched_getaffinity(0)), core_rate()
    hardware = HardwareConfig(cores=cores, core_gflops=one / 1e9, utilisation=1.0)
    return Machines(hardware=hardware, rate=min(cores * one, max(one, all_cores_rate())), measured=True, one_core=one)


def cores_of(cluster: ClusterConfig) -> Machines:
    """The cores that an analysis runs on: measured where the run is planned for this machine, else by the settings."""
    if cluster.address is None and cluster.hardware == HardwareConfig():
        return measured_here()
    return Machines.of(cluster.hardware)
