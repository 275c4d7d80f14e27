"""How often a model is right on questions with known answers: `python -m core.evaluation NAME` (docs/evaluation.md)."""
