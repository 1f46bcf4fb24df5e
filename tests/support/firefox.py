"""Firefox without a screen, driven by Marionette: JSON on a socket, each message with its length in front."""

import contextlib
import json
import shutil
import socket
import subprocess
import time

FIREFOX = shutil.which("firefox-esr") or shutil.which("firefox")


@contextlib.contextmanager
def firefox(folder):
    """Start Firefox with a profile of its own, and yield a function: call(command, **arguments) returns the answer."""
    (folder / "user.js").write_text(f'user_pref("marionette.port", {(port := free_port())});')
    command = [FIREFOX, "--headless", "--no-remote", "--marionette", "--profile", str(folder)]
    running = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        with connected(port) as link, link.makefile("rwb") as pipe:
            received(pipe)  # it greets first
            yield lambda name, **given: answer(pipe, name, given)
    finally:
        running.terminate()
        running.wait(60)


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


def connected(port, seconds=60):
    for _ in range(10 * seconds):
        with contextlib.suppress(OSError):
            return socket.create_connection(("127.0.0.1", port), timeout=120)
        time.sleep(0.1)
    raise TimeoutError("Firefox does not answer")


def received(pipe):
    length = b""
    while (sign := pipe.read(1)) != b":":
        length += sign
    return json.loads(pipe.read(int(length)))


def answer(pipe, name, given):
    message = json.dumps([0, 1, name, given]).encode()
    pipe.write(b"%d:%s" % (len(message), message))
    pipe.flush()
    _, _, error, result = received(pipe)
    if error:
        raise RuntimeError(error["message"])
    return result
