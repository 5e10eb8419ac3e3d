"""The AI runtimes of this machine, and who answers."""
