"""Runs a program of ours where nothing but this machine can be reached, and tells what it tried.

    python -m tests.cut_off REPORT PROGRAM ARGUMENT ...

Every look-up of a name and every connection elsewhere is written into REPORT, a line each, and fails. On Linux the
process is moved into a network of its own where it may be, so that what no hook of Python's sees fails too.
"""

import ctypes
import fcntl
import os
import runpy
import socket
import struct
import sys
from typing import Any

HERE = {"127.0.0.1", "::1", "localhost", "0.0.0.0", "::", ""}
SAME_NETWORK = "EARSHOT_SAME_NETWORK"
"""Set in the environment: the process stays in the network of the machine."""
NEW_USER, NEW_NETWORK = 0x10000000, 0x40000000
SET_FLAGS, UP = 0x8914, 0x1


def cut(report: str) -> None:
    """From now on for this process and what it starts by fork."""

    def hook(event: str, given: tuple[Any, ...]) -> None:
        if event in {"socket.getaddrinfo", "socket.gethostbyname"}:
            host = given[0]
        elif event in {"socket.connect", "socket.sendto"} and isinstance(given[1], tuple):
            host = given[1][0]
        else:
            return
        name = host.decode() if isinstance(host, bytes) else str(host or "")
        if name not in HERE:
            with open(report, "a") as file:
                file.write(f"{event} {name}\n")
            raise OSError(f"nothing but this machine is to be reached, {name} is not it")

    sys.addaudithook(hook)


def own_network() -> bool:
    """Moves this process into a network with nothing but itself; whether that was allowed."""
    if not sys.platform.startswith("linux") or SAME_NETWORK in os.environ:
        return False
    if ctypes.CDLL(None, use_errno=True).unshare(NEW_USER | NEW_NETWORK) != 0:
        return False
    with socket.socket() as any_socket:
        fcntl.ioctl(any_socket, SET_FLAGS, struct.pack("16sh", b"lo", UP))
    return True


if __name__ == "__main__":
    own, cutting = own_network(), sys.argv[1]
    with open(cutting, "w") as begun:
        begun.write(f"own network: {own}\n")
    cut(cutting)
    sys.argv = sys.argv[2:]
    sys.path.insert(0, os.getcwd())
    runpy.run_path(sys.argv[0], run_name="__main__")
