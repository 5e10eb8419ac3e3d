"""The shared-memory channel as an endpoint: requests and streamed answers without HTTP."""
