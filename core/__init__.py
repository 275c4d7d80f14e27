"""The engine: values, audio, model families, attention, decoding. It never imports gradio."""

import logging

# bitsandbytes warns at every import that an optional CPU kernel cannot be had from a hub; its own code serves.
logging.getLogger("bitsandbytes").setLevel(logging.ERROR)
