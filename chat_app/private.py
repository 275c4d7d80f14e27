"""A folder for uploads that no other user of the machine sees, and that goes with the program.

Gradio's own is /tmp/gradio for all users of a machine: whoever is first has it, and the others can list its names.
It takes another where it is told of it before it is imported, which is why this stands before everything else.
"""

import os
import tempfile

UPLOADS = "GRADIO_TEMP_DIR"

if not os.environ.get(UPLOADS):
    folder = tempfile.TemporaryDirectory(prefix="earshot-")
    os.environ[UPLOADS] = os.path.realpath(folder.name)
