"""Faults in the real system calls of real processes: an error, or sudden death, at the Nth of them.

A filter of the kernel (seccomp, with notification) stops a process and all that it starts at each call that
opens, writes, flushes, renames or removes a file. This process then lets the call pass, answers it with an
error, or kills the process that made it. So no library is bypassed: C code, threads and worker processes are
stopped just as Python is. Linux on x86-64 only.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import platform
import select
import signal
import socket
import struct
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple, NoReturn

ALLOW, ERRNO, NOTIFY = 0x7FFF0000, 0x00050000, 0x7FC00000
"""What a filter answers: let the call pass, fail with an errno, ask the supervisor."""

_LOAD, _JUMP_IF_EQUAL, _RETURN = 0x20, 0x15, 0x06
_AUDIT_ARCH_X86_64 = 0xC000003E
_PR_SET_NO_NEW_PRIVS, _SYS_SECCOMP, _SET_MODE_FILTER, _NEW_LISTENER = 38, 317, 1, 8
_RECEIVE, _SEND, _CONTINUE = 0xC0502100, 0xC0182101, 1

FLOCK = 73

# By number: the name, and where its path or descriptor is among the arguments.
# f: a descriptor; p: a path relative to the current folder; d: a folder's descriptor, then a path;
# a: a network address.
CALLS = {
    1: ("write", "f0"), 18: ("write", "f0"), 20: ("write", "f0"), 296: ("write", "f0"), 40: ("write", "f0"),
    326: ("write", "f2"), 77: ("write", "f0"), 285: ("write", "f0"),
    74: ("fsync", "f0"), 75: ("fsync", "f0"),
    2: ("open", "p0"), 257: ("open", "d0"),
    82: ("rename", "p1"), 264: ("rename", "d2"), 316: ("rename", "d2"),
    87: ("unlink", "p0"), 263: ("unlink", "d0"), 84: ("unlink", "p0"),
    83: ("mkdir", "p0"), 258: ("mkdir", "d0"),
    86: ("link", "p1"), 265: ("link", "d2"),
    42: ("connect", "a1"),
}  # fmt: skip

_FLAGS_OF_OPEN = {2: 1, 257: 2}
_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT


class Call(NamedTuple):
    """A call that was watched: "parent" or "worker", what it does, and to which path or network address."""

    process: str
    name: str
    path: str


class Fault(NamedTuple):
    """What happens at the Nth watched call of the parent, or of the workers.

    `error` is the errno of the answer; 0 kills the process before the call.
    """

    process: str
    number: int
    error: int


class Ended(NamedTuple):
    """How a command ended: its exit code (negative: its signal), its output, the calls, the faulty one."""

    code: int
    output: str
    calls: list[Call]
    hit: Call | None


def works_here() -> bool:
    """Whether this kernel lets a process filter the calls of its children."""
    if sys.platform != "linux" or platform.machine() != "x86_64":
        return False
    child = os.fork()
    if not child:
        os._exit(0 if _install(range(500, 501), NOTIFY, listen=True) >= 0 else 1)
    return os.waitpid(child, 0)[1] == 0


def fail_always(number: int, error: int) -> None:
    """Let a system call fail with an errno, in this process and all that it starts, for good."""
    if _install([number], ERRNO | error) < 0:
        raise OSError("the kernel does not take the filter")


def _install(numbers: object, answer: int, *, listen: bool = False) -> int:
    """Install a filter that answers these calls so and lets others pass; its descriptor, or 0."""
    numbers = list(numbers)  # type: ignore[call-overload]
    steps = [(_LOAD, 0, 0, 4), (_JUMP_IF_EQUAL, 1, 0, _AUDIT_ARCH_X86_64), (_RETURN, 0, 0, ALLOW)]
    steps += [(_LOAD, 0, 0, 0)]
    steps += [(_JUMP_IF_EQUAL, len(numbers) - index, 0, number) for index, number in enumerate(numbers)]
    steps += [(_RETURN, 0, 0, ALLOW), (_RETURN, 0, 0, answer)]
    program = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *step) for step in steps))
    header = ctypes.create_string_buffer(struct.pack("HxxxxxxQ", len(steps), ctypes.addressof(program)))
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    return int(libc.syscall(_SYS_SECCOMP, _SET_MODE_FILTER, _NEW_LISTENER if listen else 0, header))


def execute(work: Callable[[], int], folder: Path, fault: Fault | None = None) -> Ended:
    """Do the work in a child process whose calls on files below `folder` are watched, and wait for its end.

    So are its connections to the network, and processes that it starts, which are waited for.
    """
    ours, its = socket.socketpair()
    log = os.memfd_create("output")
    child = os.fork()
    if not child:
        _do(work, its, log)
    its.close()
    _, (listener,), _, _ = socket.recv_fds(ours, 1, 1)
    ours.close()
    supervisor = _Supervisor(listener, folder, fault)
    try:
        supervisor.run()
    finally:
        os.close(listener)
    status = os.waitpid(child, 0)[1]
    output = os.pread(log, 1 << 24, 0).decode(errors="replace")
    os.close(log)
    return Ended(os.waitstatus_to_exitcode(status), output, supervisor.calls, supervisor.hit)


def _do(work: Callable[[], int], its: socket.socket, log: int) -> NoReturn:
    code = 99
    try:
        for stream in (1, 2):
            os.dup2(log, stream)
        listener = _install(CALLS, NOTIFY, listen=True)
        # This call is not watched, as it is no call on a file.
        socket.send_fds(its, [b"!"], [listener])
        os.close(listener)
        its.close()
        code = work()
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        os._exit(code)


class _Supervisor:
    def __init__(self, listener: int, folder: Path, fault: Fault | None) -> None:
        self.listener, self.folder, self.fault = listener, str(folder), fault
        self.calls: list[Call] = []
        self.hit: Call | None = None
        self._counts = {"parent": 0, "worker": 0}

    def run(self) -> None:
        poll = select.poll()
        poll.register(self.listener, select.POLLIN)
        while True:
            events = poll.poll()[0][1]
            if not events & select.POLLIN:
                return  # nobody is left who has the filter
            request = bytearray(80)
            try:
                fcntl.ioctl(self.listener, _RECEIVE, request)
            except OSError:
                continue  # it was killed meanwhile
            identity, thread, _, number, _, _, *arguments = struct.unpack("QIIiIQ6Q", request)
            error = self._judge(thread, number, arguments)
            answer = struct.pack("QqiI", identity, 0, -error, 0 if error else _CONTINUE)
            try:
                fcntl.ioctl(self.listener, _SEND, answer)
            except OSError as gone:
                if gone.errno != errno.ENOENT:
                    raise

    def _judge(self, thread: int, number: int, arguments: list[int]) -> int:
        """The errno of the answer, 0 to let the call pass."""
        try:
            call = self._describe(thread, number, arguments)
        except OSError:
            return 0  # it was killed meanwhile
        if call is None:
            return 0
        self.calls.append(call)
        self._counts[call.process] += 1
        fault = self.fault
        if fault is None or (fault.process, fault.number) != (call.process, self._counts[call.process]):
            return 0
        self.hit = call
        if not fault.error:
            os.kill(thread, signal.SIGKILL)
        return fault.error

    def _describe(self, thread: int, number: int, arguments: list[int]) -> Call | None:
        name, place = CALLS[number]
        first = int(place[1])
        if place[0] == "f":
            path = os.readlink(f"/proc/{thread}/fd/{arguments[first] & 0xFFFFFFFF}")  # noqa: PTH115
        elif place[0] == "p":
            path = self._full(thread, "cwd", arguments[first])
        elif place[0] == "a":
            family = int.from_bytes(self._memory(thread, arguments[first], 2), "little")
            if family not in (socket.AF_INET, socket.AF_INET6):
                return None
            path = f"{self.folder}/{self._memory(thread, arguments[first], 28).hex()}"
        else:
            descriptor = arguments[first] & 0xFFFFFFFF
            at_cwd = descriptor == 0xFFFFFF9C
            path = self._full(thread, "cwd" if at_cwd else f"fd/{descriptor}", arguments[first + 1])
        if not path.startswith(self.folder):
            return None
        if number in _FLAGS_OF_OPEN and not arguments[_FLAGS_OF_OPEN[number]] & _WRITES:
            name = "open to read"
        command = Path(f"/proc/{thread}/cmdline").read_bytes()
        return Call("worker" if b"spawn_main" in command else "parent", name, path[len(self.folder) + 1 :])

    @staticmethod
    def _memory(thread: int, address: int, length: int) -> bytes:
        with open(f"/proc/{thread}/mem", "rb", buffering=0) as memory:  # noqa: PTH123
            memory.seek(address)
            return memory.read(length)

    def _full(self, thread: int, base: str, address: int) -> str:
        path = os.fsdecode(self._memory(thread, address, 4096).partition(b"\0")[0])
        if not os.path.isabs(path):  # noqa: PTH117
            path = os.path.join(os.readlink(f"/proc/{thread}/{base}"), path)  # noqa: PTH115, PTH118
        return os.path.normpath(path)
