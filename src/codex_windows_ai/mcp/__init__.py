"""The MCP door: server, tools, and the stdio proxy."""
