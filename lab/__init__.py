# SPDX-License-Identifier: Apache-2.0
# The lab: two real Debian servers, a network and a client, on this machine.
from .cluster import Lab, reset
from .command import CommandFailed
from .host import Host
from .observer import Observation, accepted_after, log_lines, observe, order_files

__all__ = ["CommandFailed", "Host", "Lab", "Observation", "accepted_after", "log_lines", "observe", "order_files",
           "reset"]
