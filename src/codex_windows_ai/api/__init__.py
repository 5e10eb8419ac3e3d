"""The endpoints: one way through a request (`shared`), then one folder for each API."""
