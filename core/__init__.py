"""The engine: values, audio, model families, attention, decoding. It never imports gradio."""
