# SPDX-License-Identifier: Apache-2.0
# Looks whether this machine can carry a lab, and says what is missing before anything is started.
import ctypes
import os
import platform
import shutil
import struct

from . import settings

TOOLS = ("mmdebstrap", "zstd", "tar", "ip", "tc", "nft", "nsenter", "unshare", "setsid", "setcap", "ssh-keygen",
         "openssl", "systemctl", "chroot")
BPF_CALL = {"x86_64": 321, "aarch64": 280}
PROG_LOAD, CGROUP_SKB = 5, 8


def problems():
    """Everything that stands against a lab on this machine, in words."""
    found = [] if os.geteuid() == 0 else ["it needs root"]
    found += [f"the program {tool} is missing" for tool in TOOLS if not shutil.which(tool)]
    try:
        base = settings.cgroup_base()
    except RuntimeError as error:
        found.append(str(error))
    else:
        if not os.access(base, os.W_OK):
            found.append(f"{base} is not writable")
    if os.geteuid() == 0 and not cgroup_bpf():
        found.append("the kernel takes no cgroup BPF program: a gate of IPAddressDeny= would stand open")
    return found


def check():
    """RuntimeError with all problems, if there are any."""
    found = problems()
    if found:
        raise RuntimeError("this machine cannot carry a lab: " + "; ".join(found))


def cgroup_bpf():
    """Can a packet filter of a cgroup be loaded? Tries with one that passes everything."""
    number = BPF_CALL.get(platform.machine())
    if number is None:
        return True
    code = struct.pack("<BBhi", 0xB7, 0, 0, 1) + struct.pack("<BBhi", 0x95, 0, 0, 0)  # r0 = 1; exit
    program, licence = ctypes.create_string_buffer(code), ctypes.create_string_buffer(b"Apache-2.0")
    request = struct.pack("<IIQQ", CGROUP_SKB, 2, ctypes.addressof(program), ctypes.addressof(licence)).ljust(128, b"\0")
    libc = ctypes.CDLL(None, use_errno=True)
    handle = libc.syscall(number, PROG_LOAD, ctypes.create_string_buffer(request), len(request))
    if handle < 0:
        return False
    os.close(handle)
    return True
