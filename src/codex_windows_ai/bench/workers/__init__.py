"""Programs that run as measured processes; each imports only what it needs, as its memory is measured."""
