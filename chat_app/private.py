"""Gradio reports nothing, and uploads lie where no other user of the machine sees them, as long as the program runs.

Gradio's own is /tmp/gradio for all users of a machine: whoever is first has it, and the others can list its names.
It takes another where it is told of it before it is imported, which is why this stands before everything else.
"""

import os
import tempfile

os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"

UPLOADS = "GRADIO_TEMP_DIR"

if not os.environ.get(UPLOADS):
    folder = tempfile.TemporaryDirectory(prefix="earshot-")
    os.environ[UPLOADS] = os.path.realpath(folder.name)
