"""How often a model is right on held-out questions: `python -m core.evaluation pairs` (docs/evaluation.md)."""
