"""How the embedded model is trained: a corpus of labelled recordings, questions drawn from it, and the loop."""
