"""Earshot: compare sounds with an audio language model, and see where it attended.

    python app.py

The only file that knows both sides, the engine and the page. `demo` exists as soon as the module does, because a
Hugging Face Space and `gradio app.py` look for it there. Run as a program, the arguments decide the model; imported,
the defaults do. Either way this module runs once, and so the model is loaded once.
"""

import argparse
import os
import signal
import sys
import time
from importlib.util import find_spec
from pathlib import Path

from chat_app import build, compare, launch_options, listens_at, strings, users
from chat_app.guard import THIS_MACHINE
from chat_app.turns import MOST_WAITING
from core.catalogue import NOTE, table
from core.errors import LalmError
from core.load import load
from core.placement import PRECISIONS


def count(text: str) -> int:
    """A whole number from 0."""
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text} is no whole number")
    return int(text)


def arguments(line: list[str]) -> argparse.Namespace:
    """The command line; what is not known is named and left out, because others may start this file with their own."""
    parser = argparse.ArgumentParser(description="Compare sounds with an audio language model.")
    parser.add_argument(
        "--model",
        default="auto",
        help="auto (the best for this machine, the default), embedded, fake, a checkpoint, a folder, or the address of "
        "a server, http://host:8000/v1",
    )
    parser.add_argument("--precision", default="auto", choices=PRECISIONS, help="default: auto, the reason is shown")
    parser.add_argument(
        "--adapter",
        action="append",
        default=[],
        help="a PEFT folder, or the name of one of the model's own; the first is on from the start",
    )
    parser.add_argument(
        "--also",
        action="append",
        default=[],
        metavar="MODEL",
        help="one more model or server to compare with, placed in what the ones before left of the memory; repeatable",
    )
    parser.add_argument(
        "--cuda-graphs",
        action="store_true",
        help="on a GPU: each token one recorded step; never tried there yet",
    )
    parser.add_argument("--list-models", action="store_true", help="what can be loaded, and what it needs; then ends")
    parser.add_argument("--sheet", type=Path, help="answer a sheet of questions without a page (docs/compare.md)")
    parser.add_argument("--out", type=Path, help="with --sheet: folder of the results")
    parser.add_argument("--mcp", action="store_true", help="also offer the model to programs as tools (docs/api.md)")
    parser.add_argument(
        "--waiting",
        type=count,
        default=MOST_WAITING,
        help="questions that may wait, default: %(default)s",
    )
    parser.add_argument("--auth", type=Path, metavar="FILE", help="ask for a password (python -m chat_app.users)")
    parser.add_argument("--name", action="append", default=[], help="a host that a proxy is called by; repeatable")
    parser.add_argument("--port", type=int, help="default: the first free one from 7860")
    parser.add_argument("--share", default="never", choices=("never",), help="this machine alone sees the page")
    known, unknown = parser.parse_known_args(line)
    if unknown:
        print(strings.UNKNOWN_ARGUMENTS.format(arguments=" ".join(unknown)), file=sys.stderr)
    return known


chosen = arguments(sys.argv[1:] if __name__ == "__main__" else [])
if chosen.list_models:
    print(table(), NOTE, sep="\n")
    sys.exit(0)
if chosen.sheet is not None:
    # What the sheet does not name is as on the command line.
    sys.exit(
        compare.run(
            chosen.sheet,
            chosen.out,
            lambda sheet: load(
                sheet.model or chosen.model,
                sheet.precision or chosen.precision,
                sheet.adapters or chosen.adapter,
                graphs=chosen.cuda_graphs,
            ),
        )
    )
if chosen.auth is not None and chosen.mcp:
    print(strings.AUTH_AND_MCP, file=sys.stderr)
    sys.exit(2)
if chosen.mcp and find_spec("mcp") is None:
    print(strings.NO_MCP, file=sys.stderr)
    sys.exit(2)
started_seconds = time.monotonic()
try:
    known = None if chosen.auth is None else users.checking(users.read(chosen.auth))
    engines = [load(chosen.model, chosen.precision, chosen.adapter, graphs=chosen.cuda_graphs)]
    for model in chosen.also:
        engines.append(load(model, graphs=chosen.cuda_graphs))
except LalmError as error:
    print(error, file=sys.stderr)
    sys.exit(2)
demo = build(*engines, most_waiting=chosen.waiting)

if __name__ == "__main__":
    # Whoever ends the program so still gets the uploads' folder deleted.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    options = launch_options(chosen.waiting, known, chosen.name) | {"mcp_server": chosen.mcp}
    try:
        # No server_name: Gradio takes 127.0.0.1, and in a Space's container what GRADIO_SERVER_NAME says there.
        address = demo.launch(server_port=chosen.port, prevent_thread_lock=True, quiet=True, **options)[1]
    except OSError:
        print(strings.PORT_TAKEN.format(port=chosen.port or ""), file=sys.stderr)
        sys.exit(2)
    if chosen.mcp and not demo.mcp_server:  # Gradio could not, with what is installed
        print(strings.NO_MCP, file=sys.stderr)
        sys.exit(2)
    # A Space is meant for everybody.
    if chosen.auth is None and listens_at() not in THIS_MACHINE and "SPACE_ID" not in os.environ:
        print(strings.OPEN_TO_ALL.format(host=listens_at()), file=sys.stderr)
    for info in (engine.info for engine in engines):
        print(strings.ENGINE.format(name=info.name, precision=info.precision, reason=info.reason))
    print(strings.LOADED.format(seconds=time.monotonic() - started_seconds, address=address), flush=True)
    demo.block_thread()
