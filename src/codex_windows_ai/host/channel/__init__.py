"""The channel door: requests and streamed answers over shared memory, without HTTP."""
