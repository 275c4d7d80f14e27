"""Who may use the page: a file of names and hashed passwords, for `--auth`.

    python -m chat_app.users FILE NAME

asks for a password and adds NAME to FILE, or gives it a new one. A password is in no command line, where other users
of a machine would see it, and in no file: only what scrypt (RFC 7914) makes of it.
"""

import hashlib
import hmac
import os
import secrets
import sys
from base64 import b64decode, b64encode
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from getpass import getpass
from pathlib import Path

import anyio

from chat_app import strings
from core.errors import LalmError, UsersError, first_line

FEWEST_CHARACTERS = 8
SALT_BYTES = HASH_BYTES = 32

Check = Callable[[str, str], Awaitable[bool]]
"""Takes a name and a password; says whether they are right."""


@dataclass(frozen=True)
class Secret:
    """What is kept of a password: bytes to hash it with, and what came of it."""

    salt: bytes
    hashed: bytes

    @staticmethod
    def of(password: str) -> "Secret":
        """With a new salt."""
        salt = secrets.token_bytes(SALT_BYTES)
        return Secret(salt, _hash(password, salt))

    def fits(self, password: str) -> bool:
        """Whether it is the password, in the same time whatever it is."""
        return hmac.compare_digest(_hash(password, self.salt), self.hashed)


def _hash(password: str, salt: bytes) -> bytes:
    # OWASP's figures for 16 MiB: about a quarter of a second for each guess
    return hashlib.scrypt(password.encode(), salt=salt, n=2**14, r=8, p=5, dklen=HASH_BYTES)


def read(path: Path) -> dict[str, Secret]:
    """The users of a file, at least one.

    Raises:
        UsersError: It cannot be read, has a line that is none, has nobody, or others may write it.
    """
    try:
        if os.name == "posix" and path.stat().st_mode & 0o022:
            raise UsersError(strings.USERS_WRITABLE.format(file=path))
        lines = path.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UsersError(strings.USERS_UNREADABLE.format(file=path, reason=first_line(error))) from error
    users = dict[str, Secret]()
    for number, line in enumerate(lines, start=1):
        name, *parts = line.split(":")
        try:
            salt, hashed = (b64decode(part, validate=True) for part in parts)
        except ValueError:
            salt = hashed = b""
        if not _may_be(name) or name in users or (len(salt), len(hashed)) != (SALT_BYTES, HASH_BYTES):
            raise UsersError(strings.USERS_LINE.format(file=path, number=number))
        users[name] = Secret(salt, hashed)
    if not users:
        raise UsersError(strings.USERS_NOBODY.format(file=path))
    return users


def write(path: Path, users: Mapping[str, Secret]) -> None:
    """Writes a file that nobody else may read; the old one stays until the new one is whole."""
    text = "".join(
        f"{name}:{b64encode(secret.salt).decode()}:{b64encode(secret.hashed).decode()}\n"
        for name, secret in users.items()
    )
    new = path.with_name(f"{path.name}.{secrets.token_hex(8)}")
    with open(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write(text)
    new.replace(path)


def checking(users: Mapping[str, Secret]) -> Check:
    """The check of a login. One at a time: who guesses is no quicker for asking more at once."""
    nobody, one = Secret.of(secrets.token_hex()), anyio.CapacityLimiter(1)

    async def check(name: str, password: str) -> bool:
        # A name that is not there takes as long as one that is.
        fits = await anyio.to_thread.run_sync(users.get(name, nobody).fits, password, limiter=one)
        return fits and name in users

    return check


def _may_be(name: str) -> bool:
    """Gradio takes blanks away at the ends."""
    return bool(name) and name.isprintable() and ":" not in name and name == name.strip()


def main(arguments: list[str]) -> int:
    """Adds a user, or gives one a new password."""
    if len(arguments) != 2:
        print(strings.USERS_USAGE, file=sys.stderr)
        return 2
    path, name = Path(arguments[0]), arguments[1]
    try:
        users = read(path) if path.exists() else {}
        if not _may_be(name):
            raise UsersError(strings.USERS_NAME)
        password = getpass(strings.PASSWORD)
        if len(password) < FEWEST_CHARACTERS:
            raise UsersError(strings.PASSWORD_SHORT.format(fewest=FEWEST_CHARACTERS))
        if getpass(strings.PASSWORD_AGAIN) != password:
            raise UsersError(strings.PASSWORD_OTHER)
        write(path, users | {name: Secret.of(password)})
    except LalmError as error:
        print(error, file=sys.stderr)
        return 2
    except OSError as error:
        print(strings.CANNOT_WRITE.format(reason=first_line(error)), file=sys.stderr)
        return 2
    print(strings.USERS_WRITTEN.format(name=name, file=path))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
