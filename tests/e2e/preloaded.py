"""`reconciler` as a program on the PATH that starts in milliseconds: one process imports everything once, and forks.

Scripts run it as what it is, a process with its own environment, directory and streams; only the second of imports is
saved. `python preloaded.py serve SOCKET` is that process.
"""

import json
import os
import pkgutil
import signal
import socket
import sys
import traceback
from importlib import import_module
from pathlib import Path

CLIENT = """#!{python} -IS
import json, os, socket, sys
with socket.socket(socket.AF_UNIX) as link:
    link.connect({address!r})
    call = json.dumps([sys.argv[1:], os.getcwd(), dict(os.environ)]).encode()
    socket.send_fds(link, [len(call).to_bytes(4, "big")], [0, 1, 2])
    link.sendall(call)
    sys.exit(int.from_bytes(link.recv(4), "big"))
"""


def client(folder: Path, address: Path) -> None:
    """Puts the program `reconciler` into the folder."""
    program = folder / "reconciler"
    program.write_text(CLIENT.format(python=sys.executable, address=str(address)), encoding="utf-8")
    program.chmod(0o755)


def serve(address: str) -> None:
    import reconciler

    for module in pkgutil.walk_packages(reconciler.__path__, "reconciler."):
        if "migrations" not in module.name and "__main__" not in module.name:
            import_module(module.name)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    with socket.socket(socket.AF_UNIX) as door:
        door.bind(address)
        door.listen()
        while True:
            link, _ = door.accept()
            with link:
                if os.fork() == 0:
                    door.close()
                    answer(link)


def answer(link: socket.socket) -> None:
    """In the child: become the command, and tell its exit code."""
    size, streams, _, _ = socket.recv_fds(link, 4, 3)
    wanted, call = int.from_bytes(size, "big"), b""
    while len(call) < wanted:
        call += link.recv(65_536)
    arguments, directory, environ = json.loads(call)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    code = 3
    try:
        for number, stream in enumerate(streams):
            os.dup2(stream, number)
        # New objects: the old ones know whether the server's own streams could be sought in.
        sys.stdout = open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115  as long as the process
        sys.stderr = open(2, "w", encoding="utf-8", closefd=False)  # noqa: SIM115  as above
        os.chdir(directory)
        os.environ.clear()
        os.environ.update(environ)
        code = run(arguments)
    except BaseException:  # noqa: BLE001  the parent's loop must never go on in the child
        traceback.print_exc()
    finally:
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        link.sendall(code.to_bytes(4, "big"))
        os._exit(code)


def run(arguments: list[str]) -> int:
    from reconciler.cli import main

    sys.argv = ["reconciler", *arguments]
    try:
        main(arguments)
    except SystemExit as left:
        return int(left.code or 0)
    return 0


if __name__ == "__main__" and sys.argv[1:2] == ["serve"]:
    serve(sys.argv[2])
