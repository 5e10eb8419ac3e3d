"""Calls of tools by real models."""
