"""Execution providers, the chips that they drive, and the proof that these compute what the processor does."""
