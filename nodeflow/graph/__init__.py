"""The document."""
