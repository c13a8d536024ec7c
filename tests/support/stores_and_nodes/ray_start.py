"""Ray's command line, bound to this machine alone: `python ray_start.py start --node-ip-address=127.0.0.1 ...`.

Ray binds to the loopback address only where clusters of several machines are switched off, and then refuses a second node; and it
replaces 127.0.0.1 by the address of the network card. Both are undone here, in this process alone: the nodes keep the switch.
"""

import sys

import ray._private.ray_constants as constants
from ray._private import services

if __name__ == "__main__":
    constants.ENABLE_RAY_CLUSTER = True
    services.resolve_ip_for_localhost = lambda host: host
    from ray.scripts.scripts import main

    sys.exit(main())
