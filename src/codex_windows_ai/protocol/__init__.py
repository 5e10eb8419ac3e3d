"""What is asked and answered: plain, serialisable types that every layer reads."""
