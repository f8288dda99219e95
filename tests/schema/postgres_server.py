"""A private PostgreSQL on loopback, stopped and removed when its context ends."""

import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

START_TIMEOUT_S = 20
COMMAND_TIMEOUT_S = 30


class PostgresError(Exception):
    """What PostgreSQL or a tool of its said."""


def programs():
    """The directory of the newest installed server's programs."""
    candidates = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: -int(path.parent.name))
    if shutil.which("initdb"):
        candidates.append(Path(shutil.which("initdb")).resolve().parent)
    for path in candidates:
        if all((path / name).exists() for name in ("initdb", "postgres", "psql")):
            return path
    raise PostgresError("PostgreSQL 15 or later is missing: install Debian's package postgresql, "
                        "or put initdb, postgres and psql on PATH")


def unprivileged():
    """How to start a program as somebody PostgreSQL accepts: it refuses to run as root."""
    if os.geteuid() != 0:
        return {}
    for name in ("postgres", "nobody"):
        try:
            account = pwd.getpwnam(name)
        except KeyError:
            continue
        return {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}
    raise PostgresError("PostgreSQL refuses to run as root, and there is no user postgres or nobody")


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


class Postgres:
    """A psql client of one running server."""

    def __init__(self, psql, port, password):
        self._command = [str(psql), "-X", "-q", "-v", "ON_ERROR_STOP=1"]
        self._environment = {"PATH": os.environ.get("PATH", ""), "PGHOST": "127.0.0.1", "PGPORT": str(port),
                             "PGUSER": "owner", "PGDATABASE": "postgres", "PGPASSWORD": password,
                             "PGCONNECT_TIMEOUT": "5", "LC_ALL": "C.UTF-8", "TZ": "UTC"}

    def psql(self, *arguments, text=None):
        done = subprocess.run([*self._command, *arguments], input=text, env=self._environment, text=True,
                              capture_output=True, timeout=COMMAND_TIMEOUT_S, check=False)
        if done.returncode != 0:
            raise PostgresError(done.stderr.strip())
        return done.stdout

    def rows(self, *arguments, text=None):
        """Rows of text cells; NULL and the empty text both read as ''."""
        output = self.psql("-At", "-F", "\x1f", *arguments, text=text)
        return [tuple(line.split("\x1f")) for line in output.splitlines()]


@contextmanager
def running():
    bin_dir = programs()
    as_whom = unprivileged()
    # A terminated run must stop its server too. unittest swallows every exception but this one.
    previous = signal.signal(signal.SIGTERM, signal.default_int_handler)
    directory = Path(tempfile.mkdtemp(prefix="chitty-postgres-"))
    server = None
    try:
        password, port = secrets.token_hex(16), free_port()
        initialise(bin_dir, directory, password, as_whom)
        server = start(bin_dir, directory, port, as_whom)
        client = Postgres(bin_dir / "psql", port, password)
        wait_until_ready(client, server, directory)
        yield client
    finally:
        if server is not None:
            stop(server)
        shutil.rmtree(directory, ignore_errors=True)
        signal.signal(signal.SIGTERM, previous)


def initialise(bin_dir, directory, password, as_whom):
    password_file = directory / "password"
    password_file.write_text(password)
    if as_whom:
        for path in (directory, password_file):
            os.chown(path, as_whom["user"], as_whom["group"])
    command = [bin_dir / "initdb", "-D", directory / "data", "-U", "owner", f"--pwfile={password_file}",
               "--auth=scram-sha-256", "--encoding=UTF8", "--locale=C", "--no-sync"]
    done = subprocess.run(command, capture_output=True, text=True, cwd="/", timeout=COMMAND_TIMEOUT_S,
                          check=False, **as_whom)
    if done.returncode != 0:
        raise PostgresError(f"initdb failed: {done.stderr.strip()}")


def start(bin_dir, directory, port, as_whom):
    settings = {"listen_addresses": "127.0.0.1", "port": port, "unix_socket_directories": "",
                "fsync": "off", "full_page_writes": "off", "shared_buffers": "16MB", "timezone": "UTC"}
    command = [bin_dir / "postgres", "-D", directory / "data"]
    for name, value in settings.items():
        command += ["-c", f"{name}={value}"]
    with open(directory / "log", "wb") as log:
        return subprocess.Popen(command, stdout=log, stderr=log, cwd="/", **as_whom)


def wait_until_ready(client, server, directory):
    deadline = time.monotonic() + START_TIMEOUT_S
    while True:
        try:
            client.psql("-c", "SELECT 1")
            return
        except PostgresError as error:
            if server.poll() is not None or time.monotonic() > deadline:
                log = (directory / "log").read_text(errors="replace")[-2000:]
                raise PostgresError(f"the server did not start: {error}\n{log}") from error
        time.sleep(0.1)


def stop(server):
    server.send_signal(signal.SIGINT)  # fast shutdown
    try:
        server.wait(timeout=10)
    except subprocess.TimeoutExpired:
        server.send_signal(signal.SIGQUIT)  # immediate shutdown; takes the children along
        server.wait(timeout=10)
